/** Hashes, and a way to show them to people. */

export { hex } from "./bytes.js";

const hashing = (name) => async (bytes) => new Uint8Array(await crypto.subtle.digest(name, bytes));

/** Return the 32 bytes of SHA-256. */
export const sha256 = hashing("SHA-256");

/** Return the 64 bytes of SHA-512. */
export const sha512 = hashing("SHA-512");

/** Split a text into groups to compare by eye. */
export const groups = (text, size = 4) => text.match(new RegExp(`.{1,${size}}`, "gsu")) ?? [];
