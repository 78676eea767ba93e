// Asking: a form, then what approvers will read, then the request. Which values are good says the service.
import { Offline, Problem, Refused, get, post } from "../api.js";
import { acted } from "../acting.js";
import { button, choices, el, field, fill, form, notice, p, viewTitle } from "../dom.js";
import { account as named, duration, secondsOf, written } from "../format.js";
import { blamable, sent } from "../forms.js";
import { EFFECTS, MAKES_KEY } from "../proof/briefing.js";
import { hex } from "../proof/digest.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";
import { targetsOf } from "./account.js";
import { facts } from "./facts.js";

const said = texts.asking;
// The service takes no second request of the same kind while one has such a status.
const OPEN = new Set(["pending", "approved", "executing", "in_doubt"]);
const ROTATE = "rotate_access_key";
// The usual days of each step, as `service/domain/rotation_plan.py` has them.
const USUAL_DAYS = { unused_for: "7", cut_over_within: "30", deletion_wait: "7" };
const MAY_LOCK_OUT = new Set(["deactivate_access_key", "delete_access_key"]);
// A number before or behind each makes an ISO 8601 duration.
const PERIODS = { days: ["P", "D"], weeks: ["P", "W"], hours: ["PT", "H"], minutes: ["PT", "M"] };

/** The form that asks for one operation in one account. */
export default async function show(desk, { params, query, signal }) {
  const account = await get(`/v1/accounts/${encodeURIComponent(params.id)}`, { signal });
  const capability = account.capabilities.find(({ operation }) => operation === params.operation);
  const heading = [texts.operation[params.operation] ?? texts.problem.notFound, " · ", named(account)];
  return el("div", {},
    viewTitle(heading),
    p(el("a", { href: addressOf(`/accounts/${account.account_id}`) }, said.account)),
    capability?.possible
      ? filling(desk, account.account_id, capability, query.get("target") ?? "")
      : notice("problem", texts.problem.title, p(written(capability?.reason ?? texts.problem.notFoundLead))));
}

function filling(desk, accountId, { operation, needs }, target) {
  const fields = fieldsOf(operation, needs, target);
  const [, named] = EFFECTS[operation];
  if (named && !target && !Object.hasOwn(said.typed, named)) fields[named].box.append(choosing(desk, accountId, operation, fields[named].input));
  // One form is one request, however often it is sent.
  const key = hex(crypto.getRandomValues(new Uint8Array(16)));
  const [page, problem] = [el("div"), el("div")];
  const entry = form(() => preview(), Object.values(fields).map(({ box }) => box),
    choices(el("button", { class: "primary" }, said.preview)),
    el("p", { class: "hint" }, said.previewHint));

  const body = () => ({
    operation, account_id: accountId,
    ...Object.fromEntries(Object.entries(fields).map(([name, { value }]) => [name, value()]).filter(([, value]) => value !== null)),
  });

  const preview = () => sent(desk, problem, fields, async () => {
    const asked = body();
    const found = await orBlamed(fields, asked, () => post("/v1/previews", asked));
    fill(page, previewed(found, () => file(asked), change));
    page.querySelector("h2").focus();
  });

  const file = (asked) => sent(desk, problem, fields, async () => {
    try {
      const { id } = await orBlamed(fields, asked, () => post("/v1/requests", asked, { headers: { "Idempotency-Key": key } }));
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

/** What there is to do it to, once somebody wants to look. What they choose stands in the field then. */
function choosing(desk, accountId, operation, input) {
  const [place, problem] = [el("div"), el("div")];
  const choice = ([id, shown, status]) => button([shown, status], () => {
    input.value = id;
    input.focus();
  });
  fill(place, choices(button(texts.account.look, () => acted(desk, problem, async () => {
    const path = `/v1/accounts/${accountId}/root-credentials`;
    const found = targetsOf(operation, (await get(path, { signal: desk.signal() })).root_credentials);
    const none = el("p", { tabindex: "-1" }, found ? texts.account.noTarget : said.unlisted);
    fill(place, found?.length ? choices(found.map(choice)) : none);
    place.querySelector("button, p").focus();
  }))), el("p", { class: "hint" }, texts.account.nowLead));
  return el("div", {}, place, problem);
}

/** The request that stands in the way of this one, for whoever may see it. */
async function twinOf({ account_id, operation, ...more }) {
  try {
    const { items } = await get("/v1/requests", { query: { account_id, operation, limit: 100 } });
    const target = more[EFFECTS[operation][1]] ?? null;
    return items.find((each) => OPEN.has(each.status) && each.target === target);
  } catch (error) {
    if (error instanceof Problem || error instanceof Offline) return undefined;
    throw error;
  }
}

/** Do it. What the service refuses only for want of a tick is said at the box of that. */
async function orBlamed({ accept_lockout: box }, asked, act) {
  try {
    return await act();
  } catch (error) {
    const twin = error.code === "duplicate_request" && await twinOf(asked);
    if (twin) error.link = el("a", { href: addressOf(`/requests/${twin.id}`) }, said.twin);
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
    choices(button(said.file, file, { class: "primary" }), button(said.change, change)));
}

/** The fields of an operation by their names in the API. Each has `box`, `input`, `value()`, `blame(reason)`, `isBlamed()`. */
function fieldsOf(operation, needs, target) {
  const isCreate = MAKES_KEY.has(operation);
  const [, named] = EFFECTS[operation];
  return {
    ...(named ? { [named]: line(said.target[named], { hint: said.typed[named] ?? said.targetHint, value: target, required: true }) } : {}),
    recipient: line(isCreate ? said.recipient : said.executor, { hint: isCreate ? said.recipientHint : said.executorHint }),
    ...(isCreate ? { lifetime: lifetime(needs), sealed_to: line(said.sealedTo, { hint: said.sealedToHint }) } : {}),
    ...(operation === ROTATE ? { rotation: plan() } : {}),
    ticket: line(said.ticket, { hint: needs.ticket_required ? said.needed : said.optional, required: needs.ticket_required }),
    justification: line(said.justification, { kind: "textarea", hint: said.justificationHint, required: true, maxlength: "2000" }),
    ...(isCreate ? {} : { run_on_approval: tick(said.byItself) }),
    ...(MAY_LOCK_OUT.has(operation) ? { accept_lockout: tick(said.lockout) } : {}),
    drill: tick(said.drill),
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

/** The plan of a rotation. Each step has a field; what is wrong with one stands below all. */
function plan() {
  const steps = Object.entries(USUAL_DAYS).map(([name, value]) => [name, field(said.steps[name], {
    hint: said.stepHint[name], value, required: true, inputmode: "numeric", autocomplete: "off",
  })]);
  const box = el("div", {}, steps.map(([, each]) => each.box));
  const value = () => Object.fromEntries(steps.map(([name, { input }]) => [name, `P${input.value.trim()}D`]));
  return { ...blamable(box, steps[0][1].input), value };
}

function tick(label) {
  const input = el("input", { type: "checkbox" });
  const box = el("div", {}, el("label", { class: "check" }, input, label));
  return { ...blamable(box, input), value: () => input.checked || null };
}
