// The log of a request, from its evidence: read as the file that one may keep, and checked here.
import { get } from "../api.js";
import { acted } from "../acting.js";
import { bullets, button, choices, el, field, fill, folded, form, notice, p, viewTitle } from "../dom.js";
import { save } from "../files.js";
import { clock, written } from "../format.js";
import { compareHead } from "../heads.js";
import { root } from "../installation.js";
import { fromBase64, utf8 } from "../proof/bytes.js";
import { canonicalText } from "../proof/canonical.js";
import { hex } from "../proof/digest.js";
import { check } from "../proof/evidence.js";
import { Fault } from "../proof/fault.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";

const said = texts.log;
const KINDS = { good: "good", bad: "problem" };

export default async function show(desk, { params, signal }) {
  const id = encodeURIComponent(params.id);
  const evidence = await get(`/v1/requests/${id}/evidence`, { as: "text", signal });
  const [verdict, events, problem] = [el("div", { role: "status" }), el("div"), el("div")];
  const { box, input } = field(said.key, { hint: said.keyHint, autocomplete: "off", spellcheck: "false" });

  const again = () => acted(desk, problem, async () => {
    const key = input.value.trim();
    let found;
    try {
      found = await check(utf8(evidence), { keys: key ? [key] : keysIn(evidence) });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      fill(problem, notice("problem", said.noKey, p(error.message)));
      return;
    }
    fill(events, eventsOf(found));
    fill(verdict, verdictOf(found, key !== ""), isSigned(found) && await grown(found.head, signal));
  });

  await again();
  return el("div", {},
    viewTitle(said.title),
    p(el("a", { href: addressOf(`/requests/${id}`) }, said.request)),
    verdict, problem,
    choices(button(said.download, () => save(`evidence-${params.id}.json`, "application/json", evidence))),
    el("p", { class: "hint" }, said.downloadHint),
    p(el("a", { href: `${root}/desk/evidence.html`, download: "evidence.html" }, said.page)),
    el("p", { class: "hint" }, said.pageHint),
    folded(said.keyTitle, form(again, box, choices(el("button", {}, said.again)))),
    el("h2", {}, said.events), events);
}

/** The keys of the log that the evidence itself names. Whether they are those of the log nobody here can know. */
function keysIn(evidence) {
  try {
    return JSON.parse(evidence).keys.map(({ key }) => key);
  } catch {
    return [];
  }
}

function verdictOf({ verdict, checks }, isOwnKey) {
  const isBad = verdict === "bad";
  const others = checks.filter(({ state }) => !KINDS[state]);
  return [
    notice(isBad ? "problem" : "good", said.verdicts[verdict],
      p(isBad ? said.badLead : isOwnKey ? said.ownKey : said.servicesKey)),
    list(checks.filter(({ state }) => KINDS[state])),
    folded(said.others(others.length), list(others)),
  ];
}

const list = (checks) => el("ul", { class: "cards" }, checks.map(({ title, state, why }) =>
  el("li", { class: `notice ${KINDS[state] ?? "note"}` },
    el("strong", {}, `${said.states[state]}: `), title,
    why.length > 0 && bullets(why.map((each) => written(each))))));

// A head that nobody proved to be the log's is not kept.
const isSigned = ({ checks }) => checks.some(({ name, state }) => name === "head" && state === "good");

/** What this page has seen of the log before. Throws Refused if this log is another one. */
async function grown({ origin, size, root }, signal) {
  const before = await compareHead({ service: origin, log: { size, root: hex(fromBase64(root)) } }, signal);
  return p(before === null ? texts.deciding.first(size) : texts.deciding.grown(size, before));
}

function eventsOf({ requests }) {
  return el("ol", { class: "cards" }, requests.flatMap(({ events }) => events).map(({ faults, ...event }) => el("li", { class: "card" },
    el("p", { class: "facts" }, el("strong", {}, written(event.event)), el("span", {}, clock(event.at)),
      el("span", {}, written(event.actor?.subject ?? ""))),
    faults.length > 0 && el("p", { class: "warned" }, faults.join(", ")),
    folded(said.event(event.seq), el("code", { class: "code" }, written(canonicalText(event)))))));
}
