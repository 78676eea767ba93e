/**
 * Checks the evidence of a request (`docs/audit-log.md`), without trusting its service.
 *
 * This checks the head's signature, the tree, and that a document says what its events say. `export.js` and
 * `judge.js` of `evidence.html` read exports too, hold the events against the rules, and check people's signatures.
 * Only `verifier.py` checks everything. Where both check the same, this is never content with what `verifier.py` finds
 * fault with.
 */
import { base64, equal, fromBase64, utf8 } from "./bytes.js";
import { canonicalText } from "./canonical.js";
import { FORMAT_2, readDocument, readEntry, readHeads, readText, retold } from "./document.js";
import { isObject, isOfSigning, isSigned } from "./event.js";
import { Fault } from "./fault.js";
import { leafHash, rootFromInclusion } from "./merkle.js";
import { openCheckpoint, parseHead, parseVerifierKey, unverifiedHead } from "./note.js";

/** What each check is about, in the order in which they are made. */
export const TITLES = {
  head: "The log's own key signed the head of the log",
  kept: "The log has the head that you kept",
  tree: "Every event here is in the log of that head",
  whole: "Nothing is left out, and nothing is told that the events do not say",
  filing: "The digest is that of what was filed, and everything is about it",
  approvals: "Enough others approved, in person and in time, and nobody rejected",
  steps: "Each step followed on the one before, by somebody who may take it",
  signatures: "Each approval is signed by its person",
  keys: "The keys of the signatures are vouched for",
  rest: "What only verifier.py checks",
};

const OF_DOCUMENT = ["head", "kept", "tree", "whole"];
const NOT_REACHED = "Not reached, because of what was found before.";
const NO_JUDGE = "Not checked on this page. evidence.html does it, and verifier.py.";
const NO_HEAD = "You gave none. Whoever can sign for the log can write it anew; only a head from elsewhere shows that.";

/** A sentence for each finding about a document. */
export const SENTENCES = {
  "not-json": "it is not JSON that every reader reads alike",
  "not-canonical": "it is not in its canonical form",
  "wrong-members": "it has other members than it should have",
  "unknown-format": "its format is not known here",
  "not-an-event": "it is no event of a log",
  "not-included": "the proof beside it does not lead to the head",
  "missing-event": "an event is missing",
  "foreign-event": "it is about something else",
  "out-of-order": "it stands in the wrong order",
  "left-out": "an event before it was left out",
  "missing-checkpoint": "there is no checkpoint at the end",
  "rewritten": "the log was another one when you kept your head",
  "cut": "the log is shorter than the head that you kept",
  "request-differs": "the request is not as its first event says",
  "digest-differs": "the digest is not as the first event says",
  "decisions-differs": "the decisions are not as the events say",
  "policy-differs": "the policy is not as the events say",
  "outcome-differs": "the outcome is not as the events say",
};

/**
 * Check evidence, given as the bytes of its file.
 *
 * `known` is what the reader got from elsewhere: `keys` (texts of the log's keys) and `heads` (texts, `size:root`).
 * `judge` is that of `judge.js`, which reads more of `known`. Without it nothing is said of the rules and of people's
 * signatures. `readExport` is that of `export.js`. Without it the file is taken for evidence. Throw a Fault (not-a-key,
 * not-a-checkpoint) for what is no key or no head.
 *
 * Return `{verdict, checks, head, requests}`. `verdict` is good, partly or bad. Each check is `{name, title, state,
 * why}`; `state` is good (verified here), bad, open (not verified, and why not) or none (nothing to verify); `why` is a
 * list of sentences. `head` is `{origin, size, root}` or null. Each request is `{id, filing, digest, status, events}`,
 * its events with `faults`, a list of codes. They are there to be shown even if the verdict is bad.
 */
