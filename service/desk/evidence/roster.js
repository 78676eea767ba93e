/**
 * Whose key counts, judged anew each time from what signatures prove (`service/domain/roster.py`).
 *
 * A holder is a person and the text of their key, as one text. A position is the index of an event's leaf in the log.
 * The head `n` contains the positions below `n`.
 */

export const LEAST_QUORUM = 2;

export const holderOf = (person, key) => JSON.stringify([person, key]);
const personOf = (holder) => JSON.parse(holder)[0];
const keyOf = (holder) => JSON.parse(holder)[1];

/** Return the facts of an empty log: each list is in the log's order. */
export const noFacts = () => ({ rules: [], registered: [], endorsements: [], revoked: [] });

/**
 * Judge every key at a head that contains all the facts.
 *
 * `facts` has `rules` (`{position, quorum, founders}`, a Set of holders), `registered` (`{position, holder}`),
 * `endorsements` (`{position, head, endorser, holder}`, both holders) and `revoked` (`{key, head}`, the first head at
 * which the key does not count). Return `owners` (a Map of key to person), `faults` (a Map of holder to fault),
 * `voided` (a Map of endorsement to fault), `enrolled` (a Set of people who have or had a key that counts).
 */
export function rosterAt(at, facts) {
  const registered = earliest(facts.registered.map(({ position, holder }) => [holder, position + 1]));
  const founded = facts.rules.flatMap(({ position, founders }) => [...founders].map((each) => [each, position + 1]));
  const claimed = earliest([...registered, ...founded]);
  const revoked = earliest(facts.revoked.map(({ key, head }) => [key, head]));
  const disputed = secondClaims(claimed);
  const endorsers = new Map();

  const rulesAt = (head) => facts.rules.findLast(({ position }) => position < head);
  const isFounder = (holder, head) => rulesAt(head)?.founders.has(holder) ?? false;
  const isVouchedFor = (holder, head) =>
    isFounder(holder, head) || (endorsers.get(holder)?.size ?? 0) >= (rulesAt(head)?.quorum ?? LEAST_QUORUM);

  function fault(holder, head) {
    const since = (map, name) => map.get(name) ?? head + 1;
    if (!isFounder(holder, head) && since(registered, holder) > head) return "unregistered";
    if (since(revoked, keyOf(holder)) <= head) return "revoked";
    if (since(disputed, keyOf(holder)) <= head) return "claimed-twice";
    return isVouchedFor(holder, head) ? null : "not-endorsed";
  }

  const voided = new Map();
  for (const together of groupedByPosition(facts.endorsements)) {
    const judged = together.map((each) => [each, voidBecause(each, fault)]);
    for (const [each, why] of judged) {
      if (why !== null) voided.set(each, why);
      else addTo(endorsers, each.holder, personOf(each.endorser));
    }
  }
  const verdicts = [...claimed.keys()].map((holder) => [holder, fault(holder, at)]);
  const once = verdicts.filter(([holder, why]) => why === null || isVouchedFor(holder, at)).map(([holder]) => holder);
  const least = facts.rules.at(-1)?.quorum ?? LEAST_QUORUM;
  return {
    owners: new Map(verdicts.filter(([, why]) => why === null).map(([holder]) => [keyOf(holder), personOf(holder)])),
    faults: new Map(verdicts.filter(([, why]) => why !== null)),
    voided,
    enrolled: new Set(countedOnce(new Set(once), claimed, endorsers, voided, least).map(personOf)),
  };
}

/** Return why this person's key does not count. Null if it does. */
export function keyFault(roster, person, key) {
  if (roster.owners.get(key) === person) return null;
  return roster.faults.get(holderOf(person, key)) ?? "unregistered";
}

/** Return whose key counts, or did: a revocation of it, or of a key that endorsed it, leaves the duty to sign. */
function countedOnce(once, claimed, endorsers, voided, least) {
  for (let more = [...once]; more.length > 0; more.forEach((holder) => once.add(holder))) {
    const vouched = new Map([...claimed.keys()].filter((holder) => !once.has(holder))
      .map((holder) => [holder, new Set(endorsers.get(holder) ?? [])]));
    for (const [each, why] of voided) {
      if (why === "by-no-key-that-counts" && once.has(each.endorser)) {
        vouched.get(each.holder)?.add(personOf(each.endorser));
      }
    }
    more = [...vouched].filter(([, people]) => people.size >= least).map(([holder]) => holder);
  }
  return [...once];
}

function voidBecause({ position, head, endorser, holder }, fault) {
  if (personOf(endorser) === personOf(holder)) return "of-oneself";
  if (head > position) return "ahead-of-the-log";
  return fault(endorser, position) === null ? null : "by-no-key-that-counts";
}

function earliest(pairs) {
  const found = new Map();
  for (const [name, head] of pairs) found.set(name, Math.min(head, found.get(name) ?? head));
  return found;
}

/** Return the head at which a second person claims a key, for each such key. */
function secondClaims(claimed) {
  const claims = new Map();
  for (const [holder, head] of claimed) claims.set(keyOf(holder), [...(claims.get(keyOf(holder)) ?? []), head]);
  const twice = [...claims].filter(([, heads]) => heads.length > 1);
  return new Map(twice.map(([key, heads]) => [key, heads.sort((one, other) => one - other)[1]]));
}

function groupedByPosition(endorsements) {
  const grouped = new Map();
  for (const each of endorsements) grouped.set(each.position, [...(grouped.get(each.position) ?? []), each]);
  return grouped.values();
}

function addTo(sets, name, value) {
  if (!sets.has(name)) sets.set(name, new Set());
  sets.get(name).add(value);
}
