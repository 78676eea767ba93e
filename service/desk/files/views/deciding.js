// Approving, rejecting, withdrawing. An approval shows once more what was filed: read from the document that is hashed
// here, and from nothing else.
import { Problem, Refused, get, post } from "../api.js";
import { acted, problemNotice } from "../acting.js";
import { bullets, button, choices, el, field, fill, folded, form, notice, p, rows } from "../dom.js";
import { accountId, clock, duration, target as named, ticket, written } from "../format.js";
import { differences, readFiling, warningsOf } from "../filing.js";
import { checkStillUnnamed } from "../heads.js";
import { MAKES_KEY, effectOf } from "../proof/briefing.js";
import { canonicalText } from "../proof/canonical.js";
import { checkStatement, passkeysOf, sign } from "../signing.js";
import { texts } from "../texts.js";
import { digest, drillNotice, picture, policyOf, warned } from "./facts.js";

const said = texts.deciding;
const LONGEST_COMMENT = 2000;

const heading = (text) => el("h2", { tabindex: "-1" }, text);

/** The panel that approves. `request` is what has been read; what the service says of it later is no part of this. */
export function approving(desk, request, { done, cancel }) {
  const [body, problem] = [el("div", { "aria-busy": "true" }), el("div")];
  const panel = el("section", { class: "panel" }, heading(said.title), body, problem);
  const leave = button(said.cancel, cancel);

  prepare().catch((error) => {
    if (!desk.signal().aborted) fill(body, problemNotice(error), choices(leave));
  });
  return panel;

  async function prepare() {
    const found = await toApprove(desk, request);
    const { box, input } = comment(said.comment, said.commentHint);
    fill(body,
      found === null ? p(said.unnamed) : read(found, desk.me()),
      box,
      choices(ways(found).map(([text, keys]) =>
        button(text, () => approve(found, keys, input.value), { class: "primary" })), leave),
      terminal(request.id, found && found.keys.length > 0 && passkeysOf(found.keys).length === 0));
    body.removeAttribute("aria-busy");
  }

  function approve(before, keys, text) {
    return acted(desk, problem, async () => {
      const { id, digest: known } = request;
      const decision = { decision: "approve", digest: known, ...(text ? { comment: text } : {}) };
      if (before !== null) {
        // Once more, because the statement has to be fresh. The document has to be the one that was read.
        const now = await toApprove(desk, request);
        if (now === null || now.filing !== before.filing) throw new Refused(said.changed);
        if (keys !== null) {
          const signature = await sign(now.statement, "decision", keys.map(({ key }) => key));
          Object.assign(decision, { statement: now.statement, signature });
        }
      }
      const body = await post(`/v1/requests/${id}/decisions`, decision);
      done(body, said.approved(body.quorum.missing.reduce((sum, { count }) => sum + count, 0)));
    });
  }
}

/** The ways to approve: the text of a button, and the keys that sign; null signs nothing. */
function ways(found) {
  if (found === null) return [[said.without, null]];
  const passkeys = passkeysOf(found.keys);
  const isOff = found.signedApprovals === "off";
  return [
    ...(passkeys.length ? [[said.withPasskey, passkeys]] : []),
    // Whoever has a key that counts is asked for it, unless nobody is.
    ...(isOff || found.keys.length === 0 ? [[isOff && found.keys.length === 0 ? said.approve : said.without, null]] : []),
  ];
}

/**
 * What to approve, checked in every way that a page can. Null where the log has no name, so that nothing can be
 * signed. Throws Refused.
 */
async function toApprove(desk, request) {
  const signal = desk.signal();
  let given;
  try {
    given = await get(`/v1/requests/${request.id}/statement`, { query: { decision: "approve" }, signal });
  } catch (error) {
    if (!(error instanceof Problem && error.code === "log_without_name")) throw error;
    checkStillUnnamed();
    return null;
  }
  const filed = await readFiling(given.filing);
  if (filed === null) throw new Refused(said.notComputed);
  if (filed.filing.id !== request.id) throw new Refused(said.anotherRequest);
  const differ = differences(request, filed);
  if (differ.length) throw new Refused(said.different(differ));
  const expected = {
    request_id: request.id, digest: filed.digest, decision: "approve", person: desk.me().subject, drill: filed.filing.drill,
  };
  const checked = await checkStatement(given.statement, "decision", expected, signal);
  return {
    ...checked, filed, filing: given.filing, statement: given.statement, keys: given.keys,
    signedApprovals: request.quorum.signed_approvals,
  };
}

