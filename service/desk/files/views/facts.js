// A request as one reads it before a decision: what will happen comes first, and what is rarely needed is folded away.
import { bullets, el, folded, notice, p, rows } from "../dom.js";
import { account, clock, duration, grouped, hash, mailbox, person, secondsOf, target as named, ticket, written } from "../format.js";
import { MAKES_KEY } from "../proof/briefing.js";
import { fromHex } from "../proof/bytes.js";
import { words } from "../proof/words.js";
import { texts } from "../texts.js";
import { statusChip } from "./list.js";

const said = texts.request;

/** All sections of a request, as the API has it. */
export function facts(request) {
  return [
    drillNotice(request.drill),
    el("p", { class: "effect" }, written(request.effect)),
    warned(request.warnings.map(({ detail }) => written(detail))),
    about(request),
    policyOf(request.observed),
    el("h2", {}, said.decisions),
    decisions(request),
    el("h2", {}, said.picture),
    picture(request),
    request.rotation && [el("h2", {}, said.rotation), rotation(request.rotation)],
    el("h2", {}, said.clocks),
    clocks(request.clocks),
    request.result && [el("h2", {}, said.result), result(request)],
    // What is not filed yet has no digest.
    request.digest && more(request),
  ];
}

/** The mark of a drill; nothing for a real request. */
export const drillNotice = (isDrill) =>
  isDrill && notice("drill", texts.drill.title, el("p", {}, texts.drill.lead));

/** All warnings in one notice. */
export function warned(warnings) {
  if (warnings.length === 0) return null;
  return notice("warning", said.warnings(warnings.length), bullets(warnings));
}

function about(request) {
  const { requester, recipient, operation } = request;
  const isOne = requester.subject === recipient.subject;
  const isCreate = MAKES_KEY.has(operation);
  return rows(
    [said.status, statusChip(request.status)],
    [said.account, account(request.account)],
    [said.target, request.target && named(request.target)],
    [said.requester, [person(requester), requester.kind === "machine" && ` (${said.machine})`]],
    [isCreate ? said.recipient : said.executor, (isCreate || !isOne) && person(recipient)],
    [said.sealedTo, request.sealed_to && written(request.sealed_to.fingerprint)],
    [said.justification, written(request.justification)],
    [said.ticket, request.ticket && ticket(request.ticket)],
    [said.byItself, request.run_on_approval && texts.yes],
    [said.lockout, request.accept_lockout && texts.yes]);
}

function decisions({ decisions: made, quorum, could_approve: could, clocks }) {
  return el("div", {},
    made.length === 0 && p(said.noDecision),
    made.length > 0 && el("ul", {}, made.map((each) => el("li", {},
      person(each.person), " ", el("strong", {}, said.decision[each.decision]), " ", clock(each.decided_at),
      each.signature && `, ${said.signed}`,
      each.comment && el("blockquote", {}, written(each.comment)),
      each.void_because && notice("warning", null, p(said.void(each.void_because)))))),
    p(said.counted(quorum.counted, quorum.needed), " ", said.signatures[quorum.signed_approvals]),
    rows(
      [said.missing, clocks.ended_at === null && quorum.missing.length > 0 && bullets(quorum.missing.map(({ count, groups }) =>
        written(said.missingOf(count, groups))))],
      [said.could, could.length > 0 && bullets(could.map((each) => [
        person(each), each.groups.length > 0 && ` (${each.groups.join(", ")})`,
        each.away_until && [`, ${said.away} `, clock(each.away_until)]]))]));
}

