// What was filed, read from its canonical document: the page shows before a signature what stands here, and nothing
// else. The warnings are those of `service/domain/briefing.py`, in the same words; a test holds the two together.
import { EFFECTS, MAKES_KEY } from "./proof/briefing.js";
import { utf8 } from "./proof/bytes.js";
import { readCanonical } from "./proof/canonical.js";
import { hex, sha256 } from "./proof/digest.js";
import { sealedToOf } from "./proof/keys.js";
import { microsecondsOf } from "./proof/statement.js";
import { secondsOf } from "./format.js";
import { texts } from "./texts.js";

const DAY = 86_400_000_000;
const RECENTLY = 90 * DAY; // probably still in use
const ON_POLICIES = new Set(["unlock_s3_bucket_policy", "unlock_sqs_queue_policy"]);
const LETS_IN = new Set([...MAKES_KEY, "allow_password_recovery"]);

const TEXT = (value) => typeof value === "string";
const MAYBE_TEXT = (value) => value === null || TEXT(value);
const FLAG = (value) => typeof value === "boolean";
const MAYBE_FLAG = (value) => value === null || FLAG(value);
const NUMBER = (value) => Number.isInteger(value) && value >= 0;
const TIME = (value) => TEXT(value) && !Number.isNaN(microsecondsOf(value));
const MAYBE_TIME = (value) => value === null || TIME(value);
const ANY = () => true;
const listOf = (is) => (value) => Array.isArray(value) && value.every(is);
const maybe = (is) => (value) => value === undefined || is(value);
const nullOr = (is) => (value) => value === null || is(value);
const only = (members) => (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value)
  && Object.keys(value).every((name) => Object.hasOwn(members, name))
  && Object.entries(members).every(([name, is]) => is(value[name]));

const KEY = only({
  access_key_id: TEXT, status: TEXT, created_at: TIME, last_used_at: MAYBE_TIME, last_used_service: MAYBE_TEXT,
});
const OBSERVED = only({
  observed_at: TIME, signer_key_id: MAYBE_TEXT, keys: listOf(KEY), mfa_enabled: MAYBE_FLAG,
  password_present: MAYBE_FLAG, signing_certificates_present: MAYBE_FLAG, mfa_devices: maybe(listOf(TEXT)),
  signing_certificates: maybe(listOf(only({ certificate_id: TEXT, status: TEXT }))), email: maybe(TEXT),
  resource: maybe(only({ region: TEXT, policy: MAYBE_TEXT, policy_sha256: MAYBE_TEXT })),
});
// Their values are shown as they are, whatever a later version puts into them.
const DEMAND = only({
  rule: TEXT, ...Object.fromEntries(Object.keys(texts.demands).map((name) => [name, ANY])),
});
const PLACEMENT = only({
  name: MAYBE_TEXT, units: nullOr(listOf(TEXT)), tags: nullOr(listOf(only({ key: TEXT, value: TEXT }))),
});
const ROTATION = only({
  unused_for_seconds: NUMBER, cut_over_within_seconds: NUMBER, deletion_wait_seconds: NUMBER,
});
const MEMBERS = {
  id: TEXT, account_id: TEXT, access_key_id: (value) => value === null, operation: TEXT, requester: TEXT,
  requester_kind: TEXT, recipient: TEXT,
  justification: TEXT, ticket: MAYBE_TEXT, run_on_approval: FLAG, accept_lockout: FLAG, quorum: NUMBER, filed_at: TIME,
  approve_by: TIME, execution_window_seconds: NUMBER, receipt_window_seconds: NUMBER, rollback_grace_seconds: NUMBER,
  lifetime_seconds: maybe(NUMBER), demands: maybe(listOf(DEMAND)), placement: maybe(PLACEMENT),
  signed_approvals: maybe(TEXT), rules: maybe(TEXT), sealed_to: maybe(TEXT), rotation: maybe(ROTATION),
  drill: maybe((value) => value === true), observed: OBSERVED,
};

/**
 * Read a filing, and compute its digest. Returns `{filing, target, digest, sealedTo}`, or null for a text that is not canonical
 * or has something that this page does not know: what cannot be shown must not be signed.
 */
