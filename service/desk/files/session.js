// Signing in: by authorization code with PKCE (RFC 7636) in a window of the provider, or by a pasted token.
//
// The window hands its code back over a BroadcastChannel of this origin: no storage, and no link between the windows
// that a provider could cut. A reload of the page forgets the token.
import { root } from "./installation.js";
import { Offline, Problem, call, setToken } from "./api.js";
import { base64url } from "./proof/bytes.js";

const CHANNEL = "rootquorum-sign-in";

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

let waiting = null;

/**
 * Sign in at a provider. Call it from a click, which is what lets a browser open a window.
 * Resolves when the token is there. Throws Problem, Offline, or AbortError when another sign-in begins.
 */
export async function signInAt(issuer) {
  waiting?.abort();
  waiting = new AbortController();
  const { signal } = waiting;
  const opened = window.open("", "", "popup,width=520,height=760");
  if (!opened) throw new Problem(0, { code: "popup_blocked" });
  opened.opener = null;
  try {
    const [state, verifier] = [random(), random()];
    const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const answered = answer(state, signal);
    const redirectUri = `${location.origin}${root}/docs/oauth2-redirect`;
    const asked = new URLSearchParams({
      response_type: "code", client_id: "desk", redirect_uri: redirectUri, state,
      code_challenge: base64url(new Uint8Array(hash)), code_challenge_method: "S256",
    });
    opened.location.replace(`${root}/sign-in/${encodeURIComponent(issuer)}/authorize?${asked}`);
    const { code, error } = await answered;
    if (!code) throw new Problem(400, { code: "not_signed_in", detail: error });
    const form = { grant_type: "authorization_code", code, redirect_uri: redirectUri, code_verifier: verifier };
    setToken(await exchanged(issuer, form, signal));
  } finally {
    opened.close();
  }
}

/** What the window says that belongs to this state. */
function answer(state, signal) {
  return new Promise((resolve, reject) => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => {
      if (data?.state !== state) return;
      channel.close();
      resolve(data);
    };
    signal.addEventListener("abort", () => {
      channel.close();
      reject(signal.reason);
    });
  });
}

async function exchanged(issuer, form, signal) {
  let sent, body;
  try {
    sent = await fetch(`${root}/sign-in/${encodeURIComponent(issuer)}/token`, {
      method: "POST", body: new URLSearchParams(form), signal,
      credentials: "omit", cache: "no-store", redirect: "error",
    });
    body = await sent.json();
  } catch {
    signal.throwIfAborted();
    throw new Offline();
  }
  if (sent.ok) return body.access_token;
  const { code = "not_signed_in", detail = body.error_description } = body;
  throw new Problem(sent.status, { ...body, code, detail });
}

/** Sign in with a token that somebody pasted. Throws Problem or Offline if it is none. */
export async function signInWith(pasted) {
  const token = pasted.trim();
  if (!/^[!-~]+$/.test(token)) throw new Problem(0, { code: "no_token" });
  setToken(token);
  try {
    await call("GET", "/v1/me");
  } catch (error) {
    setToken(null);
    throw error;
  }
}

export function signOut() {
  setToken(null);
}
