/** What a log proves of the keys that people sign with, and what it proves of each signed decision. */
import { fromHex, utf8 } from "../files/proof/bytes.js";
import { isObject } from "../files/proof/event.js";
import { Fault } from "../files/proof/fault.js";
import { parsePublicKey } from "../files/proof/keys.js";
import { isConsistent } from "../files/proof/merkle.js";
import { disagreements, unmet } from "./demanded.js";
import { holderOf, keyFault, LEAST_QUORUM, noFacts, rosterAt } from "./roster.js";
import { verify } from "../files/proof/sshsig.js";
import { microsecondsOf, namespaceOf, readStatement } from "../files/proof/statement.js";

export const SECOND = 1_000_000;
/** How far the clocks of a fleet may be apart, in microseconds. */
export const TOLERANCE = 60 * SECOND;

const NO_DEMANDS = { rp_id: null, origins: [], user_verified: true, only_hardware: false, only_device_bound: false };

/** Judges what people signed, and keeps whose keys count as the log goes on. */
export class Signatures {
  #facts = noFacts();
  #roster = null;
  #position = 0;
  #demands = NO_DEMANDS;
  #longest = null;

  /**
   * `service` is the log's name. `past` has `had(size, root)`, a promise of whether the log had that head, and
   * `lastWithin(size)` and `firstBeyond(size)`, times of events in microseconds or null. `trust` has `signers` and
   * `founders`, Sets of holders or null: whose keys count, and whom endorsements have to lead to.
   */
  constructor(service, past, { signers = null, founders = null } = {}) {
    Object.assign(this, { service, past, onlySigners: signers !== null, given: signers ?? founders });
    if (this.given !== null) this.#facts.rules.push({ position: -1, quorum: LEAST_QUORUM, founders: this.given });
  }

  /** The roster at the event that was learned last. */
  get roster() {
    this.#roster ??= rosterAt(this.#position, this.#facts);
    return this.#roster;
  }

  keyFault(person, key) {
    return keyFault(this.roster, person, key);
  }

  /** Remember what an event says of keys, as far as signatures prove it. Return the faults of what they do not. */
  async learn(event) {
    const { data, seq } = event;
    this.#position = seq;
    this.#roster = null;
    if (event.event === "policy.changed") return this.#changeRules(event);
    if (event.event !== "signing_key.revoked") return this.#believe(event, event.event === "signing_key.endorsed");
    if (typeof data.key === "string") {
      const isEarlier = data.reason === "compromised" && Number.isInteger(data.since) && data.since < seq;
      this.#facts.revoked.push({ key: data.key, head: isEarlier ? data.since : seq });
    }
    return [];
  }

