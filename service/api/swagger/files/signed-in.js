// The window in which somebody has signed in hands the code to the page that began it. Another state than the one sent
// means that somebody else began this. Swagger UI has opened this window; the desk listens on a channel of this origin,
// and compares the state itself.
const flow = window.opener && window.opener.swaggerUIRedirectOauth2;
const answer = new URLSearchParams(window.location.search);
const refuse = (message) => {
  flow.errCb({ authId: flow.auth.name, source: "auth", level: "error", message });
  window.close();
};
if (!flow) {
  const channel = new BroadcastChannel("rootquorum-sign-in");
  channel.postMessage({ state: answer.get("state"), code: answer.get("code"), error: answer.get("error") });
  channel.close();
  window.history.replaceState(null, "", window.location.pathname);
  document.getElementById("said").textContent =
    "Close this window, and go on in the one in which you began to sign in. If there is none, open the desk and sign in there.";
  window.close();
} else if (answer.get("state") !== flow.state) {
  refuse("The answer belongs to another sign-in. Try again.");
} else if (!answer.get("code")) {
  refuse("The provider signed nobody in: " + (answer.get("error") || "no code") + ".");
} else {
  delete flow.state;
  flow.auth.code = answer.get("code");
  flow.callback({ auth: flow.auth, redirectUrl: flow.redirectUrl });
  window.close();
}
