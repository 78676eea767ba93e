// Forms whose fields say what is wrong with them.
import { Problem } from "./api.js";
import { acted } from "./acting.js";
import { el, fill } from "./dom.js";
import { texts } from "./texts.js";

let counter = 0;

/** Lets a field of a form say what is wrong with it: `blame(reason)`, with null for nothing, and `isBlamed()`. */
export function blamable(box, input) {
  const hint = input.getAttribute("aria-describedby");
  const fault = el("p", { class: "fault", id: `fault-${(counter += 1)}`, hidden: true });
  box.append(fault);
  return {
    box,
    input,
    isBlamed: () => !fault.hidden,
    blame(reason) {
      fill(fault, reason);
      fault.hidden = reason === null;
      input.setAttribute("aria-invalid", String(reason !== null));
      const described = [hint, reason !== null && fault.id].filter(Boolean).join(" ");
      if (described) input.setAttribute("aria-describedby", described);
      else input.removeAttribute("aria-describedby");
    },
  };
}

/**
 * Do what a form is for, as `acted` does. What the service says of one of its fields, by their names in the API, stands
 * at that field, and the first of these has the focus.
 */
export async function sent(desk, place, fields, act) {
  for (const each of Object.values(fields)) each.blame(null);
  const isDone = await acted(desk, place, async () => {
    try {
      await act();
    } catch (error) {
      if (error instanceof Problem && error.errors.length > 0) {
        error.errors = error.errors.filter((wrong) => !isSaidAt(fields, wrong));
        if (error.errors.length === 0) error.detail = texts.problem.atFields;
      }
      throw error;
    }
  });
  if (!isDone) Object.values(fields).find((each) => each.isBlamed())?.input.focus();
  return isDone;
}

function isSaidAt(fields, { location: [place, name], reason }) {
  if (place !== "body" || !Object.hasOwn(fields, name)) return false;
  fields[name].blame(inWords(reason));
  return true;
}

// Two sentences of the service are for programs.
function inWords(reason) {
  if (reason === "Field required") return texts.problem.required;
  return reason.startsWith("String should match pattern") ? texts.problem.form : reason;
}
