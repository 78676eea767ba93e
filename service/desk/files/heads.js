// The audit log's heads that this page has seen. Each later head has to be of a log that begins with the earlier one.
// They are forgotten with the page, since it stores nothing. The terminal keeps them.
import { Problem, Refused, get } from "./api.js";
import { fromBase64, fromHex } from "./proof/bytes.js";
import { isConsistent } from "./proof/merkle.js";
import { texts } from "./texts.js";

let service = null;
let kept = null;

/** Compare a statement's service and head with those seen before. Returns the earlier size, or null. Throws Refused. */
export async function compareHead(statement, signal) {
  const { service: named, log } = statement;
  if (service !== null && service !== named) throw new Refused(texts.heads.anotherService(service, named));
  if (log.size === 0) throw new Refused(texts.heads.empty);
  const before = kept;
  const isOther = before !== null && !(await beginsWith(before, log, signal));
  if (isOther) throw new Refused(texts.heads.anotherLog(before.size));
  [service, kept] = [named, log];
  return before?.size ?? null;
}

/** Throw Refused if this page has seen the log of the service, which has no name now. */
export function checkStillUnnamed() {
  if (service !== null) throw new Refused(texts.heads.noName);
}

async function beginsWith(before, log, signal) {
  if (log.size < before.size) return false;
  try {
    const { proof } = log.size === before.size
      ? { proof: [] }
      : await get("/v1/audit/proofs/consistency", { query: { first: before.size, second: log.size }, signal });
    const [first, second] = [before, log].map(({ root }) => fromHex(root));
    return await isConsistent(before.size, log.size, first, second, proof.map((each) => fromBase64(each)));
  } catch (error) {
    // A service that refuses to prove it has no proof. One that is busy, or knows nobody, is asked again.
    const isRefusal = error instanceof Problem && error.status < 500 && ![401, 429].includes(error.status);
    if (isRefusal || error instanceof RangeError || error instanceof TypeError) return false;
    throw error;
  }
}
