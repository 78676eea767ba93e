// The views of the desk, each with its path below /desk. Those with `nav` stand in the navigation, in this order. The
// module of a view is loaded when somebody opens it: its default export is `show(desk, {params, query, signal})`, which
// returns an element with a focusable h1.
import { texts } from "../texts.js";

export const views = [
  { path: "/", nav: texts.nav.waiting, load: () => import("./waiting.js") },
  { path: "/mine", nav: texts.nav.mine, load: () => import("./mine.js") },
  { path: "/all", nav: texts.nav.all, load: () => import("./all.js") },
  { path: "/keys", nav: texts.nav.keys, load: () => import("./keys.js") },
  { path: "/requests/:id", load: () => import("./request.js") },
];