export async function check(bytes, known = {}, { judge = null, readExport = async () => false } = {}) {
  const keys = await Promise.all((known.keys ?? []).map(parseVerifierKey));
  const heads = await Promise.all((known.heads ?? []).map(parseHead));
  const checking = new Checking({ ...known, keys, heads }, judge);
  try {
    const text = readText(bytes);
    if (!(await readExport(checking, text))) await checking.evidence(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    checking.find("whole", error.code, "the file");
  }
  return checking.result();
}

// `export.js` uses what is not private.
class Checking {
  bad = Object.fromEntries(Object.keys(TITLES).map((name) => [name, []]));
  #open = {};
  #isDone = false;
  #isJudged = false;
  #faults = new Map();
  events = [];
  head = null;

  constructor(known, judge) {
    this.known = known;
    this.judge = judge;
  }

  find(name, code, place, sentence = SENTENCES[code]) {
    this.bad[name].push(`${place}: ${sentence} (${code})`);
  }

  async evidence(text) {
    const document = readDocument(text);
    const { events, signing, heads } = this.#entriesOf(document);
    this.events = events.map(({ event }) => event);
    if (!(await this.openHead(document.checkpoint))) return;
    this.compareKept(new Map([[this.head.size, this.head.root]]), false);
    for (const each of [...events, ...signing]) await this.#include(each);
    if (this.events.length === 0 || this.bad.tree.length > 0) return;
    this.#checkChain();
    if (this.events[0].event !== "request.filed") {
      this.find("filing", "not-filed", placeOf(this.events[0]), "the first event is no filing");
      return;
    }
    this.#compareTold(document);
    const ofKeys = signing.map(({ event }) => event);
    const merged = [...ofKeys, ...this.events].sort((one, other) => one.seq - other.seq);
    await this.judgeEvents({ isWhole: false, proofs: heads, events: merged });
  }

  result() {
    const checks = Object.entries(TITLES).map(([name, title]) => {
      const why = this.bad[name];
      return { name, title, ...(why.length > 0 ? { state: "bad", why } : this.#stateOf(name)) };
    });
    const states = checks.filter(({ name }) => name !== "rest").map(({ state }) => state);
    const verdict = states.includes("bad") ? "bad" : states.includes("open") ? "partly" : "good";
    const head = this.head && { origin: this.head.origin, size: this.head.size, root: base64(this.head.root) };
    return { verdict, checks, head, requests: this.#requests() };
  }

  /** The state of a check without a finding. */
  #stateOf(name) {
    if (name === "kept" && this.known.heads.length === 0) return { state: "none", why: [NO_HEAD] };
    const { state, why } = this.#open[name] ?? { state: "good" };
    if (state !== "good") return { state, why: [why] };
    const isLate = !OF_DOCUMENT.includes(name);
    if (this.#isDone && (this.#isJudged || !isLate)) return { state, why: [] };
    return { state: "open", why: [this.#isDone ? NO_JUDGE : NOT_REACHED] };
  }

  /** Read the events of evidence. Those that cannot be read are findings. */
  #entriesOf(document) {
    const read = (entries, where) => (Array.isArray(entries) ? entries : []).map((entry, at) => {
      try {
        return readEntry(entry);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.find("tree", error.code, `event ${at + 1}${where}`);
        return null;
      }
    }).filter((entry) => entry !== null);
    const events = read(document.events, "");
    if (events.length === 0 || this.bad.tree.length > 0) this.find("tree", "missing-event", "the events");
    if (!Array.isArray(document.signing ?? [])) this.find("whole", "wrong-members", "signing");
    let last = 0;
    const signing = read(document.signing ?? [], " of signing").filter(({ event }) => {
      const code = !isOfSigning(event) ? "foreign-event" : event.seq <= last ? "out-of-order" : null;
      if (code === null) last = event.seq;
      else this.find("whole", code, placeOf(event));
      return code === null;
    });
    return { events, signing, heads: readHeads(document.heads ?? []) };
  }

  async openHead(note) {
    try {
      if (this.known.keys.length > 0) {
        this.head = await openCheckpoint(note, this.known.keys);
      } else {
        this.head = await unverifiedHead(note);
        this.#open.head = open("You gave no key of the log. Get it from a person, not from this file.");
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.bad.head.push(`${error.message} (${error.code})`);
      return false;
    }
    return true;
  }

  compareKept(roots, isWhole, size = Infinity) {
    for (const kept of this.known.heads) {
      const root = kept.size === 0 ? kept.root : roots.get(kept.size);
      if (root !== undefined && !equal(root, kept.root)) this.find("kept", "rewritten", `size ${kept.size}`);
      else if (isWhole && kept.size > size) this.find("kept", "cut", `size ${kept.size}`);
      else if (root === undefined) {
        this.#open.kept = open("It is of another size. verifier.py compares it, by a proof of consistency.");
      }
    }
  }

  async #include({ event, leaf, inclusion }) {
    try {
      const proof = inclusion.map((each) => fromBase64(each, 32));
      const root = await rootFromInclusion(event.seq - 1, this.head.size, await leafHash(utf8(leaf)), proof);
      if (equal(root, this.head.root)) return;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    this.find("tree", "not-included", placeOf(event));
  }

  /** That these are one request's events in their order, and that none between them was left out. */
  #checkChain() {
    let before = null;
    for (const event of this.events) {
      if (event.request_id !== this.events[0].request_id) this.find("whole", "foreign-event", placeOf(event));
      if (before !== null && before >= event.seq) this.find("whole", "out-of-order", placeOf(event));
      if ("previous" in event && event.previous !== before) this.find("whole", "left-out", placeOf(event));
      before = event.seq;
    }
    if (this.events.some((event) => !("previous" in event))) {
      this.#open.whole = open("Some events are of a version that did not name the one before. Gaps do not show.");
    }
  }

  #compareTold(document) {
    const hasSigned = this.events.some((event) => event.event === "decision.recorded" && isSigned(event));
    if (document.format !== FORMAT_2 && hasSigned) this.find("whole", "unknown-format", "the document");
    for (const [name, told] of Object.entries(retold(this.events, document.format))) {
      if (canonicalText(told) !== canonicalText(document[name])) this.find("whole", `${name}-differs`, "the document");
    }
  }

  /** Judge the events, which are the log's. `log` is as `judge.js` takes it. */
  async judgeEvents(log) {
    this.#isDone = true;
    if (this.judge === null) return;
    const { findings, open } = await this.judge({ head: this.head, known: this.known, ...log });
    for (const { check: name, code, sentence, event } of findings) {
      this.#faults.set(event, [...(this.#faults.get(event) ?? []), code]);
      this.find(name, code, placeOf(event), sentence);
    }
    this.#open = { ...open, ...this.#open };
    this.#isJudged = true;
  }

  #requests() {
    const requests = new Map();
    for (const event of this.events.filter(({ request_id: id }) => id !== null)) {
      const { request_id: id, data } = event;
      const known = requests.get(id) ?? { id, filing: {}, digest: null, status: "pending", events: [] };
      if (event.event === "request.filed" && known.digest === null) {
        Object.assign(known, { filing: isObject(data.filing) ? data.filing : {}, digest: data.digest ?? null });
      }
      if (typeof data.status === "string") known.status = data.status;
      known.events.push({ ...event, faults: this.#faults.get(event) ?? [] });
      requests.set(id, known);
    }
    return [...requests.values()];
  }
}

const open = (why) => ({ state: "open", why });

const placeOf = ({ seq }) => `event ${seq}`;
