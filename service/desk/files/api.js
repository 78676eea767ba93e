// The public API. The token stands in this module's closure: nobody can read it here, and nothing stores it.
import { root } from "./installation.js";

let token = null;

/** Use this token from now on; null forgets it. */
export function setToken(value) {
  token = value;
}

export const hasToken = () => token !== null;

/** A refusal of the service (RFC 9457). `code` is stable, `detail` is for people, `errors` lists wrong fields. */
export class Problem extends Error {
  constructor(status, { code = "internal", title = "", detail = "", errors = [] } = {}) {
    super(detail || title);
    Object.assign(this, { status, code, title, detail: detail || title, errors });
  }
}

/** The service did not answer. Whether it did what was asked is not known. */
export class Offline extends Error {}

/** The page itself refuses, for a reason that people have to read. Nothing was sent. */
export class Refused extends Error {}

const heard = new Set();

/** Call `listener(isOnline)` after each call. */
export function onConnection(listener) {
  heard.add(listener);
}

/**
 * Call the API. Returns `{status, body, etag}`; with status 304 there is no body. `as` "text" leaves the body as it is.
 * Throws Problem, Offline, or the abort of `signal`.
 */
export async function call(method, path, { query = {}, body, headers = {}, etag, signal, seconds = 60, as } = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const url = `${root}${path}${wanted.length ? `?${new URLSearchParams(wanted)}` : ""}`;
  const sent = { Accept: "application/json", ...headers };
  if (token !== null) sent.Authorization = `Bearer ${token}`;
  if (etag) sent["If-None-Match"] = etag;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  const limits = [AbortSignal.timeout(seconds * 1000), ...(signal ? [signal] : [])];
  let answer, text;
  try {
    answer = await fetch(url, {
      method, headers: sent, signal: AbortSignal.any(limits),
      body: body === undefined ? undefined : JSON.stringify(body),
      mode: "same-origin", credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
    });
    text = await answer.text();
  } catch {
    signal?.throwIfAborted();
    heard.forEach((listener) => listener(false));
    throw new Offline();
  }
  heard.forEach((listener) => listener(true));
  if (answer.status === 304) return { status: 304, etag };
  const document = parsed(text);
  if (!answer.ok) throw new Problem(answer.status, document ?? {});
  return { status: answer.status, body: as === "text" ? text : document, etag: answer.headers.get("ETag") };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export const get = async (path, options) => (await call("GET", path, options)).body;
export const post = async (path, body, options) => (await call("POST", path, { ...options, body })).body;

/** Load a module of the page. Throws Offline, since a browser says nothing of why it could not. */
export async function module(load) {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    heard.forEach((listener) => listener(false));
    throw new Offline();
  }
}
