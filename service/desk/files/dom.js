// Elements, made only of names and texts. Nothing here parses markup, and Trusted Types forbid it everywhere.

/**
 * Make an element. `attributes` are strings; true and false set and omit one; a function listens to the event it is
 * named after. Children are nodes or texts; null and false are left out.
 */
export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(attribute, value);
    else if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...flat(children));
  return made;
}

/** Replace everything in `place`. */
export function fill(place, ...children) {
  place.replaceChildren(...flat(children));
}

/** Replace everything in `place` by its newer self: what was unfolded stays so, and the keyboard stays where it was. */
export function redraw(place, ...children) {
  const focused = place.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const open = new Set([...place.querySelectorAll("details[open] > summary")].map(nameOf));
  fill(place, ...children);
  for (const each of place.querySelectorAll("summary, a[href], button")) {
    if (open.has(nameOf(each))) each.parentElement.open = true;
    if (nameOf(each) === focused) each.focus({ preventScroll: true });
  }
}

const nameOf = (element) => element.getAttribute("href") ?? element.textContent;

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

/** A button that acts. It cannot be pressed again until `act` has ended. */
export function button(text, act, attributes = {}) {
  const made = el("button", {
    type: "button",
    ...attributes,
    click: async () => {
      if (made.getAttribute("aria-disabled") === "true") return;
      // Not `disabled`, which would throw the keyboard's focus away.
      made.setAttribute("aria-disabled", "true");
      try {
        await act();
      } finally {
        made.removeAttribute("aria-disabled");
      }
    },
  }, text);
  return made;
}

/** A form whose `act` is called by its button and by Enter. The browser itself never sends it. */
export function form(act, ...children) {
  let busy = false;
  return el("form", {
    novalidate: true,
    submit: async (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      try {
        await act(event);
      } finally {
        busy = false;
      }
    },
  }, ...children);
}

let counter = 0;

/** A labelled field. `hint` stands between label and field. Returns the field's element as `input`. */
export function field(label, { hint, kind = "input", options, ...attributes } = {}) {
  const id = `field-${(counter += 1)}`;
  const input = el(kind, { id, ...attributes, "aria-describedby": hint ? `${id}-hint` : null });
  for (const [value, text] of options ?? []) input.append(el("option", { value }, text));
  const box = el("div", { class: "field" },
    el("label", { for: id }, label),
    hint && el("p", { class: "hint", id: `${id}-hint` }, hint),
    input);
  return { box, input };
}

/** A paragraph. */
export const p = (...children) => el("p", {}, ...children);

/** A list of things, each as one has it. */
export const bullets = (items) => el("ul", {}, items.map((each) => el("li", {}, each)));

/** The heading of a view, which gets the focus. */
export const viewTitle = (...children) => el("h1", { tabindex: "-1" }, ...children);

/** Buttons side by side. */
export const choices = (...children) => el("div", { class: "actions" }, ...children);

/** Rows of a name and a value. Rows whose value is null are left out. */
export function rows(...pairs) {
  return el("dl", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== false)
    .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** What is folded away until somebody wants it. */
export function folded(title, ...children) {
  return el("details", {}, el("summary", {}, title), el("div", {}, ...children));
}

/** A notice. `kind` is "warning", "problem", "good" or "note"; its meaning never depends on colour. */
export function notice(kind, title, ...children) {
  return el("section", { class: `notice ${kind}`, role: kind === "problem" ? "alert" : null },
    title && el("strong", {}, title), ...children);
}