/** The root user's credentials: each key with what one has to know of it. `target` is the key that is asked about. */
export function picture({ observed, target }) {
  return el("div", {},
    observed.keys.length === 0
      ? p(said.noKeys)
      : el("ul", { class: "cards" }, observed.keys.map((key) => el("li", { class: "card" },
        p(el("strong", {}, grouped(key.access_key_id, 4)), " ",
          el("span", { class: "status" }, key.status), " ",
          key.access_key_id === target && el("span", { class: "status mark" }, said.thisOne), " ",
          key.access_key_id === observed.signer_key_id && el("span", { class: "status mark" }, said.signer)),
        rows(
          [said.created, clock(key.created_at)],
          [said.lastUsed, key.last_used_at
            ? [clock(key.last_used_at), key.last_used_service && [" ", written(said.usedFor(key.last_used_service))]]
            : said.neverUsed])))),
    rows(
      [said.mfa, mfa(observed)],
      [said.password, presence(observed.password_present)],
      [said.certificates, certificates(observed)],
      [said.email, observed.email && mailbox(observed.email)],
      [said.observedAt, clock(observed.observed_at)]));
}

/** The policy that an unlock deletes: where, its hash, and its text as it is, folded away. */
export function policyOf({ resource }) {
  if (!resource) return null;
  return el("div", {},
    rows(
      [said.region, written(resource.region)],
      [said.policyHash, resource.policy_sha256 && hash(resource.policy_sha256)]),
    resource.policy && folded(said.policy(resource.policy.length), el("code", { class: "code" }, written(resource.policy))));
}

function mfa({ mfa_enabled: isOn, mfa_devices: devices }) {
  if (devices?.length) return bullets(devices.map((each) => written(each)));
  return isOn === false ? said.mfaNone : presence(isOn);
}

function certificates({ signing_certificates: listed, signing_certificates_present: are }) {
  if (!listed?.length) return presence(are);
  return bullets(listed.map((each) => [written(each.certificate_id), ", ", written(each.status)]));
}

const presence = (is) => (is === null ? texts.unknown : is ? said.present : said.absent);

// What ends the wait for each deadline.
const MET_BY = {
  approve_by: ["approved_at", "ended_at"],
  execute_by: ["executed_at", "ended_at"],
  receipt_by: ["received_at", "ended_at"],
  expires_at: ["deactivated_at"],
};

/** A deadline that was missed explains the status. */
const isMet = (known, name) =>
  (MET_BY[name] ?? []).some((event) => known[event] && new Date(known[event]) < new Date(known[name]));

function clocks(known) {
  const isCreated = known.lifetime !== null || known.receipt_by !== null;
  return rows(
    ...Object.entries(said.clock).map(([name, text]) =>
      [text, known[name] && !isMet(known, name) && clock(known[name])]),
    [said.lifetime, known.lifetime && duration(secondsOf(known.lifetime))],
    [said.receiptWindow, isCreated && duration(known.receipt_window_seconds)],
    [said.grace, isCreated && duration(known.rollback_grace_seconds)]);
}

const STEPS = new Set(["unused_for", "cut_over_within", "deletion_wait"]);

function rotation(known) {
  return rows(...Object.entries(said.step).map(([name, text]) =>
    [text, known[name] && (STEPS.has(name) ? duration(secondsOf(known[name])) : clock(known[name]))]));
}

function result({ result: found, executed_by: by, source }) {
  return rows(
    [said.result, written(found.detail)],
    [said.newKey, found.access_key_id && grouped(found.access_key_id, 4)],
    [said.executedBy, by && person(by)],
    [said.source, source],
    [said.awsId, found.aws_request_id && written(found.aws_request_id)]);
}

function more(request) {
  return folded(said.more,
    rows(
      [said.id, el("span", { class: "code" }, request.id)],
      [said.digest, [digest(request.digest), el("p", { class: "hint" }, said.digestLead)]],
      [said.rules, request.quorum.rules.length > 0 && written(request.quorum.rules.join(", "))]));
}

/** A digest in groups, and as words to read aloud. */
export function digest(hex) {
  return el("div", {}, hash(hex), folded(said.digestWords, wordList(words(fromHex(hex)))));
}

/** Numbered words, so that nobody loses their place while they read them aloud. */
export const wordList = (list) => el("ol", { class: "words" }, list.map((word) => el("li", {}, word)));
