/** The data types of the SSH protocol (RFC 4251, section 5), read in one encoding only. */
import { concat, textOf } from "./bytes.js";
import { Fault } from "./fault.js";

/** Reads from the front. Every method throws a Fault (malformed) if the bytes are not there. */
export class Reader {
  #bytes;
  #at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
  }

  take(count) {
    if (this.#bytes.length - this.#at < count) throw new Fault("malformed");
    this.#at += count;
    return this.#bytes.slice(this.#at - count, this.#at);
  }

  byte() {
    return this.take(1)[0];
  }

  uint32() {
    return this.take(4).reduce((number, byte) => number * 256 + byte, 0);
  }

  string() {
    return this.take(this.uint32());
  }

  /** Read a string of visible ASCII and spaces. Names and addresses have no other characters. */
  text() {
    const bytes = this.string();
    if (!bytes.every((byte) => byte >= 0x20 && byte <= 0x7e)) throw new Fault("malformed");
    return textOf(bytes);
  }

  /** Read an mpint above zero, as big-endian bytes. Leading zeros are allowed only where the sign needs one. */
  positive() {
    const bytes = this.string();
    if (!isPositive(bytes)) throw new Fault("malformed");
    return bytes[0] === 0 ? bytes.slice(1) : bytes;
  }

  rest() {
    return this.take(this.#bytes.length - this.#at);
  }

  end() {
    if (this.#at < this.#bytes.length) throw new Fault("malformed");
  }
}

/** Return whether these bytes are a number above zero in two's complement, as short as can be. DER's are the same. */
export const isPositive = (bytes) =>
  bytes.length > 0 && bytes[0] < 0x80 && (bytes[0] > 0 || (bytes.length > 1 && bytes[1] >= 0x80));

/** Encode bytes as a string: their length in four bytes, then they. */
export function string(bytes) {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, bytes.length);
  return concat(length, bytes);
}
