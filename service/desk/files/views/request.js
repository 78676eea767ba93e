import { Refused, call, module } from "../api.js";
import { bullets, button, el, fill, folded, notice, p, redraw, viewTitle } from "../dom.js";
import { account, grouped } from "../format.js";
import { live } from "../live.js";
import { addressOf } from "../router.js";
import { signInPanel } from "../sign-in.js";
import { texts } from "../texts.js";
import { facts } from "./facts.js";

const said = texts.request;

const deciding = () => import("./deciding.js");
const receiving = () => import("./receiving.js");

// What opens when somebody wants to do something. `(desk, request, {done, changed, cancel})` returns an element with a
// focusable h2. `done(body, text)` takes the request as it is afterwards, and what to say. Which actions there are, and why not,
// says the service alone.
const panels = {
  approve: async () => (await deciding()).approving,
  reject: async () => (await deciding()).rejecting,
  withdraw: async () => (await deciding()).withdrawing,
  execute: async () => (await receiving()).executing,
  confirm_receipt: async () => (await receiving()).confirming,
  cut_over: async () => (await receiving()).cuttingOver,
};
const PRIMARY = new Set(["approve", "execute", "confirm_receipt", "cut_over"]);
// What takes a request further stands before what ends it.
const byWeight = (one, other) => PRIMARY.has(other.action) - PRIMARY.has(one.action);

/** One request, read as one decides. */
export default async function show(desk, { params, signal }) {
  const path = `/v1/requests/${encodeURIComponent(params.id)}`;
  const [heading, read, lead, acts] = [viewTitle(), el("div"), el("div"), el("section")];
  // What may be done now stays at hand, however long the request is.
  const bar = el("div", { class: "actions bar" });
  const news = el("div", { role: "status" });
  let shown = null;
  let isOpen = false;

  function draw(found) {
    // What was filed never changes, so a service that shows something else is not the one that it was.
    if (shown !== null && shown.digest !== found.digest) throw new Refused(texts.deciding.changed);
    const isNews = shown !== null && shown.status !== found.status;
    shown = found;
    fill(heading, found.drill && [texts.drill.title, " · "], texts.operation[found.operation], " · ", account(found.account),
      found.target && [" · ", grouped(found.target, 4)]);
    redraw(read, facts(found));
    // Whoever is writing something keeps it, and hears what has happened.
    if (!isOpen) drawActs();
    if (isNews) fill(news, notice("note", null, p(said.changed(texts.status[found.status]))));
  }

  function drawActs() {
    isOpen = false;
    const [may, mayNot] = [true, false].map((is) => shown.actions.filter(({ allowed }) => allowed === is));
    const offered = may.filter(({ action }) => panels[action]);
    const tooOld = mayNot.find(({ code }) => code === "sign_in_again");
    redraw(lead,
      el("h2", {}, said.actions),
      tooOld && notice("warning", texts.signIn.again, p(tooOld.reason), signInPanel(async () => {
        if (await desk.isSamePerson()) refresh();
      })),
      offered.length === 0 && !tooOld && p(said.nothing));
    redraw(bar, offered.toSorted(byWeight).map(({ action }) =>
      button(said.action[action], () => open(action), { class: PRIMARY.has(action) ? "primary" : "" })));
    redraw(acts, mayNot.length > 0 && folded(said.notAllowed, bullets(mayNot.map(({ action, reason }) =>
      [el("strong", {}, `${said.action[action]}: `), reason]))));
  }

  async function open(action) {
    fill(news);
    let make;
    try {
      make = await module(panels[action]);
    } catch (error) {
      return desk.failed(error);
    }
    isOpen = true;
    const panel = make(desk, shown, {
      done(body, text) {
        isOpen = false;
        draw(body);
        fill(news, notice("good", null, p(text)));
        refresh();
        heading.focus({ preventScroll: true });
        news.scrollIntoView({ block: "center" });
      },
      changed: () => refresh(),
      cancel() {
        drawActs();
        bar.querySelector("button")?.focus();
      },
    });
    fill(lead);
    fill(bar);
    fill(acts, panel);
    panel.querySelector("h2").focus();
  }

  const refresh = await live({
    signal, draw, failed: desk.failed,
    load: (etag) => call("GET", path, { etag, signal }),
  });
  return el("div", {}, heading, read, news, lead, bar, acts,
    p(el("a", { href: addressOf(`/requests/${shown.id}/log`) }, texts.log.link)));
}
