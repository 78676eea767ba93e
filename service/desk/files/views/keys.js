// The keys that people sign with: one's own, and those of others, which one endorses after comparing words.
import { Problem, Refused, get, post } from "../api.js";
import { acted } from "../acting.js";
import { bullets, button, choices, el, field, fill, form, notice, p, rows, viewTitle } from "../dom.js";
import { clock, person, written } from "../format.js";
import { SK_ECDSA, fingerprint, parsePublicKey, spokenWords } from "../proof/keys.js";
import { checkStatement, makePasskey, passkeysOf, sign, takesPasskeys } from "../signing.js";
import { texts } from "../texts.js";
import { wordList } from "./facts.js";

const said = texts.keys;

export default async function show(desk, { signal }) {
  const [own, others] = [await get("/v1/me/signing-keys", { signal }), await everybodys(signal)];
  const mine = desk.me().subject;
  const hasVote = passkeysOf(own.items.filter(({ counts }) => counts)).length > 0;
  // Those that wait for an endorsement come first.
  const waits = ({ fault }) => (fault === "not-endorsed" ? 0 : 1);
  const theirs = others?.filter((key) => key.person.subject !== mine).sort((one, other) => waits(one) - waits(other));
  return el("div", {},
    viewTitle(texts.nav.keys),
    p(said.lead),
    el("h2", {}, said.own),
    own.items.length === 0 && el("p", { class: "empty" }, said.none),
    await cards(own.items, (key) => [revoking(desk, key, "/v1/me/signing-keys")]),
    // Whoever may not see the keys of others may not hold one. A passkey for nothing would stay in their authenticator.
    others !== null && (takesPasskeys() ? registering(desk) : notice("note", null, p(said.noPasskeys))),
    theirs && [
      el("h2", {}, said.others),
      theirs.length === 0 && el("p", { class: "empty" }, said.noneOfOthers),
      await cards(theirs, (key) => [
        key.fault === "not-endorsed" && endorsing(desk, key, hasVote && own.items),
        desk.me().roles.includes("operator") && revoking(desk, key, "/v1/signing-keys"),
      ]),
    ]);
}

/** Everybody's keys; null for those who may not see them. */
async function everybodys(signal) {
  try {
    return (await get("/v1/signing-keys", { signal })).items;
  } catch (error) {
    if (error instanceof Problem && error.status === 403) return null;
    throw error;
  }
}

async function cards(items, actions) {
  return el("ul", { class: "cards" }, await Promise.all(items.map(async (key) =>
    el("li", { class: "card" }, await facts(key), actions(key)))));
}

/** A key. Fingerprint and words are computed here, from the key itself. */
async function facts(key) {
  const found = parsePublicKey(key.key);
  return [
    el("h3", {}, key.name ? written(key.name) : said.founder, " ",
      el("span", { class: "status" }, key.counts ? said.counts : said.fault[key.fault] ?? key.fault)),
    rows(
      [said.person, person(key.person)],
      [said.kind, found.kind === SK_ECDSA && found.application && !found.application.startsWith("ssh:")
        ? said.passkey(found.application) : found.kind],
      [said.words, wordList(await spokenWords(found))],
      [said.fingerprint, el("span", { class: "code" }, await fingerprint(found))],
      [said.endorsers, key.is_founder ? said.byFounder : [
        said.endorsed(key.endorsers.length, key.endorsements_needed),
        bullets(key.endorsers.map((each) => person(each)))]],
      [said.registered, key.registered_at && clock(key.registered_at)],
      [said.revocations, key.revocations.length > 0 && bullets(key.revocations.map(({ reason, since, by }) =>
        said.revocation(said.reason[reason], said.by[by], reason === "compromised" ? since : null)))]),
  ];
}

