// The window in which somebody has signed in hands the code to the page that opened it. Another state than the one sent
// means that somebody else began this.
const flow = window.opener && window.opener.swaggerUIRedirectOauth2;
const answer = new URLSearchParams(window.location.search);
const refuse = (message) => {
  flow.errCb({ authId: flow.auth.name, source: "auth", level: "error", message });
  window.close();
};
if (!flow) {
  document.getElementById("said").textContent = "Open Swagger UI, and sign in by its button Authorize.";
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
