import { call } from "../api.js";
import { el, p, redraw, viewTitle } from "../dom.js";
import { live } from "../live.js";
import { texts } from "../texts.js";
import { requestList } from "./list.js";

// A delivered key is rolled back within minutes; an approval expires in hours, a request in days.
const deadline = ({ status, execute_by: executeBy, approve_by: approveBy }) =>
  status === "delivered" ? 0 : Date.parse(executeBy ?? approveBy);

/** What one may decide, execute or confirm now, the most urgent first. */
export default async function show(desk, { signal }) {
  const place = el("div");
  let isFirst = true;
  await live({
    signal,
    failed: desk.failed,
    load: (etag) => call("GET", "/v1/requests", { query: { awaiting: "me", limit: 100 }, etag, signal }),
    draw({ items, next_cursor: more }) {
      const sorted = [...items].sort((one, other) => deadline(one) - deadline(other));
      redraw(place,
        sorted.length ? requestList(sorted) : el("p", { class: "empty" }, texts.list.nothingWaits),
        more && p(texts.list.moreWait));
      // Whoever hears the page hears its heading first, and later what has changed.
      if (!isFirst) desk.say(sorted.length ? texts.list.waits(sorted.length) : texts.list.nothingWaits);
      isFirst = false;
    },
  });
  return el("div", {}, viewTitle(texts.nav.waiting), place);
}
