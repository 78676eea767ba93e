/** Puts a filing into the words that approvers read (`service/domain/briefing.py`), and makes texts of others safe. */
import { UNSEEN } from "./bytes.js";

const EACH_UNSEEN = new RegExp(UNSEEN, "gu");
const MARKUP = /[<>"`*[\]|\\\uff02\u2033\u201e\u301d\u301e\u301f\p{Pi}\p{Pf}]/gu;
const NOT_PRINTABLE = /(?! )\p{Z}/gu;
// What Python splits lines of words at.
const SPACE = /(?:(?!\ufeff)[\s\x1c-\x1f\x85])+/gu;
const LONGEST_NAME = 100;
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** What each operation does, in whole sentences; `{}` is its target. And the member of a filing with the target. */
export const EFFECTS = {
  create_access_key: ["The root user gets a new access key that can do anything in the account.", null],
  rotate_access_key: [
    "Once its users have moved, the root access key {} stops working for good. The root user gets a new one in its "
    + "place, which can do anything in the account.", "access_key_id",
  ],
  deactivate_access_key: [
    "Whatever uses the root access key {} stops working, until the key is activated again.", "access_key_id",
  ],
  activate_access_key: ["Whoever holds the secret of the root access key {} can use it again.", "access_key_id"],
  delete_access_key: ["The root access key {} stops working for good. It cannot be brought back.", "access_key_id"],
  delete_login_profile: [
    "The root user's password is deleted. Nobody can sign in to the console as root, or recover the password, until "
    + "password recovery is allowed again.", null,
  ],
  allow_password_recovery: [
    "The root user may have a password again. Whoever reads the mail of the account's root e-mail address can set one "
    + "by the console's password recovery, and then sign in as root.", null,
  ],
  deactivate_mfa_device: [
    "The root user signs in without the MFA device {} from now on. Without another one the password alone is enough.",
    "serial_number",
  ],
  delete_signing_certificate: [
    "Requests signed with the X.509 certificate {} of the root user are refused for good.", "certificate_id",
  ],
  unlock_s3_bucket_policy: [
    "The policy of the S3 bucket {} is deleted. What it denies is possible again, and what it allows ends. The audit log "
    + "keeps its text.", "bucket",
  ],
  unlock_sqs_queue_policy: [
    "The policy of the SQS queue {} is deleted. What it denies is possible again, and what it allows ends. The audit log "
    + "keeps its text.", "queue_arn",
  ],
};

const DRILL = "DRILL: nothing changes in AWS. If it were real: ";
/** The operations whose one call makes a new access key. */
export const MAKES_KEY = new Set(["create_access_key", "rotate_access_key"]);

/**
 * Return what a filing does, from all of it and from nothing else. Null for an operation that is not known here.
 * That of a drill begins with the fact that it is one. `sealedTo` is the fingerprint of the key to which the secret is sealed, if it is.
 */
export function effectOf(filing, sealedTo) {
  if (!Object.hasOwn(EFFECTS, filing.operation)) return null;
  const [effect, target] = EFFECTS[filing.operation];
  const done = effect.replace("{}", () => (target === null ? "" : plain(filing[target])));
  return [(filing.drill === true ? DRILL : "") + done, ...(MAKES_KEY.has(filing.operation) ? ofNewKey : ofOthers)(filing, sealedTo)].join(" ");
}

function ofNewKey(filing, sealedTo) {
  const gone = `the service deactivates it by itself, and deletes it ${inWords(filing.rollback_grace_seconds)} later.`;
  const inTime = `within ${inWords(filing.receipt_window_seconds)}`;
  const lives = filing.lifetime_seconds === undefined
    ? `It has no end: it works until somebody deletes it. Unless its arrival is confirmed ${inTime}, ${gone}`
    : `It works for ${inWords(filing.lifetime_seconds)}; then ${gone} If its arrival is not confirmed ${inTime}, the service deactivates it then.`;
  const goes = `Its secret goes to ${quoted(filing.recipient)} alone, who executes the request ${windowOf(filing)}.`;
  const sealed = filing.sealed_to === undefined
    ? [] : [`It is sealed on its way: only the holder of the key ${plain(sealedTo)} can read it.`];
  const asked = isOnePerson(filing) ? "Requester and recipient are one person." : `It was asked for by ${requesterOf(filing)}.`;
  return [lives, goes, ...sealed, asked, ...(filing.rotation === undefined ? [] : ofRotation(filing.rotation))];
}

function ofRotation(plan) {
  return [
    "From the receipt on both keys work.",
    `The service deactivates the old key once it has been unused for ${inWords(plan.unused_for_seconds)}, or as soon as the requester or the recipient says so.`,
    `If neither has happened ${inWords(plan.cut_over_within_seconds)} after the receipt, both keys stay.`,
    `It deletes the old key ${inWords(plan.deletion_wait_seconds)} after its deactivation, unless it was used meanwhile.`,
    "A rejection or a withdrawal stops the rotation at any time, and the keys stay as they are.",
  ];
}

function ofOthers(filing) {
  const people = [requesterOf(filing), ...(isOnePerson(filing) ? [] : [quoted(filing.recipient)])];
  const runs = filing.run_on_approval
    ? "It runs by itself, as soon as the last approval is in."
    : `It runs when ${people.join(" or ")} executes it, ${windowOf(filing)}.`;
  const isAlone = isOnePerson(filing) && filing.requester_kind === "person";
  return isAlone ? [runs, "No person but the requester may execute it."] : [runs];
}

const isOnePerson = ({ requester, recipient }) => requester === recipient;

const windowOf = (filing) => `within ${inWords(filing.execution_window_seconds)} of the last approval`;

const requesterOf = ({ requester, requester_kind: kind }) =>
  `${kind === "machine" ? "the machine " : ""}${quoted(requester)}`;

/** Write a duration exactly to the second, such as `1 day 2 hours`. */
export function inWords(seconds) {
  if (!Number.isInteger(seconds) || seconds < 0) return "?";
  let rest = seconds;
  const parts = UNITS.map(([unit, length]) => {
    const count = Math.floor(rest / length);
    rest %= length;
    return count === 0 ? "" : `${count.toLocaleString("en-US")} ${unit}${count === 1 ? "" : "s"}`;
  });
  return parts.filter((part) => part !== "").join(" ") || "0 seconds";
}

/** Quote a name that somebody else chose. Its beginning and end are clear, and nothing in it is markup. */
export function quoted(name) {
  const seen = String(name).replace(MARKUP, "").replace(EACH_UNSEEN, "").replace(NOT_PRINTABLE, "");
  return `"${[...seen].slice(0, LONGEST_NAME).join("").trim()}"`;
}

/** Replace each invisible character, so that it is noticed. */
export const visible = (text) => text.replace(EACH_UNSEEN, "\ufffd");

/** Return one line of visible characters. */
export const plain = (text) => visible(String(text ?? "").replace(SPACE, " ").replace(/^ | $/g, ""));

/** Write a time of the log for people: `2026-11-27 10:15:00 UTC`. */
export const utc = (text) => (typeof text === "string" ? `${plain(text).slice(0, 19).replace("T", " ")} UTC` : "");
