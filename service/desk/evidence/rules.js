/**
 * The rules of `docs/audit-log.md`, as far as a page holds a log's events against them.
 *
 * Checked are: the filing and its digest, the steps of a request's life, who acted, each approval with its signature,
 * and whether enough of them counted. Only `verifier.py` checks the findings in `ONLY_ELSEWHERE`.
 */
import { hex } from "../files/proof/bytes.js";
import { canonicalText } from "../files/proof/canonical.js";
import { isObject, isOfSigning, isSigned, timeOf } from "../files/proof/event.js";
import { digestOf } from "./digests.js";
import { areCounts, areFilled, demandsOf, NO_DEMANDS, raise } from "./demands.js";
import { LEAST_QUORUM } from "./roster.js";
import { durationOf, objectIn, SECOND, textsOf, TOLERANCE } from "./signatures.js";

/** What only `verifier.py` finds. Of `stale-sign-in`, sign-ins of executions; those of approvals are checked here. */
export const ONLY_ELSEWHERE =
  ["wrong-clock", "too-early", "wrong-result", "wrong-key", "not-allowed", "outside-hours", "stale-sign-in",
    "not-rules", "rules-unsigned", "rules-older", "rules-foreign", "other-rules"];

const UNDECIDED = ["pending", "approved"];
const [APPROVED, REJECTED, STARTED] = ["request.approved", "request.rejected", "execution.started"];
const [DELIVERED, SUCCEEDED, RECEIVED] = ["execution.delivered", "execution.succeeded", "receipt.confirmed"];
const [WITHDRAWN, EXPIRED, ROLLED_BACK] = ["request.withdrawn", "request.expired", "key.rolled_back"];
const [GIVEN_UP, RETIRED, FAILED] = ["receipt.given_up", "key.retired", "execution.failed"];
const [RELEASED, OLD_DEACTIVATED, OLD_DELETED] = ["cut_over.released", "old_key.deactivated", "old_key.deleted"];
const [STOPPING, STOPPED, ROTATING] = ["rotation.stopping", "rotation.stopped", "rotating"];
// The status that each event leads to, and those that it may follow.
const LIFE = new Map(Object.entries({
  [APPROVED]: ["approved", ["pending"]],
  [REJECTED]: ["rejected", UNDECIDED],
  [WITHDRAWN]: ["withdrawn", UNDECIDED],
  [EXPIRED]: ["expired", UNDECIDED],
  [STARTED]: ["executing", ["approved"]],
  "execution.in_doubt": ["in_doubt", ["executing"]],
  [DELIVERED]: ["delivered", ["executing"]],
  [SUCCEEDED]: ["succeeded", ["executing", "in_doubt"]],
  [FAILED]: ["failed", ["executing", "in_doubt"]],
  [RECEIVED]: ["succeeded", ["delivered"]],
  [ROLLED_BACK]: ["rolled_back", ["delivered"]],
  [OLD_DELETED]: ["succeeded", [ROTATING]],
  [STOPPED]: ["stopped", [ROTATING]],
}));
const AT_AN_END = [OLD_DELETED, STOPPED];
const ENDS = [REJECTED, WITHDRAWN, EXPIRED, SUCCEEDED, FAILED, RECEIVED, ROLLED_BACK, ...AT_AN_END];
const WITH_A_KEY = [ROTATING, "succeeded", "stopped"];
// What the worker does about a delivered key, each at most once, and the status in which it may.
const OF_KEYS = new Map(Object.entries({
  [GIVEN_UP]: ["delivered"],
  "receipt.overdue": ["delivered"],
  "key.deactivated": ["delivered", ...WITH_A_KEY],
  "key.expiring": ["delivered", ...WITH_A_KEY],
  "key.expiry_failed": ["delivered", ...WITH_A_KEY],
  [RETIRED]: WITH_A_KEY,
}));
// What is said of a rotation besides, each at most once, and the status in which it may.
const OF_ROTATIONS = new Map(Object.entries({
  [RELEASED]: [ROTATING],
  "rotation.waiting": [ROTATING],
  [OLD_DEACTIVATED]: [ROTATING],
  [STOPPING]: ["delivered", ROTATING],
}));
// How a rotation may end that somebody stopped; and how long a call to AWS may take that had begun before.
const BY_PEOPLE = ["rotation_rejected", "rotation_withdrawn"];
const LONGEST_CALL = 600 * SECOND;
const STEPS = ["cut_over_within_seconds", "deletion_wait_seconds", "unused_for_seconds"];
const [SHORTEST_STEP, LONGEST_STEP] = [3_600, 366 * 86_400];
const OF_LIFETIMES = ["key.expiring", "key.expiry_failed", RETIRED];
const NAMING_THE_KEY = ["key.deactivated", "key.expiry_failed", RETIRED];
const OF_PEOPLE = ["person.seen", "person.changed", "person.suspended", "person.reinstated"];
const OF_TOKENS = ["token.created", "token.revoked"];
const FILING = {
  id: "string", operation: "string", requester: "string", requester_kind: "string", recipient: "string",
  run_on_approval: "boolean", quorum: "number", filed_at: "string", approve_by: "string",
  execution_window_seconds: "number",
};

