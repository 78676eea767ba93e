/** The document of evidence: its members, and what they have to be, made of the events alone (`docs/audit-log.md`). */
import { fromBase64, textOf } from "./bytes.js";
import { readCanonicalText, readJson } from "./canonical.js";
import { isEvent, isObject } from "./event.js";
import { Fault } from "./fault.js";
import { hasJust } from "./statement.js";

const MEMBERS = ["format", "request", "digest", "decisions", "policy", "outcome", "events", "checkpoint", "keys"];
const SIGNED_MEMBERS = ["signing", "heads"];
const FORMAT_1 = "rootquorum-evidence/1";
export const FORMAT_2 = "rootquorum-evidence/2";

/** Read UTF-8. Throw a Fault (not-json). */
export function readText(bytes) {
  try {
    return textOf(bytes);
  } catch {
    throw new Fault("not-json");
  }
}

/** Read a document with just the members of its format. Throw a Fault (not-json, wrong-members, unknown-format). */
export function readDocument(text) {
  const document = readJson(text);
  const isSecond = isObject(document) && SIGNED_MEMBERS.some((name) => name in document);
  const members = isSecond ? [...MEMBERS, ...SIGNED_MEMBERS] : MEMBERS;
  if (!isObject(document) || !hasJust(document, members)) throw new Fault("wrong-members");
  if (document.format !== (isSecond ? FORMAT_2 : FORMAT_1)) throw new Fault("unknown-format");
  return document;
}

/**
 * Read an event and the proof beside it, as `{event, leaf, inclusion}`, the leaf's text.
 *
 * Throw a Fault (wrong-members, not-json, not-canonical, not-an-event).
 */
export function readEntry(entry) {
  if (!isObject(entry) || !hasJust(entry, ["leaf", "inclusion"]) || !Array.isArray(entry.inclusion)) {
    throw new Fault("wrong-members");
  }
  const { leaf, inclusion } = entry;
  if (typeof leaf !== "string" || !leaf.isWellFormed()) throw new Fault("not-json");
  const event = readCanonicalText(leaf);
  if (!isEvent(event)) throw new Fault("not-an-event");
  return { event, leaf, inclusion };
}

/** Return the proofs that the log begins with the logs that statements name, by size. Throw a Fault (wrong-members). */
export function readHeads(heads) {
  try {
    const isHead = (head) => isObject(head) && hasJust(head, ["size", "proof"]);
    if (!Array.isArray(heads) || !heads.every(isHead)) throw new RangeError();
    return new Map(heads.map(({ size, proof }) => {
      if (!Number.isInteger(size) || !Array.isArray(proof)) throw new RangeError();
      return [size, proof.map((each) => fromBase64(each, 32))];
    }));
  } catch (error) {
    throw error instanceof RangeError ? new Fault("wrong-members") : error;
  }
}

/** Build the rest of the document from the events alone. */
export function retold(events, format) {
  const names = ["person", "decision", "digest", "comment", "credential"];
  if (format === FORMAT_2) names.push("statement", "signature");
  const [filed] = events;
  const started = events.find(({ event }) => event === "execution.started");
  const reached = events.findLast(({ data }) => "status" in data);
  const decided = events.filter(({ event }) => event === "decision.recorded");
  return {
    request: filed.data.filing ?? null,
    digest: filed.data.digest ?? null,
    decisions: decided.map(({ data, at, actor }) => ({
      ...Object.fromEntries(names.map((name) => [name, data[name] ?? null])),
      decided_at: at,
      proof: actor.proof ?? null,
    })),
    policy: { filed: filed.data.policy ?? null, executed: started?.data.policy ?? null },
    outcome: {
      status: reached === undefined ? "pending" : reached.data.status,
      at: (reached ?? filed).at,
      result: events.findLast(({ data }) => "result" in data)?.data.result ?? null,
    },
  };
}
