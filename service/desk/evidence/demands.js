/** What the rules of a filing demand of its approvals. */
import { isObject } from "../files/proof/event.js";
import { hasJust } from "../files/proof/statement.js";
import { textsOf } from "./signatures.js";

const STRICTNESS = ["off", "enrolled", "required"];
const MOST_OF_A_GROUP = 1000;
const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const HOURS = ["days", "opens", "closes", "zone", "closed_on"];

/** The demands of no rule. */
export const NO_DEMANDS = { approvals: [], least: 0, methods: [], comment: false, signed: "off" };

/** What the rules of a filing demand of approvals. Null if that is not what demands look like. */
export function demandsOf(filing) {
  const said = "demands" in filing ? filing.demands : [];
  if (!Array.isArray(said) || !said.every(isDemand)) return null;
  const signed = [filing, ...said].map((each) => ("signed_approvals" in each ? each.signed_approvals : "off"));
  if (!signed.every((each) => STRICTNESS.includes(each))) return null;
  const approvals = new Map();
  for (const { approvals: asked } of said) raise(approvals, asked ?? {});
  const sum = [...approvals.values()].reduce((total, count) => total + count, 0);
  return {
    approvals,
    least: said.reduce((most, { quorum }) => Math.max(most, quorum ?? 0), sum),
    methods: said.filter((each) => "decision_amr" in each).map((each) => each.decision_amr),
    comment: said.some((each) => "approval_comment" in each),
    signed: STRICTNESS[Math.max(...signed.map((each) => STRICTNESS.indexOf(each)))],
  };
}

const isDemand = (value) => isObject(value) && "rule" in value && Object.entries(value).every(isPart);

function isPart([name, value]) {
  switch (name) {
    case "rule":
      return typeof value === "string";
    case "approvals":
      return areCounts(value);
    case "quorum":
    case "max_lifetime_seconds":
      return Number.isInteger(value);
    case "require_root_mfa":
    case "ticket_required":
    case "approval_comment":
    case "sealed_delivery":
      return value === true;
    case "decision_amr":
      return areTexts(value) && value.length > 0;
    case "signed_approvals":
      return STRICTNESS.includes(value);
    default:
      return name === "hours" && areHours(value);
  }
}

/** Whether a value says how many of each group are demanded. */
export const areCounts = (value) =>
  isObject(value)
  && Object.values(value).every((count) => Number.isInteger(count) && count > 0 && count <= MOST_OF_A_GROUP);

function areHours(value) {
  if (!isObject(value) || !hasJust(value, HOURS)) return false;
  const { days, closed_on: dates, opens, closes, zone } = value;
  return areTexts(days) && days.length > 0 && days.every((day) => DAYS.includes(day))
    && areTexts(dates) && dates.every((date) => /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(date)) && typeof zone === "string"
    && [opens, closes].every((time) => typeof time === "string" && /^[0-2][0-9]:[0-5][0-9]$/.test(time));
}

/** Whether a value is a list of texts, none of them twice. */
const areTexts = (value) => Array.isArray(value) && textsOf(value).length === value.length;

/** Raise counts, a Map, to those that are asked for. */
export function raise(counts, asked) {
  for (const [group, count] of Object.entries(asked)) counts.set(group, Math.max(counts.get(group) ?? 0, count));
}

/** Whether each demanded approval has a person of its own: a matching, by moving others where necessary. */
export function areFilled(demanded, groups) {
  if ([...demanded.values()].reduce((sum, count) => sum + count, 0) > groups.size) return false;
  const places = [...demanded].flatMap(([group, count]) => Array(count).fill(group));
  const seats = new Map();
  function isSeated(place, tried) {
    for (const [who, of] of groups) {
      if (!of.includes(places[place]) || tried.has(who)) continue;
      tried.add(who);
      if (!seats.has(who) || isSeated(seats.get(who), tried)) {
        seats.set(who, place);
        return true;
      }
    }
    return false;
  }
  return places.every((_, place) => isSeated(place, new Set()));
}
