// Executing, and receiving the secret of a new key: on the page only while somebody wants to see it, and gone with the view.
import { Offline, Problem, call, post } from "../api.js";
import { acted } from "../acting.js";
import { bullets, button, choices, el, field, fill, form, notice, p, rows } from "../dom.js";
import { save } from "../files.js";
import { accountId, clock, duration, grouped } from "../format.js";
import { MAKES_KEY } from "../proof/briefing.js";
import { utf8 } from "../proof/bytes.js";
import { hex, sha256 } from "../proof/digest.js";
import { texts } from "../texts.js";
import { drillNotice } from "./facts.js";

const said = texts.receiving;
// Longer than the service waits for AWS.
const SECONDS = 300;

const heading = (text) => el("h2", { tabindex: "-1" }, text);

/** The panel that executes. It asks first. */
export function executing(desk, request, { done, changed, cancel }) {
  const problem = el("div");
  const signal = desk.signal();
  // A drill gives no secret that could be lost.
  const isCreate = MAKES_KEY.has(request.operation) && !request.drill;
  const panel = el("section", { class: "panel" });
  let isRunning = false;
  const run = button(isCreate ? said.create : said.run, () => acted(desk, problem, once), { class: "primary" });
  fill(panel, heading(said.title), drillNotice(request.drill), el("p", { class: "effect" }, request.effect),
    isCreate && notice("warning", said.before, bullets(said.beforeCreate(duration(request.clocks.receipt_window_seconds)))),
    choices(run, button(said.cancel, () => isRunning || cancel())), problem);
  return panel;

  /** Say that nobody will see the secret, if there is one. It could be anything, so it is not tried again here. */
  function lost() {
    fill(panel, heading(said.lostTitle), notice("problem", null, said.lost.map((each) => p(each))),
      choices(button(said.goOn, () => desk.reload(), { class: "primary" })));
    panel.querySelector("h2").focus();
  }

  /** Until the answer is there, nothing else can be done here: it needs this panel. */
  async function once() {
    isRunning = true;
    fill(problem, el("p", { role: "status" }, said.running));
    try {
      await execute();
    } finally {
      isRunning = false;
    }
  }

  async function execute() {
    desk.askBeforeLeaving(said.leave);
    let answer;
    try {
      answer = await call("POST", `/v1/requests/${request.id}/execution`, { seconds: SECONDS });
    } catch (error) {
      if (signal.aborted) return;
      desk.askBeforeLeaving(null);
      if (isCreate && isLost(error)) return lost();
      throw error;
    }
    const { status, body } = answer;
    if (signal.aborted) {
      // Nobody is here to see it. The service takes the key away.
      if (body?.secret_access_key) body.secret_access_key = "";
      return;
    }
    if (body?.sealed) {
      receiveSealed(desk, panel, body, done);
      changed();
      return;
    }
    if (body?.secret_access_key) {
      receive(desk, panel, body, done);
      changed();
      return;
    }
    desk.askBeforeLeaving(null);
    if (isCreate && body === null) return lost();
    done(body, status === 202 ? said.inDoubt : request.drill ? said.drilled : said.done);
  }
}

// Whatever comes from a proxy, or from a service that broke, is not the answer.
const isLost = (error) => error instanceof Offline || (error instanceof Problem && error.code === "internal");

/** Show the key, once. `key` is the answer of the service. Its secret is emptied when the view is left. */
function receive(desk, panel, key, done) {
  const [shown, problem, state] = [el("code", { class: "code secret" }, said.hidden), el("div"), el("p", { role: "status" })];
  const forget = () => {
    key.secret_access_key = "";
    fill(panel);
  };
  desk.signal().addEventListener("abort", forget);
  window.addEventListener("pagehide", forget, { once: true });
  desk.askBeforeLeaving(said.leave);

  let isSeen = false;
  const see = button(said.show, () => {
    isSeen = !isSeen;
    fill(shown, isSeen ? key.secret_access_key : said.hidden);
    fill(see, isSeen ? said.hide : said.show);
  });
  const copy = (what, value) => button(said.copy(what), async () => {
    try {
      await navigator.clipboard.writeText(value());
      fill(state, said.copied(what));
    } catch {
      fill(state, said.notCopied);
    }
  });
  const file = (name, write) => button(said.download(name), () => {
    save(name, "application/octet-stream", write(key));
    fill(state, said.saved(name));
  });
  fill(panel,
    heading(said.received),
    notice("warning", null, p(said.confirmBy, " ", clock(key.receipt_by)), p(said.once)),
    rows(
      [texts.request.account, accountId(key.account_id)],
      [said.keyId, grouped(key.access_key_id, 4)],
      [said.secret, shown]),
    choices(see, copy(said.keyId, () => key.access_key_id), copy(said.secret, () => key.secret_access_key)),
    choices(file("rootkey.csv", rootkey), file("profile.ini", profile)),
    el("p", { class: "hint" }, said.places), state,
    choices(button(said.confirm, () => confirm(desk, key.request_id, problem, (body) => {
      forget();
      done(body, said.confirmed);
    }), { class: "primary" })),
    problem);
  panel.querySelector("h2").focus();
}

