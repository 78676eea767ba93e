import { get } from "../api.js";
import { el, field, fill, p, viewTitle } from "../dom.js";
import { account } from "../format.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";

const said = texts.accounts;
const MOST = 100;

/** The accounts, to ask for something in one of them. */
export default async function show(desk, { signal }) {
  const found = await get("/v1/accounts", { signal });
  const [list, rest] = [el("ul", { class: "cards" }), el("p", { role: "status" })];
  const { box, input } = field(said.find, { type: "search", autocomplete: "off", spellcheck: "false", input: draw });

  function draw() {
    const wanted = input.value.trim().toLowerCase();
    const digits = wanted.replaceAll(/[\s-]/g, "");
    const matching = found.filter(({ account_id: id, name }) =>
      name.toLowerCase().includes(wanted) || (digits !== "" && id.includes(digits)));
    fill(list, matching.slice(0, MOST).map((each) => el("li", { class: "card" },
      el("h2", {}, el("a", { href: addressOf(`/accounts/${each.account_id}`) }, account(each))),
      each.state !== "ACTIVE" && el("p", { class: "warned" }, said.state(each.state)))));
    fill(rest, matching.length > MOST ? said.rest(MOST, matching.length) : matching.length === 0 && said.none);
  }

  draw();
  return el("div", {}, viewTitle(said.title), p(said.lead), box, list, rest);
}
