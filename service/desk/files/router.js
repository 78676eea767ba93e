// Which view an address shows. Every address below /desk is this page; only the browser knows the difference.
import { root } from "./installation.js";

const BASE = `${root}/desk`;

/** The address of a view's path, such as "/requests/…". */
export const addressOf = (path) => `${BASE}${path === "/" ? "" : path}`;

/**
 * Follow links and the browser's buttons. `views` have a `path` such as "/requests/:id". `show(view, params, query,
 * signal)` puts one on the page; `signal` aborts when it is left. `view` is undefined for an unknown address.
 */
export function createRouter(views, show) {
  let left = new AbortController();
  let guard = null;
  let here = location.href;

  async function open() {
    left.abort();
    left = new AbortController();
    guard = null;
    here = location.href;
    const path = location.pathname.slice(BASE.length).replace(/\/$/, "") || "/";
    for (const view of views) {
      const params = matched(view.path, path);
      if (params) return show(view, params, new URLSearchParams(location.search), left.signal);
    }
    return show(undefined, {}, new URLSearchParams(), left.signal);
  }

  const mayLeave = () => guard === null || window.confirm(guard);

  window.addEventListener("popstate", () => {
    if (mayLeave()) return open();
    history.pushState(null, "", here);
  });
  window.addEventListener("beforeunload", (event) => {
    if (guard !== null) event.preventDefault();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (event.defaultPrevented || !link || !isPlain || link.target || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || !(url.pathname === BASE || url.pathname.startsWith(`${BASE}/`))) return;
    event.preventDefault();
    go(url.pathname.slice(BASE.length) + url.search);
  });

  function go(path) {
    if (!mayLeave()) return;
    history.pushState(null, "", `${BASE}${path === "/" ? "" : path}`);
    open();
  }

  return {
    go,
    /** Ask whether the view may be left, if it wants to be asked about. */
    mayLeave,
    /** Show the present address again. */
    open,
    /** Ask with this text before the view is left; null takes the question back. */
    askBeforeLeaving(text) {
      guard = text;
    },
  };
}

function matched(pattern, path) {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  if (wanted.length !== given.length) return null;
  const params = {};
  for (const [at, part] of wanted.entries()) {
    if (part.startsWith(":")) params[part.slice(1)] = decoded(given[at]);
    else if (part !== given[at]) return null;
  }
  return Object.values(params).includes(null) ? null : params;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}
