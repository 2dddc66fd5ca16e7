// The view helper in a real browser: what text is, what a list keeps, what ends.

import { expect, open, test } from "./watch.js";

test("text is text, lists keep their elements, and what is taken away is not run again", async ({ page }) => {
  await open(page, "/");
  const found = await page.evaluate(async () => {
    const base = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=stylesheet]")).href.replace(/[^/]*$/, "");
    const { effect, flush, h, list, root, signal } = await import(`${base}view.js`);
    const items = signal(["a", "b", "c"]);
    const more = signal(/** @type {string | null} */ ("<i>x</i>"));
    const on = signal(true);
    let runs = 0;
    /** @param {string | null} text */
    const counted = (text) => {
      effect(() => {
        more();
        runs++;
      });
      return h("u", null, text);
    };
    const all = root((/** @type {() => void} */ stop) => {
      const element = h("div", null, h("p", { title: () => more() }, () => more()), () => (on() ? [h("b", null, "1"), () => counted(more())] : null), list(h("ul", null), items, (/** @type {string} */ i) => i, (/** @type {() => string} */ i) => h("li", { tabindex: 0 }, i)));
      return { element, stop };
    });
    document.body.append(all.element);
    const lis = [...all.element.querySelectorAll("li")];
    lis[1].focus();
    items.set(["c", "b", "d", "d", "a"]);
    flush();
    const after = [...all.element.querySelectorAll("li")];
    const text = all.element.querySelector("p").textContent;
    const before = runs;
    on.set(false);
    flush();
    more.set("y");
    flush();
    const gone = runs === before && !all.element.querySelector("b, u");
    all.stop();
    more.set("z");
    flush();
    const left = all.element.querySelector("p").textContent;
    all.element.remove();
    return { order: after.map((li) => li.textContent).join(""), same: after[1] === lis[1] && after[0] === lis[2], text, html: document.querySelectorAll("body > div > p > i").length, gone, left };
  });
  expect(found).toEqual({ order: "cbda", same: true, text: "<i>x</i>", html: 0, gone: true, left: "y" });
});
