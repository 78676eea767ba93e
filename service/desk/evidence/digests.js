/** Digests of values, over their canonical bytes (RFC 8785). */
import { utf8 } from "../files/proof/bytes.js";
import { canonicalText, isWellFormed } from "../files/proof/canonical.js";
import { sha256 } from "../files/proof/digest.js";

/** Return the canonical bytes of a value. Throw a TypeError, or a RangeError for a lone surrogate. */
export function canonical(value) {
  if (!isWellFormed(value)) throw new RangeError("a lone surrogate has no bytes");
  return utf8(canonicalText(value));
}

/** Return the SHA-256 of the canonical bytes, 32 bytes. */
export const digestOf = (value) => sha256(canonical(value));
