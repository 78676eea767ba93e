// The desk's frame: who is here, where they are, and whether the service answers.
import { Offline, Problem, get, hasToken, module, onConnection } from "./api.js";
import { problemNotice } from "./acting.js";
import { button, el, fill, notice, p, viewTitle } from "./dom.js";
import { tick, written } from "./format.js";
import { help, root } from "./installation.js";
import { addressOf, createRouter } from "./router.js";
import { signOut } from "./session.js";
import { signInPanel, signInView } from "./sign-in.js";
import { texts } from "./texts.js";
import { views } from "./views/index.js";

const TICK_SECONDS = 10;

const place = el("main", { id: "content", tabindex: "-1" });
const banner = el("div", { class: "banner", role: "status" });
let isOffline = false;
let hasEnded = false;
let isTrouble = false;
const said = el("div", { class: "unseen-text", role: "status" });
const somebody = el("div", { class: "somebody" });
const nav = el("nav", { "aria-label": texts.nav.label });
document.body.append(
  el("a", { class: "skip", href: "#content", click: skip }, texts.skip),
  el("header", {}, el("a", { class: "brand", href: addressOf("/") }, texts.title), somebody, nav),
  banner, place, said,
  el("footer", {}, help && el("a", { href: help }, texts.footer.help), el("a", { href: `${root}/docs` }, texts.footer.api)));

function skip(event) {
  event.preventDefault();
  place.focus();
}

let me = null;
let current = new AbortController().signal;
let here;

/** What every view is given. */
const desk = {
  /** `{subject, name, kind, roles}` of whoever is signed in. */
  me: () => me,
  /** Aborts when the present view is left. */
  signal: () => current,
  go: (path) => router.go(path),
  /** Show the present view again, from the service. */
  reload: () => router.open(),
  askBeforeLeaving: (text) => router.askBeforeLeaving(text),
  /** Say something to whoever does not see it happen. */
  say: (text) => fill(said, text),
  /** After another sign-in: whether it is the same person. If not, the page is shown anew for them. */
  async isSamePerson() {
    const before = me?.subject;
    await greet();
    if (before === me.subject) return true;
    desk.say(texts.signIn.another);
    router.open();
    return false;
  },
  /** A failure in the background, or null for a success: the page stays as it is, and says so above. */
  failed(error) {
    if (error === null) return isTrouble && clearBanner();
    if (error instanceof Offline) return;
    if (error instanceof Problem && error.status === 401) {
      // Once, so that nobody's half-typed token is cleared away.
      if (hasEnded) return;
      hasEnded = true;
      fill(banner, notice("warning", null, texts.signIn.ended, signInPanel(async () => {
        clearBanner();
        await desk.isSamePerson();
      })));
    } else {
      // A refusal of the page itself stays: no later answer takes it back.
      isTrouble = error instanceof Problem;
      fill(banner, problemNotice(error));
    }
  },
};

async function greet() {
  me = await get("/v1/me");
  markPlace();
  fill(somebody, written(me.name), button(texts.signIn.out, () => {
    if (!router.mayLeave()) return;
    signOut();
    me = null;
    router.open();
  }));
}

async function show(view, params, query, signal) {
  [current, here] = [signal, view];
  clearBanner();
  markPlace();
  place.setAttribute("aria-busy", "true");
  try {
    if (view === undefined) {
      return arrive(el("div", {},
        viewTitle(texts.problem.notFound), p(texts.problem.notFoundLead)));
    }
    if (!hasToken()) return askToSignIn(false);
    if (me === null) await greet();
    const { default: draw } = await module(view.load);
    const node = await draw(desk, { params, query, signal });
    if (!signal.aborted) arrive(node);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Problem && error.status === 401) return askToSignIn(true);
    arrive(el("div", {}, viewTitle(texts.problem.title), problemNotice(error, () => router.open())));
  }
}

function askToSignIn(ended) {
  signOut();
  me = null;
  fill(somebody);
  arrive(signInView(() => router.open(), ended));
}

function arrive(node) {
  place.removeAttribute("aria-busy");
  fill(place, node);
  const heading = place.querySelector("h1");
  document.title = heading ? `${heading.textContent} · ${texts.title}` : texts.title;
  window.scrollTo(0, 0);
  heading?.focus({ preventScroll: true });
}

function markPlace() {
  const isFor = ({ roles }) => !roles || me?.roles.some((role) => roles.includes(role));
  fill(nav, views.filter((each) => each.nav && isFor(each)).map((each) =>
    el("a", { href: addressOf(each.path), "aria-current": each === here && "page" }, each.nav)));
}

function clearBanner() {
  isOffline = hasEnded = isTrouble = false;
  fill(banner);
}

onConnection((isOnline) => {
  if (isOnline && isOffline) {
    clearBanner();
  } else if (!isOnline && !isOffline && !hasEnded) {
    isOffline = true;
    fill(banner, notice("warning", null, texts.connection.offline));
  }
});
setInterval(tick, TICK_SECONDS * 1000);

const router = createRouter(views, show);
router.open();
