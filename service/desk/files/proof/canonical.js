/**
 * JSON that every reader reads alike, and its canonical bytes (RFC 8785).
 *
 * Only strings, integers of at most 2^53-1, booleans, null, lists and objects with ASCII names have a canonical form
 * here, as in `service/domain/canonical.py`.
 */
import { textOf } from "./bytes.js";
import { Fault } from "./fault.js";

// Deeper than any document. Readers that recurse give up at other depths.
const DEEPEST = 400;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const STRING = /"[^"\\\0-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\0-\x1f]*)*"/y;
const SPACE = /[ \t\n\r]*/y;
const WORDS = new Map([["true", true], ["false", false], ["null", null]]);

/** Return the canonical text of a value. Throw a TypeError for what has none. Lone surrogates come as escapes. */
export function canonicalText(value) {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (typeof value !== "object") throw new TypeError("this has no canonical form");
  const members = Object.keys(value).sort().map((name) => {
    if (!isAscii(name)) throw new TypeError("names in canonical JSON are ASCII");
    return `${JSON.stringify(name)}:${canonicalText(value[name])}`;
  });
  return `{${members.join(",")}}`;
}

/** Return whether no text in a value has a lone surrogate. */
export function isWellFormed(value) {
  if (typeof value === "string") return value.isWellFormed();
  return typeof value !== "object" || value === null || Object.values(value).every(isWellFormed);
}

const isAscii = (name) => /^[\0-\x7f]*$/.test(name);

/**
 * Read JSON. Objects have no prototype, so that no name means anything else.
 *
 * Throw a Fault (not-json) for a repeated name, and for what is nested deeply. With `plain`, also for a fraction, an
 * integer beyond 2^53-1 and a name that is not ASCII, which have no canonical form.
 */
export function readJson(text, { plain = true } = {}) {
  let at = 0;

  const refuse = () => {
    throw new Fault("not-json", "this is not JSON that every reader reads alike");
  };

  function match(pattern) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  }

  function skip(mark) {
    match(SPACE);
    if (text[at] !== mark) return false;
    at += 1;
    return true;
  }

  function string() {
    match(SPACE);
    const found = match(STRING);
    return found === null ? refuse() : JSON.parse(found[0]);
  }

  function number() {
    const found = match(NUMBER);
    if (found === null) return refuse();
    const value = Number(found[0]);
    const isPlain = found[1] === undefined && found[2] === undefined && Number.isSafeInteger(value);
    return plain && !isPlain ? refuse() : value;
  }

  function object(depth) {
    const members = Object.create(null);
    if (skip("}")) return members;
    do {
      const name = string();
      if (Object.hasOwn(members, name) || (plain && !isAscii(name)) || !skip(":")) refuse();
      members[name] = value(depth);
    } while (skip(","));
    return skip("}") ? members : refuse();
  }

  function list(depth) {
    const items = [];
    if (skip("]")) return items;
    do items.push(value(depth));
    while (skip(","));
    return skip("]") ? items : refuse();
  }

  function value(depth) {
    if (depth > DEEPEST) refuse();
    if (skip("{")) return object(depth + 1);
    if (skip("[")) return list(depth + 1);
    if (text[at] === '"') return string();
    for (const [word, meaning] of WORDS) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meaning;
      }
    }
    return number();
  }

  const whole = value(0);
  match(SPACE);
  return at === text.length ? whole : refuse();
}

/** Read the value of canonical bytes. Throw a Fault (not-json, not-canonical). */
export function readCanonical(bytes) {
  try {
    return readCanonicalText(textOf(bytes));
  } catch (error) {
    throw error instanceof TypeError ? new Fault("not-json", "this is not UTF-8") : error;
  }
}

/** Read the value of a canonical text. Throw a Fault (not-json, not-canonical). */
export function readCanonicalText(text) {
  const value = readJson(text);
  if (canonicalText(value) !== text || !isWellFormed(value)) {
    throw new Fault("not-canonical", "this is not in its canonical form");
  }
  return value;
}
