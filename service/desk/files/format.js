// Values as people read them. Whatever others wrote is shown literally; what cannot be seen is made visible.
import { el } from "./dom.js";
import { inWords } from "./proof/briefing.js";
import { UNSEEN } from "./proof/bytes.js";
import { texts } from "./texts.js";

// Separators of lines, too. A line feed is text.
const HIDDEN = new RegExp(`${UNSEEN.source}|[\\p{Zl}\\p{Zp}]`, "u");
const PIECES = new RegExp(`(${HIDDEN.source})`, "u");

/** Text that somebody wrote: set apart from ours, and with its invisible characters named. */
export function written(text, name = "span") {
  const pieces = String(text).split(PIECES).filter((piece) => piece !== "");
  return el(name, { class: "written", dir: "auto" }, pieces.map((piece) =>
    HIDDEN.test(piece) && piece !== "\n" ? el("span", { class: "unseen" }, codePoint(piece)) : piece));
}

const codePoint = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

/** An e-mail address. Letters beyond ASCII are named as well: many look like others. */
export function mailbox(address) {
  return el("span", { class: "written" }, String(address).split(/([^!-~])/u).filter((piece) => piece !== "").map((piece) =>
    /[^!-~]/u.test(piece) ? el("span", { class: "unseen" }, codePoint(piece)) : piece));
}

/** An id in groups. The gaps are only seen: whoever copies it gets the id. */
export function grouped(id, size) {
  const parts = String(id).match(new RegExp(`.{1,${size}}`, "gsu")) ?? [];
  return el("span", { class: "id" }, parts.map((part) => el("span", {}, part)));
}

/** What a request is about: an id of AWS's own making in groups, a name that somebody chose as it is. */
export const target = (id) => (/^[A-Z0-9]{16,128}$/.test(id) ? grouped(id, 4) : written(id));

export const accountId = (id) => grouped(id, 4);
export const hash = (hex) => grouped(hex, 8);

/** An account by name and id. */
export const account = ({ account_id: id, name }) =>
  el("span", { class: "account" }, name && name !== id ? [written(name, "strong"), " "] : null, accountId(id));

/** A person by name and subject. */
export const person = ({ name, subject }) =>
  el("span", { class: "person" }, written(name), name === subject ? null : [" ", el("small", {}, written(subject))]);

/** A link to where a ticket says it is, or the ticket. */
export function ticket(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== "https:") return written(text);
  return el("a", { href: url.href, rel: "noreferrer noopener", target: "_blank" }, written(text));
}

/** Seconds in words, exactly, such as "1 day 2 hours". */
export const duration = inWords;

const PERIOD = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$/;

/** The seconds of an ISO 8601 duration of weeks, days, hours, minutes and seconds. Throws RangeError. */
export function secondsOf(period) {
  const parts = PERIOD.exec(period);
  if (!parts) throw new RangeError("no duration");
  return parts.slice(1).reduce((sum, part, at) => sum + Number(part ?? 0) * [604800, 86400, 3600, 60, 1][at], 0);
}

/** A time exactly, in UTC. */
export const utc = (at) => `${new Date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** How long until or since a time, in words: its two largest units. */
export function fromNow(at, now = Date.now()) {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000);
  const away = Math.abs(seconds);
  if (away < 60) return seconds > 0 ? texts.soon : texts.justNow;
  const words = inWords(away - (away % (away >= 86_400 ? 3600 : 60)));
  return seconds >= 0 ? texts.in(words) : texts.ago(words);
}

/** A time in words, with the exact time beside it. `tick` keeps the words true. */
export function clock(at) {
  return el("time", { class: "clock", datetime: at },
    el("span", { "data-clock": at }, fromNow(at)), " ", el("small", {}, utc(at)));
}

/** Bring the words of all clocks up to date. */
export function tick() {
  for (const each of document.querySelectorAll("[data-clock]")) {
    const words = fromNow(each.dataset.clock);
    if (each.textContent !== words) each.textContent = words;
  }
}
