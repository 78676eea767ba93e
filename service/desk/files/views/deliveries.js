import { get, post } from "../api.js";
import { acted } from "../acting.js";
import { button, choices, el, field, fill, p, rows, viewTitle } from "../dom.js";
import { clock, written } from "../format.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";

const said = texts.deliveries;

/** What was to be told to destinations: what failed first, and each may be sent again. */
export default async function show(desk, { query, signal }) {
  const status = query.get("status") ?? "failed";
  const list = el("ul", { class: "cards" });
  const more = choices();
  const { box, input } = field(said.status, {
    kind: "select", options: Object.entries(said.statuses), change: () => desk.go(`/deliveries?status=${input.value}`),
  });
  input.value = status;

  async function load(cursor) {
    const page = await get("/v1/deliveries", { query: { status: status === "all" ? null : status, cursor, limit: 50 }, signal });
    list.append(...page.items.map((each) => card(desk, each)));
    fill(more, page.next_cursor && button(texts.list.more, () => load(page.next_cursor).catch(desk.failed)));
  }

  await load();
  return el("div", {}, viewTitle(texts.nav.deliveries), p(said.lead), box,
    list.childElementCount === 0 ? el("p", { class: "empty" }, said.nothing(said.statuses[status] ?? status)) : list, more);
}

function card(desk, delivery) {
  const [place, problem] = [el("div"), el("div")];
  const again = () => acted(desk, problem, async () => {
    draw(await post(`/v1/deliveries/${delivery.id}/redelivery`));
    desk.say(said.again);
  });

  function draw(now) {
    fill(place,
      el("h2", {}, written(now.destination), " · ", written(now.event)),
      rows(
        [said.state, el("span", { class: "status" }, said.statuses[now.status])],
        [said.detail, now.detail && written(now.detail)],
        [said.attempts, String(now.attempts)],
        [said.request, now.request_id && el("a", { href: addressOf(`/requests/${now.request_id}`) }, now.request_id)],
        [said.created, clock(now.created_at)],
        [said.due, now.status === "pending" && clock(now.due_at)],
        [said.ended, now.ended_at && clock(now.ended_at)]),
      now.status === "pending" ? now !== delivery && el("p", { class: "good" }, said.again)
        : choices(button(said.send, again)));
  }

  draw(delivery);
  return el("li", { class: "card" }, place, problem);
}
