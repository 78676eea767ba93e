/** The page of `evidence.html`: opens a file, checks it, and shows the request and the checks. */
import { fromHex } from "../files/proof/bytes.js";
import { groups } from "../files/proof/digest.js";
import { Fault } from "../files/proof/fault.js";
import { fingerprint, sealedToOf } from "../files/proof/keys.js";
import { parse } from "../files/proof/sshsig.js";
import { words } from "../files/proof/words.js";
import { effectOf, inWords, plain, utc, visible } from "../files/proof/briefing.js";
import { FAULTS } from "./faults.js";
import { examine, SENTENCES } from "./judge.js";

const VERDICTS = {
  good: ["Verified here", "All that this page checks is as it should be. verifier.py checks more."],
  partly: ["Verified here in part", "No fault was found, but not everything could be checked. The checks say why."],
  bad: ["Do not believe this", "Something is not as it should be. What the file says is shown all the same."],
};
const STATES = { good: "Verified here", bad: "Wrong", open: "Not verified", none: "Nothing to verify" };
const MOST_SHOWN = 500;

const byId = (id) => document.getElementById(id);

/** Make an element. Texts become text and never markup. */
function el(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A text that somebody else chose. */
const said = (text) => el("bdi", {}, plain(text));

function list(entries) {
  const made = el("dl", {});
  for (const [term, ...value] of entries.filter(([, value]) => value !== null)) {
    made.append(el("div", {}, el("dt", {}, term), el("dd", {}, ...value)));
  }
  return made;
}

const folded = (title, fill) => {
  const made = el("details", {}, el("summary", {}, title));
  made.addEventListener("toggle", () => {
    if (made.open && made.children.length === 1) made.append(...fill());
  });
  return made;
};

function checkOf({ title, state, why }) {
  const reasons = why.slice(0, MOST_SHOWN).map((each) => el("li", {}, plain(each)));
  const mark = el("strong", { class: `state ${state}` }, STATES[state]);
  return el("li", {}, mark, " ", title, ".", reasons.length > 0 ? el("ul", {}, ...reasons) : null);
}

async function signatureOf({ data, faults }, isJudged) {
  if (typeof data.signature !== "string") return "not signed";
  try {
    const { key } = parse(data.signature);
    const made = isJudged && faults.length === 0 ? "signed with" : "with a signature that names";
    return `${made} ${key.kind} ${await fingerprint(key)}${key.application ? `, for ${key.application}` : ""}`;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return "the signature cannot be read";
  }
}

async function decisionOf(event, isJudged) {
  const { data, at, faults } = event;
  const wrong = faults.map((code) => FAULTS[code] ?? SENTENCES[code]).join("; ");
  const decided = data.decision === "approve" ? "approved" : data.decision === "reject" ? "rejected" : "decided";
  const signature = await signatureOf(event, isJudged);
  return el("li", {},
    el("strong", {}, said(data.person)), ` ${decided} at ${utc(at)}, ${signature}.`,
    data.comment ? el("p", {}, "Comment: ", said(data.comment)) : null,
    wrong ? el("p", {}, el("strong", { class: "state bad" }, "Does not count"), `: ${wrong}.`) : null,
    isJudged || wrong ? null : el("p", {}, "Not checked."));
}

function keysOf(observed) {
  const keys = Array.isArray(observed?.keys) ? observed.keys : [];
  return keys.map((key) => el("li", {},
    said(key?.access_key_id), ": ", said(key?.status), `, created ${utc(key?.created_at)}`,
    key?.last_used_at ? `, last used ${utc(key.last_used_at)}` : ", no use known",
    key?.access_key_id === observed.signer_key_id ? ". The service signs with it." : "."));
}

function digestOf(digest) {
  const text = plain(digest);
  const shown = el("code", {}, groups(text).join(" "));
  return /^[0-9a-f]{64}$/.test(text) ? [shown, el("p", { class: "words" }, words(fromHex(text)).join(" "))] : [shown];
}

async function requestOf(request, isJudged) {
  const { filing, events } = request;
  const [at] = events.filter(({ event }) => event === "execution.started").map(({ at: time }) => time);
  const decisions = await Promise.all(
    events.filter(({ event }) => event === "decision.recorded").map((event) => decisionOf(event, isJudged)));
  const result = events.findLast(({ data }) => data.result)?.data.result;
  const keys = keysOf(filing.observed);
  const sealedTo = typeof filing.sealed_to === "string" ? await sealedToOf(filing.sealed_to) : undefined;
  return [
    el("p", { class: "effect" }, effectOf(filing, sealedTo) ?? "This page does not know what the operation does."),
    list([
      ["Request", el("code", {}, plain(request.id))],
      ["Account", el("code", {}, groups(plain(filing.account_id)).join(" "))],
      ["Operation", said(filing.operation)],
      ["Asked for by", filing.requester_kind === "machine" ? "the machine " : "", said(filing.requester)],
      ["Recipient", said(filing.recipient)],
      ["Sealed to", sealedTo === undefined ? null : said(sealedTo)],
      ["Why", said(filing.justification)],
      ["Ticket", filing.ticket ? said(filing.ticket) : null],
      ["Drill", filing.drill === true ? "Yes: nothing changed in AWS" : null],
      ["Became", said(request.status)],
      ["Result", result ? said(result.detail ?? result.code ?? "") : null],
    ]),
    el("h3", {}, "Decisions"),
    decisions.length > 0 ? el("ul", {}, ...decisions) : el("p", {}, "Nobody decided."),
    el("h3", {}, "Clocks"),
    list([
      ["Filed", utc(filing.filed_at)],
      ["To be approved by", utc(filing.approve_by)],
      ["To be executed within", inWords(filing.execution_window_seconds)],
      ["Executed", at ? utc(at) : null],
      ["Lifetime of the key", filing.lifetime_seconds === undefined ? null : inWords(filing.lifetime_seconds)],
    ]),
    el("h3", {}, "Digest of the filing"),
    ...digestOf(request.digest),
    keys.length > 0 ? folded("The account's keys when it was filed", () => [el("ul", {}, ...keys)]) : null,
    folded("All events", () => events.map((event) =>
      el("pre", {}, JSON.stringify(event, null, 1).split("\n").map(visible).join("\n")))),
  ].filter((each) => each !== null);
}

async function requestsOf(requests, isJudged) {
  if (requests.length === 1) return requestOf(requests[0], isJudged);
  const shown = requests.slice(0, MOST_SHOWN).map((request) => {
    const { operation, account_id: account } = request.filing;
    const title = `${plain(request.id)}: ${plain(operation)} in ${plain(account)}, ${plain(request.status)}`;
    const made = el("details", {}, el("summary", {}, title));
    made.addEventListener("toggle", async () => {
      if (made.open && made.children.length === 1) made.append(...(await requestOf(request, isJudged)));
    });
    return made;
  });
  const rest = requests.length - shown.length;
  const some = rest > 0 ? `, of which the first ${MOST_SHOWN} are shown` : "";
  return [el("p", {}, `${requests.length} requests${some}.`), ...shown];
}

function show(result, request) {
  const [title, meaning] = VERDICTS[result.verdict];
  const { head } = result;
  byId("verdict").className = result.verdict;
  byId("verdict").replaceChildren(el("strong", {}, title), el("p", {}, meaning));
  byId("request").replaceChildren(...request);
  byId("checks").replaceChildren(...result.checks.map(checkOf));
  byId("head").replaceChildren(...(head === null ? [] : [
    "Head of the log ", said(head.origin), `: ${head.size} events, root `, el("code", {}, head.root),
  ]));
  byId("result").hidden = false;
}

function known() {
  const lines = (id) => byId(id).value.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const people = byId("people").value.trim() === "" ? null : byId("people").value;
  const areAll = document.querySelector("input[name=whose]:checked").value === "signers";
  return { keys: lines("key"), heads: lines("kept"), [areAll ? "signers" : "founders"]: people };
}

// The file that was chosen last, and how many checks began: an older one must not show what it found.
let chosen = null;
let begun = 0;

async function choose() {
  const [file] = byId("file").files;
  if (file === undefined) return;
  chosen = { name: plain(file.name), bytes: file.arrayBuffer() };
  await run();
}

async function run() {
  if (chosen === null) return;
  begun += 1;
  const [mine, { name, bytes }] = [begun, chosen];
  byId("result").hidden = true;
  byId("status").textContent = `Checking ${name}…`;
  try {
    const result = await examine(new Uint8Array(await bytes), known());
    const isJudged = result.checks.find(({ name }) => name === "steps").state !== "open";
    const request = await requestsOf(result.requests, isJudged);
    if (mine !== begun) return;
    show(result, request);
    byId("status").textContent = `${name}: ${VERDICTS[result.verdict][0]}.`;
  } catch (error) {
    if (mine !== begun) return;
    const isOurs = error instanceof Fault;
    byId("status").textContent = isOurs ? `What you gave cannot be used: ${error.message}.` : UNREADABLE;
    if (!isOurs) throw error;
  }
}

const UNREADABLE = "The file could not be checked. Check it with verifier.py.";

byId("file").addEventListener("change", choose);
// Else a browser would not tell that the same file, which was changed meanwhile, is chosen again.
byId("file").addEventListener("click", () => {
  byId("file").value = "";
});
byId("known").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
for (const id of ["key", "kept", "people"]) byId(id).addEventListener("change", run);
for (const input of document.querySelectorAll("input[name=whose]")) input.addEventListener("change", run);
