import { get } from "../api.js";
import { el } from "../dom.js";
import { account } from "../format.js";
import { texts } from "../texts.js";

/** One request, read as one decides. */
export const request = {
  path: "/requests/:id",
  async show(desk, { params, signal }) {
    const found = await get(`/v1/requests/${encodeURIComponent(params.id)}`, { signal });
    return el("div", {},
      el("h1", { tabindex: "-1" }, texts.operation[found.operation], " ", account(found.account)),
      el("p", { class: "effect" }, found.effect));
  },
};
