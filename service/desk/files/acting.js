// What somebody does on the page: how its refusal is said, and how they go on after another sign-in.
import { Offline, Problem, Refused } from "./api.js";
import { bullets, button, fill, notice, p } from "./dom.js";
import { signInPanel } from "./sign-in.js";
import { texts } from "./texts.js";

/** Say an error in its place. `retry` is offered where trying again may help. */
export function problemNotice(error, retry) {
  const again = retry && button(texts.connection.retry, retry);
  if (error instanceof Refused) return notice("problem", texts.problem.title, p(error.message));
  if (error instanceof Offline) {
    return notice("problem", texts.problem.title, p(error.message || texts.connection.offline), again);
  }
  if (error instanceof Problem) {
    return notice("problem", error.title || texts.problem.title, p(error.detail),
      error.errors.length > 0 && bullets(error.errors.map(({ location, reason }) =>
        texts.problem.field(location.join(" › "), reason))),
      error.link && p(error.link),
      (error.status >= 500 || error.status === 429) && again);
  }
  console.error(error);
  return notice("problem", texts.problem.fault, p(texts.problem.faultLead));
}

/**
 * Do something that changes the service. What goes wrong is said in `place`. A sign-in that is too old is made anew
 * there, and then the same is done again: nobody loses what they have written. Returns whether it was done.
 */
export async function acted(desk, place, act) {
  fill(place);
  try {
    await act();
    return true;
  } catch (error) {
    if (desk.signal().aborted) return false;
    if (error instanceof Problem && (error.code === "sign_in_again" || error.status === 401)) {
      const done = await signedInAgain(desk, place, error);
      return done && acted(desk, place, act);
    }
    // Whether a change arrived is not known, so it is not simply repeated.
    const shown = error instanceof Offline ? new Offline(texts.connection.lost) : error;
    fill(place, problemNotice(shown));
    return false;
  }
}

/** Resolves once the same person has signed in again. Another person gets the page anew. */
function signedInAgain(desk, place, error) {
  return new Promise((resolve) => {
    const panel = signInPanel(async () => {
      fill(place);
      resolve(await desk.isSamePerson());
    });
    fill(place, notice("problem", texts.signIn.again, p(error.detail), panel));
    panel.querySelector("button").focus();
  });
}