  #changeRules({ data, seq }) {
    const book = objectIn(data, "rulebook");
    const [policy, said] = [objectIn(book, "policy"), objectIn(book, "signing")];
    this.#longest = durationOf(policy.decision_max_auth_age);
    this.#demands = demandsOf(said);
    if (this.onlySigners) return [];
    const [founders, faults] = [new Set(this.given ?? []), []];
    for (const [person, keys] of this.given === null ? Object.entries(objectIn(said, "founders")) : []) {
      for (const key of textsOf(keys)) {
        try {
          founders.add(holderOf(person, parsePublicKey(key).text));
        } catch (fault) {
          faults.push(codeOf(fault));
        }
      }
    }
    const quorum = Math.max(LEAST_QUORUM, Number.isInteger(policy.quorum) ? policy.quorum : 0);
    this.#facts.rules.push({ position: seq - 1, quorum, founders });
    return faults;
  }

  /** Add a registration or an endorsement to the facts, if nothing is wrong with it. */
  async #believe(event, isEndorsement) {
    const { data, seq } = event;
    let proved, of;
    try {
      // Stricter rules about keys do not undo what was proved before.
      const demands = { ...this.#demands, only_hardware: false, only_device_bound: false };
      proved = await prove(event, isEndorsement ? "enrolment" : "registration", demands);
      of = parsePublicKey(proved.said.key).text;
    } catch (fault) {
      return [codeOf(fault)];
    }
    const { said, key, faults } = proved;
    if (said.service !== this.service) faults.push("another-service");
    if (!(await this.#had(said, seq))) faults.push("another-log");
    if (["person", "endorser"].some((name) => name in said && data[name] !== said[name])) faults.push("another-person");
    if (data.key !== of || (!isEndorsement && key.text !== of)) faults.push("another-key");
    if (faults.length > 0 || this.onlySigners) return faults;
    const [position, holder] = [seq - 1, holderOf(said.person, of)];
    if (!isEndorsement) {
      this.#facts.registered.push({ position, holder });
      return [];
    }
    const endorsement = { position, head: said.log.size, endorser: holderOf(said.endorser, key.text), holder };
    this.#facts.endorsements.push(endorsement);
    const why = rosterAt(seq, this.#facts).voided.get(endorsement);
    return why === undefined ? [] : [why];
  }

  /** Whether the log had the head that a statement names, when it was recorded. */
  async #had({ log }, seq) {
    return log.size < seq && (await this.past.had(log.size, log.root));
  }

  /**
   * Judge a signed decision on a request, `{digest, longestSignIn}`.
   *
   * Return `{faults, key, head}`: the text of the key, and the size of the log that its signer knew, both null with a
   * fault.
   */
  async judge(event, request) {
    let proved;
    try {
      proved = await prove(event, "decision", this.#demands);
    } catch (fault) {
      return { faults: [codeOf(fault)], key: null, head: null };
    }
    const { said, key, faults } = proved;
    const [{ size }, { data }, at] = [said.log, event, microsecondsOf(event.at)];
    const known = [this.#longest, request.longestSignIn].filter((each) => each !== null);
    const beyond = this.past.firstBeyond(size);
    const isOld = known.length > 0 && beyond !== null && beyond <= at - Math.max(...known) - TOLERANCE;
    faults.push(...disagreements(said, {
      service: this.service,
      request_id: event.request_id,
      digest: request.digest,
      decision: data.decision,
      person: data.person,
      drill: request.isDrill,
      oldest_size: isOld ? size + 1 : 0,
      had_head: await this.#had(said, event.seq),
      head_at: this.past.lastWithin(size),
      recorded_at: at,
    }));
    const ofKey = this.keyFault(said.person, key.text);
    if (ofKey !== null) faults.push(ofKey);
    return faults.length > 0 ? { faults, key: null, head: null } : { faults, key: key.text, head: size };
  }
}

/** What is known of a log by proofs that its head begins with the heads that statements name. `proofs` is by size. */
export function pastOfEvidence(head, proofs, events) {
  const times = events.map(({ seq, at }) => [seq, microsecondsOf(at)]).sort(([one], [other]) => one - other);
  return {
    had: async (size, root) => size === 0
      ? root === EMPTY_ROOT
      : isConsistent(size, head.size, fromHex(root), head.root, proofs.get(size) ?? []),
    lastWithin: (size) => times.findLast(([seq]) => seq <= size)?.[1] ?? null,
    firstBeyond: (size) => times.find(([seq]) => seq > size)?.[1] ?? null,
  };
}

/** What is known of a log by itself. `roots` is a Map of size to root in hex, `times` has that of each event. */
export const pastOfLog = (roots, times) => ({
  had: async (size, root) => size === 0 ? root === EMPTY_ROOT : roots.get(size) === root,
  lastWithin: (size) => times[size - 1] ?? null,
  firstBeyond: (size) => times[size] ?? null,
});

// SHA-256 of nothing.
const EMPTY_ROOT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

async function prove({ data }, kind, demands) {
  const { statement, signature } = data;
  if (typeof statement !== "string" || !statement.isWellFormed()) throw new Fault("not-a-statement");
  const bytes = utf8(statement);
  const said = readStatement(bytes, kind);
  const signed = await verify(typeof signature === "string" ? signature : "", bytes, namespaceOf(kind));
  return { said, key: signed.key, faults: unmet(signed, demands) };
}

function demandsOf(said) {
  return {
    rp_id: typeof said.rp_id === "string" ? said.rp_id : null,
    origins: textsOf(said.origins),
    user_verified: said.user_verified !== false,
    only_hardware: said.only_hardware === true,
    only_device_bound: said.only_device_bound === true,
  };
}

function codeOf(fault) {
  if (fault instanceof Fault) return fault.code;
  throw fault;
}

export const objectIn = (document, name) => (isObject(document[name]) ? document[name] : {});

/** The texts of a list, each once. */
export const textsOf = (values) =>
  [...new Set(Array.isArray(values) ? values.filter((each) => typeof each === "string") : [])];

/** Whole seconds in microseconds, null for anything else. */
export const durationOf = (seconds) => (Number.isInteger(seconds) ? seconds * SECOND : null);