/** A button that opens a panel in its place, and gets the focus back. */
function opening(text, make, attributes = {}) {
  const place = choices();
  const close = () => {
    fill(place, opener);
    opener.focus();
  };
  const opener = button(text, () => {
    const panel = make(close);
    fill(place, panel);
    panel.querySelector("h3").focus();
  }, attributes);
  fill(place, opener);
  return place;
}

const buttons = (kind, text, close) =>
  choices(el("button", { class: kind }, text), button(texts.deciding.cancel, close));

const panel = (title, ...content) => el("section", { class: "panel" }, el("h3", { tabindex: "-1" }, title), ...content);

function registering(desk) {
  return opening(said.register, (close) => {
    const problem = el("div");
    const { box, input } = field(said.name, {
      hint: said.nameHint, maxlength: "100", required: true, autocomplete: "off",
    });
    return panel(said.register, p(said.registerLead),
      form(() => acted(desk, problem, () => register(desk, input.value.trim())), box,
        buttons("primary", said.registerButton, close)),
      problem);
  }, { class: "primary" });
}

async function register(desk, name) {
  if (!name) throw new Refused(said.nameMissing);
  const me = desk.me();
  const made = await makePasskey(me, name);
  const { statement } = await post("/v1/me/signing-keys/statement", { passkey: made.spki });
  await checkStatement(statement, "registration", { person: me.subject, key: made.key }, desk.signal());
  const signature = await sign(statement, "registration", [made.key], made.credential);
  await post("/v1/me/signing-keys", { statement, signature, name });
  desk.say(said.registeredNow);
  desk.reload();
}

function endorsing(desk, key, own) {
  return opening(said.endorse, (close) => {
    const problem = el("div");
    if (!own) return panel(said.endorse, p(said.cannotEndorse), button(texts.deciding.cancel, close));
    const compared = el("input", { type: "checkbox" });
    return panel(said.endorse, p(said.endorseWho, " ", person(key.person), ". ", said.endorseLead),
      form(() => acted(desk, problem, () => endorse(desk, key, own, compared.checked)),
        el("label", { class: "check" }, compared, said.compared),
        buttons("primary", said.endorseButton, close)),
      problem);
  });
}

async function endorse(desk, key, own, isCompared) {
  if (!isCompared) throw new Refused(said.notCompared);
  const { statement } = await post(`/v1/signing-keys/${key.id}/endorsement/statement`);
  // The key whose words have been compared, and not the one that the service names now.
  const expected = { endorser: desk.me().subject, person: key.person.subject, key: key.key };
  await checkStatement(statement, "enrolment", expected, desk.signal());
  const usable = passkeysOf(own.filter(({ counts }) => counts)).map((each) => each.key);
  const signature = await sign(statement, "enrolment", usable);
  await post(`/v1/signing-keys/${key.id}/endorsement`, { statement, signature });
  desk.say(said.endorsedNow);
  desk.reload();
}

function revoking(desk, key, path) {
  if (key.revocations.some(({ reason, since }) => reason === "compromised" && since === 0)) return null;
  return opening(said.revoke, (close) => {
    const problem = el("div");
    const reason = field(said.why, { kind: "select", options: Object.entries(said.reason) });
    const since = field(said.since, { hint: said.sinceHint, inputmode: "numeric", autocomplete: "off" });
    const isStolen = () => reason.input.value === "compromised";
    since.box.hidden = true;
    reason.input.addEventListener("change", () => {
      since.box.hidden = !isStolen();
    });
    return panel(said.revoke, p(said.revokeLead),
      form(() => acted(desk, problem, async () => {
        const size = isStolen() ? since.input.value.trim() : "";
        // Without a size nothing that the key endorsed would count: nothing but an empty field means that.
        if (!/^\d{0,15}$/.test(size)) throw new Refused(said.sinceWrong);
        const body = { reason: reason.input.value, ...(size ? { since: Number(size) } : {}) };
        await post(`${path}/${key.id}/revocation`, body);
        desk.reload();
      }), reason.box, since.box,
      buttons("danger", said.revokeButton, close)),
      problem);
  });
}
