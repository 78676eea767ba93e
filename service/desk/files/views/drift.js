import { get, post } from "../api.js";
import { choices, el, field, fill, folded, form, notice, p, rows, viewTitle } from "../dom.js";
import { blamable, sent } from "../forms.js";
import { account, clock, grouped, mailbox, written } from "../format.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";

const said = texts.drift;

/** What changed at root users and no request explains. Somebody who looked into it accepts it, with a reason. */
export default async function show(desk, { signal }) {
  const { items, oldest_check_at: since, never_checked: never } = await get("/v1/drift", { signal });
  return el("div", {}, viewTitle(texts.nav.drift), p(said.lead),
    since && p(items.length === 0 && [el("strong", {}, said.nothing), " "], said.since, " ", clock(since)),
    never > 0 && el("p", { class: "warned" }, said.never(never)),
    items.length === 0 ? null : el("ul", { class: "cards" }, items.map((each) => card(desk, each))));
}

const domainOf = (address) => address.slice(address.lastIndexOf("@") + 1).toLowerCase();

function card(desk, finding) {
  const [acceptance, problem] = [el("div"), el("div")];
  const made = field(said.reason, { kind: "textarea", hint: said.reasonHint, required: true, maxlength: "2000" });
  const comment = blamable(made.box, made.input);
  fill(acceptance, folded(said.accept, p(said.acceptLead), form(() => sent(desk, problem, { comment }, async () => {
    await post(`/v1/drift/${finding.id}/acceptance`, { comment: comment.input.value.trim() || undefined });
    fill(acceptance, notice("good", null, p(said.accepted)));
    desk.say(said.accepted);
  }), comment.box, choices(el("button", { class: "primary" }, said.acceptButton)))));
  const isEmail = finding.kind === "email_changed";
  const value = isEmail ? mailbox : written;
  return el("li", { class: "card" },
    el("h2", {}, said.kind[finding.kind]),
    isEmail && domainOf(finding.expected) !== domainOf(finding.found) && notice("warning", null, p(said.otherDomain)),
    rows(
      [texts.request.account, el("a", { href: addressOf(`/accounts/${finding.account.account_id}`) }, account(finding.account))],
      [texts.request.key, finding.access_key_id && grouped(finding.access_key_id, 4)],
      [said.expected, value(finding.expected ?? said.absent)],
      [said.found, value(finding.found ?? said.absent)],
      [said.foundAt, clock(finding.found_at)]),
    acceptance, problem);
}
