// Files that the page makes itself.
import { el } from "./dom.js";

/** Save a text as a file. The URL that the browser gets it by is of the page's memory, and ends at once. */
export function save(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
