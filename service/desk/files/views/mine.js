import { everyPage } from "../api.js";
import { el } from "../dom.js";
import { texts } from "../texts.js";
import { requestList } from "./list.js";

/** What one has asked for, or is the recipient of, the newest first. */
export default async function show(desk, { signal }) {
  const { subject } = desk.me();
  const found = await Promise.all([{ requester: subject }, { recipient: subject }].map((query) =>
    everyPage("/v1/requests", { query, signal, most: 200 })));
  const unique = new Map(found.flatMap(({ items }) => items).map((each) => [each.id, each]));
  const items = [...unique.values()].sort((one, other) => Date.parse(other.filed_at) - Date.parse(one.filed_at));
  return el("div", {},
    el("h1", { tabindex: "-1" }, texts.nav.mine),
    items.length ? requestList(items) : el("p", { class: "empty" }, texts.list.nothing),
    found.some(({ rest }) => rest) && el("p", {}, texts.list.older));
}
