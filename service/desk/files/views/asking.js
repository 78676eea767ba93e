// Asking: a form, then what approvers will read, then the request. Which values are good says the service.
import { Problem, Refused, get, post } from "../api.js";
import { button, el, field, fill, form, notice } from "../dom.js";
import { account as named, duration, secondsOf, written } from "../format.js";
import { blamable, sent } from "../forms.js";
import { EFFECTS } from "../proof/briefing.js";
import { hex } from "../proof/digest.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";
import { facts } from "./facts.js";

const said = texts.asking;
const CREATE = "create_access_key";
const MAY_LOCK_OUT = new Set(["deactivate_access_key", "delete_access_key"]);
// A number before or behind each makes an ISO 8601 duration.
const PERIODS = { days: ["P", "D"], weeks: ["P", "W"], hours: ["PT", "H"], minutes: ["PT", "M"] };

/** The form that asks for one operation in one account. */
export default async function show(desk, { params, query, signal }) {
  const account = await get(`/v1/accounts/${encodeURIComponent(params.id)}`, { signal });
  const capability = account.capabilities.find(({ operation }) => operation === params.operation);
  const heading = [texts.operation[params.operation] ?? texts.problem.notFound, " · ", named(account)];
  return el("div", {},
    el("h1", { tabindex: "-1" }, heading),
    el("p", {}, el("a", { href: addressOf(`/accounts/${account.account_id}`) }, said.account)),
    capability?.possible
      ? filling(desk, account.account_id, capability, query.get("target") ?? "")
      : notice("problem", texts.problem.title, el("p", {}, written(capability?.reason ?? texts.problem.notFoundLead))));
}

function filling(desk, accountId, { operation, needs }, target) {
  const fields = fieldsOf(operation, needs, target);
  // One form is one request, however often it is sent.
  const key = hex(crypto.getRandomValues(new Uint8Array(16)));
  const [page, problem] = [el("div"), el("div")];
  const entry = form(() => preview(), Object.values(fields).map(({ box }) => box),
    el("div", { class: "actions" }, el("button", { class: "primary" }, said.preview)),
    el("p", { class: "hint" }, said.previewHint));

  const body = () => ({
    operation, account_id: accountId,
    ...Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value()]).filter(([, value]) => value !== null)),
  });

  const preview = () => sent(desk, problem, fields, async () => {
    const asked = body();
    const found = await orBlamed(fields, () => post("/v1/previews", asked));
    fill(page, previewed(found, () => file(asked), change));
    page.querySelector("h2").focus();
  });

  const file = (asked) => sent(desk, problem, fields, async () => {
    try {
      const { id } = await orBlamed(fields, () => post("/v1/requests", asked, { headers: { "Idempotency-Key": key } }));
      desk.say(said.filed);
      desk.go(`/requests/${id}`);
    } catch (error) {
      if (error instanceof Problem && error.code === "idempotency_key_reused") throw new Refused(said.changed);
      // Where the fields are is where their faults stand.
      if (Object.values(fields).some((each) => each.isBlamed())
        || (error instanceof Problem && error.errors.some(({ location }) => location[0] === "body"))) change();
      throw error;
    }
  });

  function change() {
    fill(page, entry);
    Object.values(fields)[0].input.focus();
  }

  fill(page, entry);
  return el("div", {}, page, problem);
}

/** Do it. What the service refuses only for want of a tick is said at the box of that. */
async function orBlamed({ accept_lockout: box }, act) {
  try {
    return await act();
  } catch (error) {
    const missing = error instanceof Problem ? said.lockedOut[error.code] : undefined;
    if (box === undefined || missing === undefined) throw error;
    box.blame(missing);
    error.detail = texts.problem.atFields;
    throw error;
  }
}

function previewed(found, file, change) {
  return el("section", { class: "panel" },
    el("h2", { tabindex: "-1" }, said.previewed),
    facts({ ...found, status: "pending", decisions: [], result: null }),
    el("div", { class: "actions" }, button(said.file, file, { class: "primary" }), button(said.change, change)));
}

/** The fields of an operation by their names in the API. Each has `box`, `input`, `value()`, `blame(reason)`, `isBlamed()`. */
function fieldsOf(operation, needs, target) {
  const isCreate = operation === CREATE;
  const [, named] = EFFECTS[operation];
  return {
    ...(named ? { [named]: line(said.target[named], { hint: said.targetHint, value: target, required: true }) } : {}),
    recipient: line(isCreate ? said.recipient : said.executor, { hint: isCreate ? said.recipientHint : said.executorHint }),
    ...(isCreate ? { lifetime: lifetime(needs) } : {}),
    ticket: line(said.ticket, { hint: needs.ticket_required ? said.needed : said.optional, required: needs.ticket_required }),
    justification: line(said.justification, { kind: "textarea", hint: said.justificationHint, required: true, maxlength: "2000" }),
    ...(isCreate ? {} : { run_on_approval: tick(said.byItself) }),
    ...(MAY_LOCK_OUT.has(operation) ? { accept_lockout: tick(said.lockout) } : {}),
  };
}

function line(label, options) {
  const { box, input } = field(label, { autocomplete: "off", spellcheck: options.kind ? "true" : "false", ...options });
  return { ...blamable(box, input), value: () => input.value.trim() || null };
}

function lifetime({ lifetime_required: isRequired, max_lifetime: longest }) {
  const hint = longest ? said.longest(duration(secondsOf(longest))) : isRequired ? said.needed : said.noEnd;
  // Text, not a number: a browser makes nothing of a number that it does not understand, and nothing means no end.
  const made = field(said.lifetime, { hint, inputmode: "numeric", autocomplete: "off", required: isRequired });
  const unit = field(said.unit, { kind: "select", options: Object.keys(PERIODS).map((each) => [each, said.units[each]]) });
  const box = el("div", {}, el("div", { class: "pair" }, made.box, unit.box));
  const value = () => {
    const [before, behind] = PERIODS[unit.input.value];
    const number = made.input.value.trim();
    return number === "" ? null : `${before}${number}${behind}`;
  };
  // Below both, so that they stay beside each other.
  return { ...blamable(box, made.input), value };
}

function tick(label) {
  const input = el("input", { type: "checkbox" });
  const box = el("div", {}, el("label", { class: "check" }, input, label));
  return { ...blamable(box, input), value: () => input.checked || null };
}
