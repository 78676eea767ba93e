// The ways to sign in, as they stand wherever somebody has to.
import { issuers } from "./installation.js";
import { Offline, Problem } from "./api.js";
import { el, field, fill, folded, form, notice, p, viewTitle } from "./dom.js";
import { signInAt, signInWith } from "./session.js";
import { texts } from "./texts.js";

/** Buttons of the providers, and a field for a token. Calls `then` after the sign-in. */
export function signInPanel(then) {
  const said = el("div", { "aria-live": "polite" });

  async function signIn(how, meanwhile) {
    fill(said, meanwhile && p(meanwhile));
    try {
      await how();
      fill(said);
      await then();
    } catch (error) {
      if (error.name !== "AbortError") fill(said, notice("problem", null, p(why(error))));
    }
  }

  const { box, input } = field(texts.signIn.tokenLabel, {
    hint: texts.signIn.tokenHint, type: "password", autocomplete: "off", spellcheck: "false", required: true,
  });
  const pasting = form(
    async () => {
      const pasted = input.value;
      input.value = "";
      await signIn(() => signInWith(pasted));
    },
    box, el("button", { type: "submit" }, texts.signIn.tokenButton));
  return el("div", { class: "sign-in" },
    !window.isSecureContext && notice("warning", null, p(texts.signIn.insecure)),
    issuers.map((issuer) => el("button", {
      // Not one that waits: whoever closed the window presses it again.
      type: "button", class: "primary", click: () => signIn(() => signInAt(issuer), texts.signIn.waiting),
    }, texts.signIn.at(issuer))),
    issuers.length ? folded(texts.signIn.token, pasting) : pasting,
    said);
}

function why(error) {
  if (error instanceof Offline) return texts.connection.offline;
  if (!(error instanceof Problem)) throw error;
  if (error.code === "popup_blocked") return texts.signIn.blocked;
  if (error.code === "no_token") return texts.signIn.noToken;
  return error.code === "not_signed_in" ? texts.signIn.refused(error.detail) : error.detail;
}

/** The whole view for somebody who is not signed in. `ended` says that they were. */
export function signInView(then, ended) {
  return el("div", {},
    viewTitle(texts.signIn.title),
    p(ended ? texts.signIn.ended : texts.signIn.lead),
    signInPanel(then));
}
