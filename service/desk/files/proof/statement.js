/** The statements that people sign: a decision, the registration of a key, the endorsement of another person's key. */
import { utf8 } from "./bytes.js";
import { canonicalText, readCanonical } from "./canonical.js";
import { Fault } from "./fault.js";

const LARGEST_BYTES = 16 * 1024;
const LONGEST_PERSON = 1024;
const SECOND = 1_000_000;
const SKEW = 30 * SECOND;
const OWN = {
  decision: ["request_id", "digest", "decision", "person"],
  registration: ["person", "key"],
  enrolment: ["endorser", "person", "key"],
};
const SHA256 = /^[0-9a-f]{64}$/;
const FORMS = {
  service: /^[!-*,-~]{1,200}$/,
  request_id: /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  digest: SHA256,
  decision: /^(approve|reject)$/,
  key: /^[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,8192}={0,2}$/,
  at: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$/,
};
// Invisible letters, marks and a symbol beyond the categories: Unicode's Default_Ignorable_Code_Point.
const UNSEEN =
  /[\p{C}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0000}-\u{e0fff}]/u;

/** Return the namespace of the signature of a statement. `kind` is decision, registration or enrolment. */
export const namespaceOf = (kind) => `${kind}@rootquorum`;

/** Return a moment as statements have it: RFC 3339 in UTC, in whole seconds. */
export const instant = (date) => `${date.toISOString().slice(0, 19)}Z`;

/**
 * Return the bytes to sign: the canonical form of a statement.
 *
 * `members` has `service`, `log` (`{size, root}`, the root in hex), `at`, and of a decision `request_id`, `digest`,
 * `decision` and `person`, of a registration `person` and `key`, of an enrolment `endorser`, `person` and `key`.
 * Throw a Fault (not-a-statement) for any other member, or one in another form.
 */
export function statementBytes(kind, members) {
  const statement = { type: `rootquorum-${kind}/1`, ...members };
  if (!isStatement(statement, kind)) throw new Fault("not-a-statement");
  return utf8(canonicalText(statement));
}

/** Return the members of a statement that is its own canonical form. Throw a Fault (not-a-statement). */
export function readStatement(bytes, kind) {
  try {
    const statement = readCanonical(bytes.length <= LARGEST_BYTES ? bytes : new Uint8Array());
    if (isStatement(statement, kind)) return statement;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
  }
  throw new Fault("not-a-statement");
}

/**
 * Return the faults of a decision's statement that says something else than expected.
 *
 * `expected` has `service`, `request_id`, `digest`, `decision`, `person`; `oldest_size`, the smallest size that was
 * not too old; `had_head`, whether the log had the head; and in microseconds since 1970 `recorded_at`, and `head_at`,
 * the time of the last event known to be in that head, or null.
 */
export function disagreements(statement, expected) {
  const at = microsecondsOf(statement.at);
  const earliest = expected.head_at === null ? -Infinity : expected.head_at - (expected.head_at % SECOND) - SKEW;
  const wrong = {
    "another-service": statement.service !== expected.service,
    "another-request": statement.request_id !== expected.request_id,
    "another-digest": statement.digest !== expected.digest,
    "another-decision": statement.decision !== expected.decision,
    "another-person": statement.person !== expected.person,
    "another-log": !expected.had_head,
    "too-old": statement.log.size < expected.oldest_size,
    "wrong-time": at > expected.recorded_at + SKEW || at < earliest,
  };
  return Object.keys(wrong).filter((fault) => wrong[fault]);
}

/** Return the microseconds since 1970 of a time in UTC, with six digits or none. NaN for one that no calendar has. */
export function microsecondsOf(text) {
  const seconds = `${text.slice(0, 19)}Z`;
  const at = Date.parse(seconds);
  const isReal = !Number.isNaN(at) && !text.startsWith("0000") && instant(new Date(at)) === seconds;
  return isReal ? at * 1000 + Number(text.slice(20, -1)) : NaN;
}

/** Return whether a text has a character that is invisible, or hides or reorders the text beside it. */
export const hasUnseen = (text) => UNSEEN.test(text);

function isStatement(value, kind) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const names = ["type", "service", "log", "at", ...OWN[kind]];
  return hasJust(value, names) && value.type === `rootquorum-${kind}/1` && isHead(value.log)
    && names.slice(3).concat("service").every((name) => isMember(name, value[name]));
}

function isHead(log) {
  return typeof log === "object" && log !== null && !Array.isArray(log) && hasJust(log, ["size", "root"])
    && Number.isSafeInteger(log.size) && log.size >= 0 && typeof log.root === "string" && SHA256.test(log.root);
}

/** Return whether an object has just the members of these names. */
export const hasJust = (value, names) =>
  Object.keys(value).length === names.length && names.every((name) => Object.hasOwn(value, name));

function isMember(name, value) {
  if (typeof value !== "string") return false;
  if (name === "person" || name === "endorser") {
    return value !== "" && [...value].length <= LONGEST_PERSON && !hasUnseen(value);
  }
  return FORMS[name].test(value) && (name !== "at" || !Number.isNaN(microsecondsOf(value)));
}
