/** Bytes and texts. Each way of reading accepts only the one form that writing makes. */

/**
 * Characters that nobody sees: controls, formats, surrogates, private and unassigned ones, and the invisible letters,
 * marks and symbol beyond these categories, as in `service/domain/text.py` (Unicode's Default_Ignorable_Code_Point).
 */
export const UNSEEN =
  /[\p{C}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\u{e0000}-\u{e0fff}]/u;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Return the UTF-8 bytes of a text. Throw a RangeError for a lone surrogate, which has none. */
export function utf8(text) {
  if (!text.isWellFormed()) throw new RangeError("a lone surrogate has no bytes");
  return ENCODER.encode(text);
}

/** Invert `utf8`. Throw a TypeError for bytes that are not UTF-8. */
export const textOf = (bytes) => DECODER.decode(bytes);

export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export const equal = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Read lower-case hexadecimal. Throw a RangeError for any other text. */
export function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new RangeError("not lower-case hexadecimal");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function base64(bytes) {
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters);
}

/** Encode for URLs, without padding. */
export const base64url = (bytes) =>
  base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** Read Base64. Throw a RangeError unless this is exactly how `base64` writes some bytes; `length`, so many. */
export function fromBase64(text, length = null) {
  let bytes = null;
  try {
    bytes = lenientBase64(text);
  } catch {
    // It is refused below, with everything else.
  }
  if (bytes === null || base64(bytes) !== text || (length !== null && bytes.length !== length)) {
    throw new RangeError("not Base64 in its one form");
  }
  return bytes;
}

/** Read Base64 as browsers do, which overlooks spaces and the last bits. */
export const lenientBase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
