import { el, p } from "../dom.js";
import { account, clock, grouped, person, ticket, written } from "../format.js";
import { addressOf } from "../router.js";
import { texts } from "../texts.js";

// Where a warning can still change what somebody does.
const UNDECIDED = new Set(["pending", "approved"]);

/** Requests as cards, in the order given. */
export function requestList(items) {
  return el("ul", { class: "cards" }, items.map(card));
}

function card(request) {
  const { id, status, operation, target, warnings, requester, recipient } = request;
  return el("li", { class: "card" },
    request.drill && el("p", { class: "notice drill" }, texts.drill.title),
    el("h2", {}, el("a", { href: addressOf(`/requests/${id}`) },
      texts.operation[operation], " · ", account(request.account))),
    target && p(grouped(target, 4)),
    el("p", { class: "facts" }, statusChip(status), deadlineOf(status, request.execute_by ?? request.approve_by)),
    UNDECIDED.has(status) && warnings.length > 0 && el("p", { class: "warned" }, texts.list.warnings(warnings.length), " ",
      warnings.map(({ detail }) => detail).join(" ")),
    el("p", { class: "facts" },
      el("span", {}, texts.list.from, " ", person(requester)),
      recipient.subject !== requester.subject && el("span", {}, texts.list.to, " ", person(recipient)),
      request.ticket && el("span", {}, ticket(request.ticket))),
    el("p", { class: "excerpt" }, written(request.justification)));
}

export const statusChip = (status) => el("span", { class: `status ${status}` }, texts.status[status]);

function deadlineOf(status, until) {
  if (status === "pending") return el("span", {}, texts.list.approveBy, " ", clock(until));
  if (status === "approved") return el("span", {}, texts.list.executeBy, " ", clock(until));
  return null;
}
