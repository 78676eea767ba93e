/** Reads an export of the log (`docs/audit-log.md`), whose events are all of it. */
import { equal, hex, utf8 } from "../files/proof/bytes.js";
import { readCanonicalText, readJson } from "../files/proof/canonical.js";
import { isEvent, isObject } from "../files/proof/event.js";
import { Fault } from "../files/proof/fault.js";
import { emptyRoot, half, leafHash, nodeHash } from "../files/proof/merkle.js";
import { hasJust } from "../files/proof/statement.js";

/** A sentence for each finding about an export that evidence cannot have. */
export const SENTENCES = {
  "sequence-broken": "the numbers do not follow on each other",
  "unfinished-line": "the last line has no end",
  "trailing-garbage": "something stands behind the checkpoint",
  "wrong-size": "the head is of another number of events",
  "wrong-root": "the head is of other events",
};

/** An export has an object on each line. Evidence has members that no event has, or is laid out over several lines. */
function isExport(text) {
  const end = text.indexOf("\n");
  try {
    const first = end < 0 ? null : readJson(text.slice(0, end));
    return isObject(first) && !("format" in first) && !("events" in first);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return text.slice(0, end).trim() !== "{" && end >= 0 && text.slice(end + 1).startsWith("{");
  }
}

/**
 * Read a file that is an export into `checking` of `evidence.js`, and judge its events. Return whether it is one.
 *
 * Throw a Fault (missing-checkpoint, not-json, not-canonical, not-an-event).
 */
export async function readExport(checking, text) {
  if (!isExport(text)) return false;
  await read(checking, text);
  return true;
}

async function read(checking, text) {
  const found = (name, code, place) => checking.find(name, code, place, SENTENCES[code]);
  const lines = text.split("\n");
  if (lines.pop() !== "") found("whole", "unfinished-line", "the end");
  const end = lines.findIndex((line) => line.startsWith('{"checkpoint":'));
  if (end < 0) throw new Fault("missing-checkpoint");
  if (end < lines.length - 1) found("whole", "trailing-garbage", `line ${end + 2}`);
  for (const [at, line] of lines.slice(0, end).entries()) readLine(checking, line, at + 1);
  const last = readCanonicalText(lines[end]);
  if (!hasJust(last, ["checkpoint"])) throw new Fault("not-an-event");
  if (!(await checking.openHead(last.checkpoint))) return;
  const wanted = new Set(checking.events.flatMap(sizesIn).concat(checking.known.heads.map(({ size }) => size)));
  const [tree, roots] = [new Tree(), new Map()];
  for (const line of lines.slice(0, end)) {
    await tree.append(await leafHash(utf8(line)));
    if (wanted.has(tree.size)) roots.set(tree.size, await tree.root());
  }
  checking.compareKept(roots, true, tree.size);
  if (tree.size !== checking.head.size) found("tree", "wrong-size", "the head");
  else if (!equal(await tree.root(), checking.head.root)) found("tree", "wrong-root", "the head");
  if (checking.bad.whole.length > 0 || checking.bad.tree.length > 0) return;
  const hexRoots = new Map([...roots].map(([size, root]) => [size, hex(root)]));
  await checking.judgeEvents({ isWhole: true, roots: hexRoots, events: checking.events });
}

function readLine(checking, line, number) {
  try {
    const event = readCanonicalText(line);
    if (!isEvent(event)) throw new Fault("not-an-event");
    if (event.seq !== number) checking.find("whole", "sequence-broken", `line ${number}`, SENTENCES["sequence-broken"]);
    checking.events.push(event);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    checking.find("whole", error.code, `line ${number}`);
  }
}

/** A log's tree, of which only the roots of the perfect subtrees are kept, largest first. */
class Tree {
  size = 0;
  #perfect = [];

  /** Append a leaf, given its hash. */
  async append(leaf) {
    let joined = leaf;
    // Join equal subtrees, from the smallest. It works like carrying in binary addition.
    for (let size = this.size; size % 2 === 1; size = half(size)) joined = await nodeHash(this.#perfect.pop(), joined);
    this.#perfect.push(joined);
    this.size += 1;
  }

  async root() {
    if (this.size === 0) return emptyRoot();
    let root = this.#perfect.at(-1);
    for (const left of this.#perfect.slice(0, -1).reverse()) root = await nodeHash(left, root);
    return root;
  }
}

/** The sizes of the log that a statement names. */
function sizesIn({ data }) {
  try {
    return typeof data.statement === "string" ? [readJson(data.statement).log.size] : [];
  } catch (error) {
    if (error instanceof Fault || error instanceof TypeError) return [];
    throw error;
  }
}