/** All that is about to be approved, and all of it from the document. What it does stands last: above the buttons. */
function read({ filed, said: statement, seen }) {
  const { filing, target, sealedTo } = filed;
  return [
    p(said.lead, " ", said.subjects),
    rows(
      [texts.request.digest, digest(filed.digest)],
      [said.log, seen === null ? said.first(statement.log.size) : said.grown(statement.log.size, seen)],
      [said.you, written(statement.person)],
      [texts.request.account, [accountId(filing.account_id),
        filing.placement?.name && [` ${said.placement} `, written(filing.placement.name)]]],
      [texts.request.target, target && named(target)],
      [texts.request.requester, [written(filing.requester),
        filing.requester_kind === "machine" && ` (${texts.request.machine})`]],
      [texts.request.recipient, written(filing.recipient)],
      [texts.request.sealedTo, sealedTo !== undefined && written(sealedTo)],
      [texts.request.justification, written(filing.justification)],
      [texts.request.ticket, filing.ticket && ticket(filing.ticket)]),
    policyOf(filing.observed),
    rest(filed, statement),
    warned(warningsOf(filed)),
    drillNotice(filing.drill),
    el("p", { class: "effect" }, written(effectOf(filing, sealedTo))),
  ];
}

/** What is in the document besides, folded away, and the document itself. */
function rest({ filing, target }, statement) {
  return folded(said.rest,
    rows(
      [said.service, written(statement.service)],
      [texts.request.clock.filed_at, clock(filing.filed_at)],
      [texts.request.clock.approve_by, clock(filing.approve_by)],
      [texts.request.lifetime, MAKES_KEY.has(filing.operation)
        && (filing.lifetime_seconds === undefined ? texts.request.noEnd : duration(filing.lifetime_seconds))],
      ...Object.entries(filing.rotation ?? {}).map(([name, seconds]) =>
        [texts.request.step[name.replace("_seconds", "")], duration(seconds)]),
      [said.approvals, said.people(filing.quorum, filing.signed_approvals ?? "off")],
      ...(filing.rules === undefined ? [] : [[said.rules, digest(filing.rules)]]),
      ...(filing.demands ?? []).map(({ rule, ...demands }) => [[said.demand, " ", written(rule)], bullets(
        Object.entries(demands).map(([name, value]) => [texts.demands[name], ": ", written(canonicalText(value))]))])),
    el("h3", {}, texts.request.picture),
    picture({ observed: filing.observed, target }),
    el("h3", {}, said.whole),
    el("code", { class: "code" }, written(canonicalText(filing))));
}

function terminal(id, isOnlyWay) {
  const command = el("code", { class: "code" }, `rootquorum approve ${id} --key KEY --server ${location.origin}`);
  return isOnlyWay
    ? notice("note", null, p(said.noPasskey), command)
    : folded(said.terminal, p(said.terminalLead), command);
}

function comment(label, hint, more = {}) {
  return field(label, { hint, kind: "textarea", maxlength: String(LONGEST_COMMENT), ...more });
}

/** The panel that rejects. */
export function rejecting(desk, request, { done, cancel }) {
  const problem = el("div");
  const { box, input } = comment(said.reason, said.reasonHint, { required: true });
  return el("section", { class: "panel" }, heading(said.rejectTitle), p(said.rejectLead),
    form(() => acted(desk, problem, async () => {
      const { id, digest: known } = request;
      const decision = { decision: "reject", digest: known, comment: input.value };
      done(await post(`/v1/requests/${id}/decisions`, decision), said.rejected);
    }), box,
    choices(el("button", { class: "danger" }, said.reject), button(said.cancel, cancel))),
    problem);
}

/** The panel that withdraws. */
export function withdrawing(desk, request, { done, cancel }) {
  const problem = el("div");
  return el("section", { class: "panel" }, heading(said.withdrawTitle), p(said.withdrawLead),
    choices(button(said.withdraw, () => acted(desk, problem, async () => {
        done(await post(`/v1/requests/${request.id}/withdrawal`), said.withdrawn);
      }), { class: "danger" }),
      button(said.cancel, cancel)),
    problem);
}
