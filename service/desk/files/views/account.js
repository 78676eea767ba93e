import { get, post } from "../api.js";
import { acted } from "../acting.js";
import { bullets, button, choices, el, fill, notice, p, rows, viewTitle } from "../dom.js";
import { account as named, clock, duration, grouped, mailbox, secondsOf, written } from "../format.js";
import { EFFECTS } from "../proof/briefing.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";
import { picture } from "./facts.js";

const said = texts.account;

// Where the targets of an operation stand in what AWS shows: [its list, the id of each, its status].
const TARGETS_IN = {
  access_key_id: ["keys", "access_key_id", "status"],
  serial_number: ["mfa_devices"],
  certificate_id: ["signing_certificates", "certificate_id", "status"],
};

// What AWS says without a list.
const IS_NONE = {
  mfa_devices: ({ mfa_enabled: isOn }) => isOn === false,
  signing_certificates: ({ signing_certificates_present: are }) => are === false,
};
// The status that makes an operation needless: the service refuses it then.
const STATUS_AFTER = { activate_access_key: "Active", deactivate_access_key: "Inactive" };

/** An account: what can be done there and what not, its root user now, and what the service expects of that. */
export default async function show(desk, { params, signal }) {
  const path = `/v1/accounts/${encodeURIComponent(params.id)}`;
  const found = await get(path, { signal });
  const [live, problem, list] = [el("div"), el("div"), el("ul", { class: "cards" })];
  // What is possible stands first.
  const operations = found.capabilities.toSorted((one, other) => other.possible - one.possible);
  const lead = p(said.canLead);
  const draw = (observed) => fill(list, operations.map((each) => possibility(found, each, observed)));
  const look = () => acted(desk, problem, async () => {
    const { root_credentials: observed } = await get(`${path}/root-credentials`, { signal });
    fill(live, picture({ observed, target: null }));
    draw(observed);
    lead.remove();
    desk.say(said.looked);
  });
  draw(null);
  return el("div", {},
    viewTitle(named(found)),
    found.state !== "ACTIVE" && notice("warning", null, p(texts.accounts.state(found.state))),
    el("h2", {}, said.now), p(said.nowLead),
    choices(button(said.look, look)), problem, live,
    el("h2", {}, said.can),
    !desk.me().roles.includes("requester") && notice("note", null, p(said.notAsking)),
    lead, list,
    el("h2", {}, said.expected), expectation(desk, found));
}

/** The address of the form that asks for an operation, on a target if it has one. */
const asking = (id, operation, target) =>
  addressOf(`/accounts/${id}/ask/${operation}${target ? `?${new URLSearchParams({ target })}` : ""}`);

/** One operation. What cannot be done is grey, with the reason that the service gives. */
function possibility({ account_id: id }, { operation, possible, reason, needs }, observed) {
  const name = texts.operation[operation];
  if (!possible) {
    return el("li", { class: "card greyed" }, el("h3", {}, said.cannot(name)), p(written(reason)));
  }
  return el("li", { class: "card" },
    el("h3", {}, el("a", { href: asking(id, operation) }, name)),
    el("p", { class: "facts" },
      el("span", {}, said.approvals(needs.quorum)),
      needs.ticket_required && el("span", {}, said.ticket),
      needs.max_lifetime && el("span", {}, said.longest(duration(secondsOf(needs.max_lifetime))))),
    observed && targets(id, operation, observed));
}

/** What an operation can be done to now, as `[id, shown, status]`. Null if it needs no target, or if AWS did not list any. */
export function targetsOf(operation, observed) {
  const [list, name, status] = TARGETS_IN[EFFECTS[operation][1]] ?? [];
  const all = IS_NONE[list]?.(observed) ? [] : observed[list];
  return all?.filter((each) => each.status !== STATUS_AFTER[operation]).map((each) =>
    name ? [each[name], grouped(each[name], 4), status && ` ${each[status]}`] : [each, written(each), null]) ?? null;
}

function targets(id, operation, observed) {
  const found = targetsOf(operation, observed);
  if (found?.length === 0) return p(said.noTarget);
  return found && bullets(found.map(([target, shown, status]) =>
    [el("a", { href: asking(id, operation, target) }, shown), status]));
}

function expectation(desk, { account_id: id, expected }) {
  const [place, problem] = [el("div"), el("div")];
  const check = () => acted(desk, problem, async () => {
    const result = await post(`/v1/accounts/${id}/drift-check`);
    fill(place, shown(result.expected), notice(result.open.length ? "warning" : "good", null,
      p(result.adopted ? said.adopted : said.open(result.open.length), " ",
        result.open.length > 0 && el("a", { href: addressOf("/drift") }, texts.nav.drift))));
  });
  fill(place, shown(expected));
  return el("div", {}, place,
    desk.me().roles.includes("operator") && [
      p(said.checkLead), choices(button(said.check, check)), problem]);
}

function shown(expected) {
  if (expected === null) return p(said.unexpected);
  return rows(
    [texts.request.key, expected.keys.length === 0 ? texts.none : bullets(expected.keys.map((key) =>
      [grouped(key.access_key_id, 4), `, ${key.status}, ${said.origin[key.origin]}`]))],
    [texts.request.mfa, expected.mfa_enabled ? texts.yes : texts.no],
    [texts.request.email, expected.email && mailbox(expected.email)],
    [said.checkedAt, clock(expected.checked_at)]);
}