/**
 * Holds events against the rules, one after the other. `isLog` says that they are a whole log; evidence knows nothing
 * of people, of tokens and of other requests. `find(code, event)` is called for each finding.
 */
export class Replay {
  #open = new Map();
  #people = new Map();
  #tokens = new Map();

  constructor({ isLog, signatures, find }) {
    Object.assign(this, { isLog, signatures, find });
  }

  /** How many approvals were signed and good, and how many had no signature and needed none. */
  signed = 0;
  unsigned = 0;

  async take(event) {
    const { event: name, request_id: id } = event;
    if (OF_PEOPLE.includes(name) || OF_TOKENS.includes(name) || isOfSigning(event)) {
      this.#learn(event);
      if (isOfSigning(event)) for (const code of await this.signatures.learn(event)) this.find(code, event);
      if (id !== null) this.find("wrong-request", event);
    }
    const request = this.#open.get(id);
    if (name === "request.filed") await this.#file(event, request);
    else if (request !== undefined) await this.#continue(event, request);
    else if (LIFE.has(name) || OF_KEYS.has(name) || OF_ROTATIONS.has(name) || name === "decision.recorded") this.find("not-open", event);
  }

  #learn({ event: name, data, at, seq }) {
    if (OF_TOKENS.includes(name)) {
      const id = textOf(data.token_id);
      const token = this.#tokens.get(id) ?? { owner: name === "token.created" ? data.subject : null, revokedAt: null };
      if (name === "token.revoked") token.revokedAt ??= timeOf(at);
      this.#tokens.set(id, token);
    } else if (OF_PEOPLE.includes(name)) {
      const id = textOf(data.person);
      if (!this.#people.has(id)) this.#people.set(id, new Person());
      this.#people.get(id).learn(name, seq, timeOf(at), timeOf(data.votes_since));
    }
  }

