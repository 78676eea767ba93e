// The views of the desk, each with its path below /desk. Those with `nav` stand in the navigation, in this order;
// with `roles`, only for people who have one of them. Whether they may is the service's to say. The
// module of a view is loaded when somebody opens it: its default export is `show(desk, {params, query, signal})`, which
// returns an element with a focusable h1.
import { texts } from "../texts.js";

export const views = [
  { path: "/", nav: texts.nav.waiting, load: () => import("./waiting.js") },
  { path: "/accounts", nav: texts.nav.ask, load: () => import("./accounts.js") },
  { path: "/mine", nav: texts.nav.mine, load: () => import("./mine.js") },
  { path: "/all", nav: texts.nav.all, load: () => import("./all.js") },
  { path: "/keys", nav: texts.nav.keys, load: () => import("./keys.js") },
  { path: "/drift", nav: texts.nav.drift, roles: ["operator", "auditor"], load: () => import("./drift.js") },
  { path: "/deliveries", nav: texts.nav.deliveries, roles: ["operator", "auditor"], load: () => import("./deliveries.js") },
  { path: "/requests/:id", load: () => import("./request.js") },
  { path: "/requests/:id/log", load: () => import("./log.js") },
  { path: "/accounts/:id", load: () => import("./account.js") },
  { path: "/accounts/:id/ask/:operation", load: () => import("./asking.js") },
];