/** Offer the sealed key as a file. What is confirmed is the digest of what arrived here. */
function receiveSealed(desk, panel, key, done) {
  const [problem, state, name] = [el("div"), el("p", { role: "status" }), "key.age"];
  desk.askBeforeLeaving(said.leave);
  fill(panel,
    heading(said.sealed),
    notice("warning", null, p(said.confirmBy, " ", clock(key.receipt_by)), p(said.openIt)),
    rows([texts.request.account, accountId(key.account_id)], [said.keyId, grouped(key.access_key_id, 4)]),
    el("code", { class: "code" }, "age --decrypt --identity KEY key.age"),
    choices(
      button(said.download(name), () => {
        save(name, "application/octet-stream", key.sealed);
        fill(state, said.saved(name));
      }),
      button(said.confirm, async () => confirm(desk, key.request_id, problem, (body) => done(body, said.opened),
        { sealed_sha256: await digestOf(key.sealed) }), { class: "primary" })),
    state, problem);
  panel.querySelector("h2").focus();
}

const digestOf = async (text) => hex(await sha256(utf8(text)));

// As `service/api/key_files.py` writes them: a test holds the two together.
const rootkey = (key) => `AWSAccessKeyId=${key.access_key_id}\r\nAWSSecretKey=${key.secret_access_key}\r\n`;
const profile = (key) =>
  `[root-${key.account_id}]\naws_access_key_id = ${key.access_key_id}\naws_secret_access_key = ${key.secret_access_key}\n`;

/** The panel that confirms a receipt for somebody who has the secret already. */
export function confirming(desk, request, { done, cancel }) {
  const problem = el("div");
  const asked = texts.request.action.confirm_receipt;
  const [title, lead, yes, confirmed] = request.drill ? [asked, null, asked, said.drilled] : [
    said.confirmTitle, notice("warning", null, p(said.confirmOnly), p(said.otherwise, " ", clock(request.clocks.receipt_by))),
    said.confirm, said.confirmed];
  // The digest of what was downloaded. The page that got it may be gone. A drill gives no file.
  const file = request.sealed_to && !request.drill
    && field(said.sealedFile, { hint: said.sealedFileHint, type: "file", required: true });
  return el("section", { class: "panel" }, heading(title), drillNotice(request.drill), lead,
    file && file.box,
    choices(button(yes, async () => confirm(desk, request.id, problem, (body) => done(body, confirmed),
      file ? { sealed_sha256: await digestOf(await file.input.files[0]?.text() ?? "") } : undefined), { class: "primary" }),
      button(said.cancel, cancel)),
    problem);
}

/** The panel that lets the old key of a rotation end now. */
export function cuttingOver(desk, request, { done, cancel }) {
  const problem = el("div");
  const { box, input } = field(said.howKnown, { kind: "textarea", required: true, maxlength: "2000" });
  return el("section", { class: "panel" }, heading(said.cutOverTitle),
    rows([texts.asking.target.access_key_id, grouped(request.target, 4)]),
    notice("warning", null, p(said.cutOverLead)),
    form(() => acted(desk, problem, async () => {
      const named = { access_key_id: request.target, comment: input.value };
      done(await post(`/v1/requests/${request.id}/cut-over`, named), said.released);
    }), box,
    choices(el("button", { class: "danger" }, said.cutOver), button(said.cancel, cancel))),
    problem);
}

function confirm(desk, id, problem, then, receipt) {
  return acted(desk, problem, async () => {
    const signal = desk.signal();
    const body = await post(`/v1/requests/${id}/receipt`, receipt);
    if (signal.aborted) return;
    desk.askBeforeLeaving(null);
    then(body);
  });
}