  #isSuspended(subject, at) {
    const since = this.#people.get(subject)?.suspendedAt ?? null;
    return since !== null && Math.abs(at - since) >= TOLERANCE;
  }

  async #file(event, twin) {
    const { data, seq, request_id: id } = event;
    if (twin !== undefined || (this.isLog && (event.previous ?? null) !== null)) {
      this.find("filed-twice", event);
      if (twin !== undefined) {
        twin.last = seq;
        return;
      }
    }
    const { filing } = data;
    if (!isObject(filing) || !Object.entries(FILING).every(([name, kind]) => typeof filing[name] === kind)
      || filing.id !== id || timeOf(filing.approve_by) === null) {
      this.find("not-filed", event);
      return;
    }
    const digest = hex(await digestOf(filing));
    if (data.digest !== digest) this.find("wrong-digest", event);
    if (filing.filed_at !== event.at) this.find("time-contradicts", event);
    const demands = demandsOf(filing);
    const inForce = objectIn(data, "policy").quorum;
    if ("policy" in data && !(Number.isInteger(inForce) && inForce <= filing.quorum)) this.find("wrong-quorum", event);
    if (demands === null) this.find("not-filed", event);
    else if (demands.least > filing.quorum) this.find("wrong-quorum", event);
    const rotation = rotationOf(filing);
    const isRotation = filing.operation === "rotate_access_key";
    const isCreate = isRotation || filing.operation === "create_access_key";
    if ("sealed_to" in filing && !(isCreate && typeof filing.sealed_to === "string")) this.find("not-filed", event);
    if ((isRotation || "rotation" in filing) && rotation === null) this.find("not-filed", event);
    const request = {
      digest,
      requester: [filing.requester_kind, filing.requester],
      recipient: filing.recipient,
      isCreate,
      rotation: filing.drill === true ? null : rotation,
      runsByItself: filing.run_on_approval,
      quorum: filing.quorum,
      window: filing.execution_window_seconds * SECOND,
      hasLifetime: Number.isInteger(filing.lifetime_seconds) && filing.drill !== true,
      isDrill: filing.drill === true,
      demands: demands ?? NO_DEMANDS,
      longestSignIn: durationOf(objectIn(data, "policy").decision_max_auth_age),
      deadline: timeOf(filing.approve_by),
      last: seq,
      at: timeOf(event.at),
      status: "pending",
      approvals: new Map(),
      rejections: new Set(),
      deciders: new Set(),
      executors: new Set(),
      key: null,
    };
    this.#open.set(id, request);
    this.#checkMarked(event, request);
    await this.#checkActor(event, [request.requester]);
  }

  async #continue(event, request) {
    const { event: name, data } = event;
    const at = timeOf(event.at);
    if (this.isLog && "previous" in event && event.previous !== request.last) this.find("left-out", event);
    if (at < request.at - TOLERANCE) this.find("time-contradicts", event);
    request.last = event.seq;
    request.at = Math.max(request.at, at);
    this.#checkMarked(event, request);
    if (name === "decision.recorded") await this.#decide(event, request);
    else if (LIFE.has(name)) await this.#step(event, request);
    else if (OF_KEYS.has(name)) await this.#treat(event, request);
    else if (OF_ROTATIONS.has(name)) await this.#rotate(event, request);
    else if ("status" in data && data.status !== request.status) this.find("wrong-step", event);
  }

  /** Each event of a drill says that it is of one, and no event of a real request does. */
  #checkMarked(event, { isDrill }) {
    if (event.data.drill !== (isDrill ? true : undefined)) this.find("wrong-mark", event);
  }

  /** A decision counts that nothing is wrong with. */
  async #decide(event, request) {
    const { data } = event;
    const isApproval = data.decision === "approve";
    const signed = await this.#checkSignature(event, request);
    const broken = [...signed.faults, ...this.#faultsOfDecision(event, request, isApproval)];
    broken.push(...(await this.#faultsOfCredential(event)));
    for (const code of broken) this.find(code, event);
    request.deciders.add(whoDid(event));
    const person = textOf(data.person);
    request.approvals.delete(person);
    if (!isApproval) {
      request.rejections.add(person);
    } else if (broken.length === 0) {
      const vote = { seq: event.seq, at: timeOf(event.at), credential: textOf(data.credential) };
      request.approvals.set(person, { ...vote, isSigned: isSigned(event), key: signed.key, head: signed.head });
      if (isSigned(event)) this.signed += 1;
      else this.unsigned += 1;
    }
  }

  async #checkSignature(event, request) {
    if (isSigned(event)) return this.signatures.judge(event, request);
    const isDue = event.data.decision === "approve" && this.#hasToSign(event.data.person, request.demands.signed);
    return { faults: isDue ? ["unsigned"] : [], key: null, head: null };
  }

  #hasToSign(person, wanted) {
    return wanted === "required" || (wanted === "enrolled" && this.signatures.roster.enrolled.has(person));
  }

  #faultsOfDecision(event, request, isApproval) {
    const { data, actor } = event;
    const at = timeOf(event.at);
    const amr = textsOf(objectIn(actor, "proof").amr);
    const isOwn = typeof data.person === "string" && actor.kind === "person" && actor.subject === data.person
      && isSame(actor.credential, data.credential);
    const { demands } = request;
    // A rotation can be rejected until its old key is gone.
    const isStop = data.decision === "reject" && request.rotation !== null
      && OF_ROTATIONS.get(STOPPING).includes(request.status);
    const wrong = {
      "not-own-decision": !isOwn,
      "own-approval": isApproval && [request.requester[1], request.recipient].includes(data.person),
      "wrong-digest": data.digest !== request.digest,
      "wrong-step": !isStop && !UNDECIDED.includes(request.status),
      "too-late": !isStop && at >= request.deadline + TOLERANCE,
      "suspended": this.#isSuspended(textOf(data.person), at),
      "no-comment": isApproval && demands.comment && isEmpty(data.comment),
      "stale-sign-in": isApproval && demands.methods.some((methods) => !methods.some((each) => amr.includes(each))),
    };
    return Object.keys(wrong).filter((code) => wrong[code]);
  }

  /** A request goes on from where a step leads, even a wrong one; but nothing takes an execution back. */
  async #step(event, request) {
    const { event: name, data } = event;
    const [usual, before] = LIFE.get(name);
    const reached = name === RECEIVED && request.rotation !== null ? ROTATING : usual;
    if (!before.includes(request.status) || data.status !== reached) {
      this.find(misstep(name, request), event);
      if (name === APPROVED || (name === STARTED && !UNDECIDED.includes(request.status))) return;
    }
    if (data.digest !== request.digest) this.find("wrong-digest", event);
    await this.#checkWho(event, request);
    if (name === APPROVED) {
      this.#checkQuorum(event, request);
      request.deadline = timeOf(event.at) + request.window;
    } else if (name === STARTED) {
      await this.#start(event, request);
    } else if (name === DELIVERED || name === SUCCEEDED) {
      if (request.isCreate !== (name === DELIVERED)) this.find("wrong-step", event);
      const hasEnd = request.hasLifetime && timeOf(data.expires_at) !== null;
      if (name === DELIVERED) request.key = { hasEnd, done: new Set() };
    } else if (request.rotation !== null) {
      this.#goOn(event, request.rotation);
    }
    request.status = reached;
    const key = [RECEIVED, ...AT_AN_END].includes(name) ? request.key : null;
    const isLeft = key !== null && key.hasEnd && !key.done.has(RETIRED);
    if (ENDS.includes(name) && reached !== ROTATING && !isLeft) this.#open.delete(event.request_id);
  }

  async #checkWho(event, request) {
    const { event: name } = event;
    if (name === WITHDRAWN && isHook(event)) return;
    const alone = new Map([
      [WITHDRAWN, request.requester],
      [EXPIRED, WORKER],
      [RECEIVED, ["person", request.recipient]],
      [ROLLED_BACK, WORKER],
      [OLD_DELETED, WORKER],
      [STOPPED, WORKER],
    ]);
    if (alone.has(name)) {
      await this.#checkActor(event, [alone.get(name)]);
      if (name === RECEIVED && request.key?.done.has(GIVEN_UP)) this.find("wrong-step", event);
    } else if (name === APPROVED || name === REJECTED) {
      this.#checkSame(event, request.deciders);
    } else if (name !== STARTED && !isWorker(event)) {
      this.#checkSame(event, request.executors);
    }
  }

  /** That it was done by one who did what led to it, and by the same credential. */
  #checkSame(event, expected) {
    if (expected.size === 0 && event.event !== REJECTED) return;
    if (!expected.has(whoDid(event))) this.find("wrong-actor", event);
  }

  async #checkActor(event, expected) {
    const { kind, subject } = event.actor;
    if (!expected.some((each) => each[0] === kind && each[1] === subject)) this.find("wrong-actor", event);
    for (const code of await this.#faultsOfCredential(event)) this.find(code, event);
  }

  /** A sign-in is named by what proved it. An API token is its owner's; a log says whose, and when it was revoked. */
  async #faultsOfCredential(event) {
    const { actor } = event;
    if (isWorker(event)) return [];
    const [credential, proof] = [textOf(actor.credential), actor.proof ?? null];
    if (credential.startsWith("oidc-")) {
      const isNamed = isObject(proof) && credential === `oidc-${hex(await digestOf(proof)).slice(0, 32)}`;
      return isNamed ? [] : ["wrong-credential"];
    }
    const faults = proof === null ? [] : ["wrong-credential"];
    if (!this.isLog) return faults;
    const token = this.#tokens.get(credential);
    const isTheirs = token !== undefined && token.owner !== null && token.owner === actor.subject;
    const isRevoked = isTheirs && token.revokedAt !== null && Math.abs(timeOf(event.at) - token.revokedAt) >= TOLERANCE;
    return isTheirs && !isRevoked ? faults : [...faults, "wrong-credential"];
  }

  async #start(event, request) {
    const at = timeOf(event.at);
    const receiving = ["person", request.recipient];
    const runners = request.isCreate ? [receiving] : [request.requester, receiving];
    if (request.runsByItself && !request.isCreate) runners.push(WORKER);
    await this.#checkActor(event, runners);
    request.executors = new Set([whoDid(event)]);
    if (at >= request.deadline + TOLERANCE) this.find("too-late", event);
    for (const who of new Set([request.requester[1], request.recipient])) {
      if (this.#isSuspended(who, at)) this.find("suspended", event);
    }
    if (request.rejections.size > 0) this.find("executed-against", event);
    this.#checkQuorum(event, request);
  }

  /** Hold what counts against the quorum that was filed, or that in force where it is stricter. */
  #checkQuorum(event, request) {
    const { data } = event;
    const [policy, isStart, at] = [objectIn(data, "policy"), event.event === STARTED, timeOf(event.at)];
    const needed = Math.max(LEAST_QUORUM, request.quorum, Number.isInteger(policy.quorum) ? policy.quorum : 0);
    if (isStart && "policy" in data && !Number.isInteger(policy.quorum)) this.find("no-policy", event);
    const ofGroups = new Map(isStart ? request.demands.approvals : []);
    if (isStart && isObject(data.policy)) {
      const asked = "approvals" in policy ? policy.approvals : {};
      if (!areCounts(asked)) this.find("no-policy", event);
      else raise(ofGroups, asked);
    }
    const wanted = [request.demands.signed, policy.signed_approvals];
    const votes = [...request.approvals].filter(([who, vote]) => this.#isSignedEnough(who, vote, wanted));
    // What voided a vote may have been at work at the same time, and have come into the log a moment before.
    const counting = votes.filter(([who, vote]) => {
      const voidAt = this.#voidAt(who, vote);
      return voidAt === null || Math.abs(at - voidAt) < TOLERANCE;
    }).map(([who]) => who);
    const said = objectIn(data, "groups");
    const groups = new Map(counting.map((who) => [who, textsOf(said[who])]));
    if (counting.length < needed || !areFilled(ofGroups, groups)) this.find("no-quorum", event);
  }

  #isSignedEnough(person, vote, wanted) {
    if (!vote.isSigned) return !wanted.some((each) => this.#hasToSign(person, each));
    return this.signatures.keyFault(person, vote.key) === null;
  }

  #voidAt(person, vote) {
    const revokedAt = this.#tokens.get(vote.credential)?.revokedAt ?? null;
    const times = [revokedAt, this.#people.get(person)?.voidAt(vote) ?? null].filter((each) => each !== null);
    return times.length > 0 ? Math.min(...times) : null;
  }

  /** Judge what the worker does to a delivered key. */
  async #treat(event, request) {
    const { event: name, data } = event;
    const { key, status } = request;
    await this.#checkActor(event, [WORKER]);
    const isInPlace = key !== null && OF_KEYS.get(name).includes(status) && !key.done.has(name);
    if (!isInPlace || request.isDrill || (!key.hasEnd && OF_LIFETIMES.includes(name))) this.find("wrong-step", event);
    if (!NAMING_THE_KEY.includes(name)) {
      if (data.status !== status) this.find("wrong-step", event);
      if (data.digest !== request.digest) this.find("wrong-digest", event);
    }
    key?.done.add(name);
    if (name === RETIRED && status !== ROTATING) this.#open.delete(event.request_id);
  }

  /** Judge what is said of a rotation before it ends. `verifier.py` also holds the wait of the old key against it. */
  async #rotate(event, request) {
    const { event: name, data, actor } = event;
    const { rotation, status } = request;
    const isInPlace = rotation !== null && OF_ROTATIONS.get(name).includes(status) && !rotation.done.has(name);
    if (!isInPlace) this.find("wrong-step", event);
    if (name === STOPPING) {
      if (request.rejections.has(textOf(actor.subject))) {
        this.#checkSame(event, request.deciders);
        for (const code of await this.#faultsOfCredential(event)) this.find(code, event);
      } else {
        await this.#checkActor(event, [request.requester]);
      }
      if (data.digest !== request.digest) this.find("wrong-digest", event);
    } else {
      const involved = [request.requester, ["person", request.recipient]].filter(([kind]) => kind === "person");
      await this.#checkActor(event, name === RELEASED ? involved : [WORKER]);
    }
    if (rotation === null) return;
    const at = timeOf(event.at);
    if (name === OLD_DEACTIVATED) {
      const isSeen = !isNone(data.aws_request_id) && rotation.receivedAt !== null;
      if (isSeen && at > rotation.receivedAt + rotation.within + LONGEST_CALL) this.find("too-late", event);
      if (isOverrun(event, rotation, data)) this.find("wrong-step", event);
    } else if (name === STOPPING) {
      rotation.stoppingAt = at;
    } else if (rotation.stoppingAt !== null) {
      this.find("wrong-step", event);
    }
    rotation.done.add(name);
  }

  /** Judge the receipt and the end of a rotation. */
  #goOn(event, rotation) {
    const { event: name } = event;
    const said = objectIn(event.data, "result");
    if (name === RECEIVED) rotation.receivedAt = timeOf(event.at);
    else if (name === OLD_DELETED && isOverrun(event, rotation, said)) this.find("wrong-step", event);
    else if (name === STOPPED && BY_PEOPLE.includes(said.code) && rotation.stoppingAt === null) {
      this.find("wrong-step", event);
    }
  }
}