export async function readFiling(text) {
  let filing, bytes;
  try {
    bytes = utf8(text);
    filing = readCanonical(bytes);
  } catch {
    return null;
  }
  const isOperation = typeof filing?.operation === "string" && Object.hasOwn(EFFECTS, filing.operation);
  const [, name] = isOperation ? EFFECTS[filing.operation] : [];
  const hasPlan = (filing?.rotation !== undefined) === (filing?.operation === "rotate_access_key");
  const isKnown = isOperation && hasPlan && only(name ? { ...MEMBERS, [name]: TEXT } : MEMBERS)(filing) && await showsPolicy(filing);
  if (!isKnown) return null;
  const sealedTo = filing.sealed_to === undefined ? undefined : await sealedToOf(filing.sealed_to);
  return { filing, target: name ? filing[name] : null, digest: hex(await sha256(bytes)), sealedTo };
}

/** Whether an unlock has the policy that it deletes, and any policy its own hash. */
async function showsPolicy({ operation, observed: { resource } }) {
  const policy = resource?.policy ?? null;
  if (policy === null) return !ON_POLICIES.has(operation) && (resource?.policy_sha256 ?? null) === null;
  return resource.policy_sha256 === hex(await sha256(utf8(policy)));
}

/** What to weigh before a yes, from the account as it was when the request was filed. */
export function warningsOf({ filing, target }) {
  const { operation, observed } = filing;
  const said = texts.cautions;
  const found = [];
  if (MAKES_KEY.has(operation) && observed.keys.length) found.push(said.keysExist(observed.keys.length));
  if (LETS_IN.has(operation) && observed.mfa_enabled === false) found.push(said.noMfa);
  const devices = observed.mfa_devices;
  if (operation === "deactivate_mfa_device" && devices?.length === 1 && devices[0] === target) found.push(said.lastMfa);
  const key = EFFECTS[operation][1] === "access_key_id" && observed.keys.find((each) => each.access_key_id === target);
  if (key && operation !== "activate_access_key") found.push(...ofKey(operation, key, observed));
  if (filing.accept_lockout) found.push(said.lockout);
  return found;
}

function ofKey(operation, key, observed) {
  const said = texts.cautions;
  const age = key.last_used_at && microsecondsOf(observed.observed_at) - microsecondsOf(key.last_used_at);
  const active = observed.keys.filter(({ status }) => status === "Active");
  return [
    key.last_used_at && age < RECENTLY && said.recentlyUsed(ago(age)),
    key.access_key_id === observed.signer_key_id && said.signer,
    active.length === 1 && active[0] === key && said.lastActive,
    operation === "delete_access_key" && key.status === "Active" && said.stillActive,
  ].filter(Boolean);
}

function ago(age) {
  if (age < DAY / 24) return texts.cautions.lessThanAnHour;
  return age < 2 * DAY ? `${Math.floor(age / (DAY / 24))} hours` : `${Math.floor(age / DAY)} days`;
}

// The plan that the service showed, as it is filed: its members in the order of their names.
function planOf(rotation) {
  if (rotation === null || rotation === undefined) return undefined;
  const { cut_over_within: within, deletion_wait: wait, unused_for: unused } = rotation;
  return JSON.stringify({
    cut_over_within_seconds: secondsOf(within), deletion_wait_seconds: secondsOf(wait),
    unused_for_seconds: secondsOf(unused),
  });
}

/**
 * The members in which what the service showed of a request differs from what is signed. Empty if it is the same.
 * The service's names of accounts and people are not filed, so nothing here can hold them.
 */
export function differences(request, { filing, target, digest }) {
  const shown = {
    id: request.id, digest: request.digest, operation: request.operation, account_id: request.account.account_id,
    target: request.target,
    requester: request.requester.subject, recipient: request.recipient.subject, justification: request.justification,
    ticket: request.ticket, run_on_approval: request.run_on_approval, accept_lockout: request.accept_lockout,
    sealed_to: request.sealed_to?.key,
    drill: request.drill ? true : undefined,
    lifetime_seconds: request.clocks.lifetime === null ? undefined : secondsOf(request.clocks.lifetime),
    rotation: planOf(request.rotation),
  };
  const filed = { ...filing, target, digest, rotation: filing.rotation && JSON.stringify(filing.rotation) };
  return Object.keys(shown).filter((name) => shown[name] !== filed[name]).map((name) => texts.members[name]);
}
