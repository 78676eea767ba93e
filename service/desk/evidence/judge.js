/**
 * Holds the events of evidence, or of an export, against the rules, and checks what people signed.
 *
 * `examine` is the way in. `judge` is what `check` of `evidence.js` takes to do this too.
 */
import { timeOf } from "../files/proof/event.js";
import { check } from "../files/proof/evidence.js";
import { Fault } from "../files/proof/fault.js";
import { parsePublicKey } from "../files/proof/keys.js";
import { readExport } from "./export.js";
import { FAULTS } from "./faults.js";
import { holderOf } from "./roster.js";
import { ONLY_ELSEWHERE, Replay } from "./rules.js";
import { pastOfEvidence, pastOfLog, Signatures } from "./signatures.js";

const SIGNER = /^[ \t]*(?:"([^"\r]+)"|([^ \t\r"]+))[ \t]+([^ \t\r]+)[ \t]+([^ \t\r]+)(?:[ \t][^\r]*)?$/s;
const OF_KEYS = ["unregistered", "revoked", "claimed-twice", "not-endorsed", "of-oneself", "ahead-of-the-log",
  "by-no-key-that-counts"];
const OF_FILING = ["not-filed", "filed-twice", "wrong-digest", "wrong-quorum"];
const OF_APPROVALS = ["no-quorum", "no-policy", "executed-against", "own-approval", "not-own-decision", "too-late",
  "no-comment", "stale-sign-in", "suspended"];

const REST = "Clocks and results of executions, sign-ins of those who execute, lifetimes, tickets, hours, and versions of signed rules: "
  + `${ONLY_ELSEWHERE.join(", ")}. The sites of passkeys, and what authenticators have to say, are as the log says. `
  + "Nobody but the service knows who had which role.";

/** A sentence for each finding of the rules. Those of signatures are in `faults.js`. */
export const SENTENCES = {
  "not-filed": "there is no proper filing",
  "filed-twice": "the request was filed before",
  "wrong-digest": "the digest is not that of what was filed",
  "wrong-quorum": "the filing asks for fewer approvals than the rules",
  "wrong-request": "what happens to people and keys is about no request",
  "not-open": "the request had ended, or was never filed",
  "wrong-step": "this step cannot follow here",
  "not-started": "no execution had started",
  "executed-twice": "it was executed before",
  "wrong-actor": "somebody acted who may not",
  "wrong-credential": "the sign-in or token is not theirs",
  "not-own-decision": "the decision was not made in person",
  "own-approval": "they approved what they asked for or receive",
  "too-late": "the time for it was over",
  "no-comment": "the rules demand a comment",
  "stale-sign-in": "the sign-in was weaker than the rules demand",
  "suspended": "somebody who was suspended took part",
  "executed-against": "it was executed although somebody had rejected it",
  "no-policy": "it does not say properly which rules were in force",
  "no-quorum": "too few approvals counted",
  "time-contradicts": "the times contradict each other",
  "wrong-mark": "it is marked as a drill and is none, or is one and is not marked",
  "unsigned": "the approval has to be signed, and is not",
};

/**
 * Read whose keys are believed: a file of OpenSSH's allowed signers, as a Set of holders.
 *
 * Patterns and options are refused. Throw a Fault (not-signers) that names the line.
 */
export function parseSigners(text) {
  const owners = new Map();
  for (const [at, whole] of text.split("\n").entries()) {
    const line = whole.replace(/\r$/, "");
    if (/^\s*$/.test(line) || /^[ \t]*#/.test(line)) continue;
    const parts = SIGNER.exec(line);
    const person = parts?.[1] ?? parts?.[2] ?? "";
    const key = parts === null ? null : keyOrNull(`${parts[3]} ${parts[4]}`);
    if (person === "" || /[*?!,]/.test(person) || key === null || (owners.get(key) ?? person) !== person) {
      throw new Fault("not-signers", `line ${at + 1}: expected one person, the kind of a key, and a key of their own`);
    }
    owners.set(key, person);
  }
  return new Set([...owners].map(([key, person]) => holderOf(person, key)));
}

function keyOrNull(text) {
  try {
    return parsePublicKey(text).text;
  } catch (error) {
    if (error instanceof Fault) return null;
    throw error;
  }
}

/**
 * Check evidence or an export as `check` of `evidence.js` does, and the rules and signatures too.
 *
 * `known` also has `signers` or `founders`, texts of OpenSSH's allowed signers, or null: all keys that count, or those
 * that endorsements have to lead to. Throw a Fault also for these (not-signers).
 */
export async function examine(bytes, { signers = null, founders = null, ...known }) {
  const read = (text) => (text === null ? null : parseSigners(text));
  return check(bytes, { ...known, signers: read(signers), founders: read(founders) }, { judge, readExport });
}

/**
 * Judge a log's events: all of an export, or those of one request and those that say whose keys count.
 *
 * `roots`, of a whole log, maps a size to a root in hex. `proofs`, of evidence, maps a size to the proof that the
 * head's log begins with that one. Return `{findings, open}`: findings are `{check, code, sentence, event}`, and `open`
 * has what cannot be verified, by check.
 */
export async function judge({ head, isWhole, roots, proofs, events, known }) {
  const past = isWhole
    ? pastOfLog(roots, events.map(({ at }) => timeOf(at)))
    : pastOfEvidence(head, proofs, events);
  const findings = [];
  const find = (code, event) => {
    findings.push({ check: checkOf(code), code, sentence: FAULTS[code] ?? SENTENCES[code], event });
  };
  const replay = new Replay({ isLog: isWhole, signatures: new Signatures(head.origin, past, known), find });
  for (const event of events) await replay.take(event);
  return { findings, open: { ...openIn(replay, known), rest: open(REST) } };
}

/** What there is to say of signatures that are missing, and of keys that only the log vouches for. */
function openIn({ signed, unsigned }, { signers = null, founders = null }) {
  const checks = {};
  if (signed + unsigned === 0) {
    checks.approvals = checks.signatures = { state: "none", why: "There is no approval that counts." };
  } else if (unsigned > 0) {
    checks.signatures = open(`${unsigned} of ${signed + unsigned} approvals are not signed, and did not have to be. `
      + "Only the log says that these people approved.");
  }
  if (signed === 0) {
    checks.keys = { state: "none", why: "There is no good signature." };
  } else if (signers === null && founders === null) {
    checks.keys = open("Endorsements lead to founders, and the founders are as the log says that the settings said. "
      + "Give founders or allowed signers that you got from a person.");
  }
  return checks;
}

const open = (why) => ({ state: "open", why });

function checkOf(code) {
  if (OF_KEYS.includes(code)) return "keys";
  if (OF_FILING.includes(code)) return "filing";
  if (OF_APPROVALS.includes(code)) return "approvals";
  if (code === "unsigned" || code in FAULTS) return "signatures";
  return code === "left-out" ? "whole" : "steps";
}