/** The plan of a filing's rotation, in microseconds; null if it is none, or that is not what a plan looks like. */
function rotationOf(filing) {
  const { rotation: said } = filing;
  if (filing.operation !== "rotate_access_key" || !isObject(said)) return null;
  const isPlan = Object.keys(said).sort().join() === STEPS.join() && STEPS.every((name) =>
    Number.isInteger(said[name]) && said[name] >= SHORTEST_STEP && said[name] <= LONGEST_STEP);
  if (!isPlan) return null;
  return { within: said.cut_over_within_seconds * SECOND, receivedAt: null, stoppingAt: null, done: new Set() };
}

/** Whether something was begun after somebody had stopped the rotation. */
const isOverrun = (event, { stoppingAt }, said) =>
  stoppingAt !== null && !isNone(said.aws_request_id) && timeOf(event.at) > stoppingAt + LONGEST_CALL;

/** What voided somebody's votes, and since when they are suspended. */
class Person {
  suspendedAt = null;
  #marks = [];
  #suspensions = [];
  #since = [];

  learn(name, seq, at, votesSince) {
    const isMark = name === "person.suspended" || name === "person.reinstated";
    const since = isMark ? at : votesSince;
    if (since !== null && since > (this.#since.at(-1) ?? -Infinity)) this.#since.push(since);
    if (!isMark) return;
    this.#marks.push([seq, at]);
    if (name === "person.suspended") this.#suspensions.push([seq, at]);
    this.suspendedAt = name === "person.suspended" ? (this.suspendedAt ?? at) : null;
  }

  /** When a vote became void, or null. A signed one is void also by a suspension that its signer did not know. */
  voidAt(vote) {
    const mark = this.#marks.find(([seq]) => seq >= vote.seq)?.[1];
    const since = this.#since.find((each) => each > vote.at);
    const suspension = this.#suspensions.find(([seq]) => vote.head !== null && seq > vote.head)?.[1];
    const times = [mark, since, suspension].filter((each) => each !== undefined);
    return times.length > 0 ? Math.min(...times) : this.suspendedAt;
  }
}

const WORKER = ["service", "rootquorum"];

const textOf = (value) => (typeof value === "string" ? value : canonicalText(value ?? null));

const isSame = (one, other) => canonicalText(one ?? null) === canonicalText(other ?? null);

const isEmpty = (value) =>
  [undefined, null, false, 0, ""].includes(value) || (typeof value === "object" && Object.keys(value).length === 0);

function isWorker({ actor }) {
  const isOne = actor.kind === WORKER[0] && actor.subject === WORKER[1];
  return isOne && actor.credential === "worker" && isNone(actor.proof);
}

function isHook({ actor }) {
  const isNamed = actor.kind === "machine" && textOf(actor.subject).startsWith("hook:");
  return isNamed && actor.credential === "hook" && isNone(actor.proof);
}

const isNone = (value) => (value ?? null) === null;

const whoDid = ({ actor }) =>
  canonicalText(["kind", "subject", "credential", "proof"].map((name) => actor[name] ?? null));

function misstep(name, { status }) {
  if (name === STARTED && !UNDECIDED.includes(status)) return "executed-twice";
  const isUndecided = UNDECIDED.includes(status) && !LIFE.get(name)[1].includes(status);
  return isUndecided && name !== APPROVED && name !== STARTED ? "not-started" : "wrong-step";
}
