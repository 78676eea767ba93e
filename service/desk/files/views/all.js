import { get } from "../api.js";
import { button, choices, el, field, fill, folded, form, viewTitle } from "../dom.js";
import { texts } from "../texts.js";
import { requestList } from "./list.js";

const said = texts.list;
const FILTERS = ["status", "account_id", "operation", "requester", "recipient", "ticket"];

/** All requests that one may see, the newest first, by the filters that the API has. They stand in the address. */
export default async function show(desk, { query, signal }) {
  const wanted = Object.fromEntries(FILTERS.map((name) => [name, query.get(name)]).filter(([, value]) => value));
  const list = el("div");

  async function more(cursor) {
    const { items, next_cursor: next } = await get("/v1/requests", { query: { ...wanted, cursor, limit: 50 }, signal });
    list.querySelector(".more")?.remove();
    list.append(requestList(items));
    if (next) list.append(el("div", { class: "more actions" }, button(said.more, () => more(next).catch(desk.failed))));
  }

  await more();
  if (!list.querySelector("li")) fill(list, el("p", { class: "empty" }, said.nothing));
  return el("div", {}, viewTitle(texts.nav.all), filters(desk, wanted), list);
}

function filters(desk, wanted) {
  const any = ["", said.any];
  const fields = FILTERS.map((name) => {
    const options = { status: texts.status, operation: texts.operation }[name];
    const made = field(said.filter[name], options
      ? { kind: "select", name, options: [any, ...Object.entries(options)] }
      : { name, autocomplete: "off" });
    made.input.value = wanted[name] ?? "";
    return made;
  });
  const box = folded(said.filters, form(
    () => {
      const chosen = fields.map(({ input }) => [input.name, input.value.trim()]).filter(([, value]) => value);
      desk.go(`/all${chosen.length ? `?${new URLSearchParams(chosen)}` : ""}`);
    },
    el("div", { class: "filters" }, fields.map((each) => each.box)),
    choices(el("button", { class: "primary" }, said.filterButton),
      button(said.clear, () => desk.go("/all")))));
  box.open = Object.keys(wanted).length > 0;
  return box;
}
