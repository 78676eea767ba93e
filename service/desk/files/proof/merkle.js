/** Proofs of the tree over the audit log's leaves: RFC 9162, section 2, with SHA-256. Leaves are numbered from 0. */
import { concat, equal } from "./bytes.js";
import { sha256 } from "./digest.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** Hash a leaf's bytes. The prefix prevents passing off an interior node as a leaf. */
export const leafHash = (leaf) => sha256(concat(LEAF, leaf));

export const nodeHash = (left, right) => sha256(concat(NODE, left, right));

/** Return the root over no leaf. */
export const emptyRoot = () => sha256(new Uint8Array());

/**
 * Return the root that an inclusion proof leads to from the leaf's hash (section 2.1.3.2).
 *
 * Throw a RangeError if a log of `size` leaves has no leaf `index`, or the proof is of another length.
 */
export async function rootFromInclusion(index, size, leaf, proof) {
  if (!areSizes(index, size) || index >= size) throw new RangeError("the log has no such leaf");
  return (await climb(index, size - 1, leaf, proof)).larger;
}

/** Return whether a proof shows that the log of `second` leaves begins with that of `first` (section 2.1.4.2). */
export async function isConsistent(first, second, firstRoot, secondRoot, proof) {
  if (!areSizes(first, second) || first === 0 || first > second) return false;
  let [at, last] = first < second ? [first - 1, second - 1] : [0, 0];
  // Go to the last of the perfect subtrees of the first log.
  for (; at % 2 === 1; at = half(at)) last = half(last);
  // Where there is but one, its root is known, and not in the proof.
  const path = at > 0 ? proof : [firstRoot, ...proof];
  if (path.length === 0) return false;
  try {
    const roots = await climb(at, last, path[0], path.slice(1));
    return equal(roots.smaller, firstRoot) && equal(roots.larger, secondRoot);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Return the two roots above a node: of the tree that ends with it, and of the whole tree. */
async function climb(at, last, node, path) {
  let [smaller, larger] = [node, node];
  for (const sibling of path) {
    if (last === 0) throw new RangeError("the proof is too long");
    if (at % 2 === 1 || at === last) {
      smaller = await nodeHash(sibling, smaller);
      larger = await nodeHash(sibling, larger);
      while (at > 0 && at % 2 === 0) [at, last] = [half(at), half(last)];
    } else {
      larger = await nodeHash(larger, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  if (last > 0) throw new RangeError("the proof is too short");
  return { smaller, larger };
}

// Sizes have up to 53 bits, and the bitwise operators 32.
export const half = (number) => Math.floor(number / 2);

const areSizes = (...sizes) => sizes.every((size) => Number.isSafeInteger(size) && size >= 0);
