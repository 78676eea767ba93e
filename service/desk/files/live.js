// What is on the page stays true: a view asks again, by ETag, and is drawn anew when something has changed.

const SECONDS = 15;

/**
 * Load once, draw, and go on until `signal`. `load(etag)` returns what `call` returns. `draw(body)` puts it on the
 * page. The first failure is thrown. A later one goes to `failed(error)`, and null after each success. Returns a
 * function that asks at once.
 */
export async function live({ signal, load, draw, failed }) {
  let { body, etag } = await load();
  draw(body);
  let timer;

  async function ask() {
    clearTimeout(timer);
    try {
      const answer = await load(etag);
      signal.throwIfAborted();
      if (answer.status !== 304) {
        ({ body, etag } = answer);
        draw(body);
      }
      failed(null);
    } catch (error) {
      if (!signal.aborted) failed(error);
    }
    if (!signal.aborted) later();
  }
  function later() {
    clearTimeout(timer);
    timer = setTimeout(() => (document.hidden ? later() : ask()), SECONDS * 1000);
  }
  // Whoever comes back to the page, or to the network, sees it as it is.
  const back = () => document.hidden || ask();
  document.addEventListener("visibilitychange", back, { signal });
  window.addEventListener("online", back, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  later();
  return ask;
}
