// What keys do: one list, from which the help is made. Single keys can be switched off.

import { get } from "./api.js";
import { ask, bmcURL, go, look, route, to } from "./route.js";
import { pause, paused } from "./feed.js";
import { modal } from "./parts.js";
import { h, signal } from "./view.js";

const stored = "lamplighter.keys";
const single = () => localStorage.getItem(stored) !== "off"; // asked when a key is pressed: the first time a page waits for the disk

/** Goes up: from a BMC to its rack, from a rack to its site, from there to the fleet. */
function up() {
  const links = [...document.querySelectorAll("nav.path a")];
  const last = /** @type {HTMLAnchorElement | undefined} */ (links.at(-1));
  if (last) go(last.pathname + last.search);
}

/** @param {number} by */
function step(by) {
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("main a.unit, main a.tile, main .incidents .what a, main tbody a")]);
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length]?.focus();
}

/** Goes to the next BMC that fails, or the one before, as racks stand. @param {number} by */
async function problem(by) {
  const { items } = /** @type {{ items: { bmc: string }[] }} */ (await get("/bmcs", { where: "health=unavailable", sort: "rack", limit: "1000" }));
  const at = items.findIndex(({ bmc }) => bmc === route.peek().query.id);
  const next = items.at(at < 0 ? Math.min(by, 0) || 0 : (at + by) % items.length);
  if (next) go(bmcURL(next.bmc));
}

/** @param {string} name */
const press = (name) => /** @type {HTMLElement | null} */ ([...document.querySelectorAll(`main [data-key="${name}"]`)].at(-1))?.click();

/** Selects the line that is focused, or takes it out. */
const select = () => /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest("li, tr")?.querySelector(".tick input"))?.click();

/** @type {{ keys: string, text: string, act: () => void }[]} */
const actions = [
  { keys: "/", text: "search", act: () => document.getElementById("search")?.focus() },
  { keys: "g f", text: "go to the fleet", act: () => go(to("/")) },
  { keys: "g s", text: "go to the site", act: () => /** @type {HTMLElement | null} */ (document.querySelector(":is(.path, .card) a[href^='/site']"))?.click() },
  { keys: "g i", text: "go to the incidents", act: () => go(to("/incidents")) },
  { keys: "g z", text: "go to the silences", act: () => go("/silences") },
  { keys: "g t", text: "go to the satellites", act: () => go("/satellites") },
  { keys: "g c", text: "go to the chain", act: () => go("/chain") },
  { keys: "g n", text: "go to the inventory", act: () => go("/inventory") },
  { keys: "g a", text: "go to the audit", act: () => go("/audit") },
  { keys: "j", text: "next", act: () => step(1) },
  { keys: "k", text: "previous", act: () => step(-1) },
  { keys: "]", text: "next BMC that fails", act: () => void problem(1) },
  { keys: "[", text: "the one before", act: () => void problem(-1) },
  { keys: "u", text: "up: BMC, rack, site, fleet", act: up },
  { keys: "r", text: "recheck", act: () => press("r") },
  { keys: "a", text: "acknowledge", act: () => press("a") },
  { keys: "s", text: "silence", act: () => press("s") },
  { keys: "x", text: "select, in a list", act: select },
  { keys: "t", text: "a site as a map or as a table", act: () => route.peek().path === "/site" && ask({ view: route.peek().query.view ? undefined : "table" }) },
  { keys: "p", text: "hold or show what comes", act: () => pause(!paused.peek()) },
  { keys: "h", text: "show what was an hour ago, or another moment", act: () => look(new Date(Date.now() - 36e5).toISOString().replace(/\..*/, "Z")) },
  { keys: "?", text: "this list", act: help },
];

/** All that can be done here: found by typing, done by Enter or a click. */
function help() {
  if (document.querySelector("dialog")) return;
  const typed = signal("");
  const found = () => actions.filter(({ text }) => text.includes(typed().toLowerCase()));
  modal("Keys", (close) => {
    const run = (/** @type {(() => void) | undefined} */ act) => {
      close();
      act?.();
    };
    return [
      h("input", { type: "search", "aria-label": "Find what to do", oninput: (event) => typed.set(event.target.value), onkeydown: (event) => event.key === "Enter" && run(found()[0]?.act) }),
      h("ul", { class: "keys" }, () => found().map(({ keys, text, act }) => h("li", null, h("button", { onclick: () => run(act) }, h("span", null, keys.split(" ").map((key) => h("kbd", null, key))), text)))),
      h("label", null, h("input", { type: "checkbox", checked: single(), onchange: (event) => localStorage.setItem(stored, event.target.checked ? "on" : "off") }), " single keys do something"),
      h("div", { class: "buttons" }, h("button", { onclick: close }, "Close")),
    ];
  });
}

let before = "";

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey && event.key === "k") {
      event.preventDefault();
      help();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !single()) return;
    const at = event.target;
    if ((at instanceof HTMLInputElement && at.type !== "checkbox") || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement || document.querySelector("dialog[open]")) {
      if (event.key === "Escape" && at instanceof HTMLElement) at.blur();
      return;
    }
    const typed = before ? `${before} ${event.key}` : event.key;
    before = "";
    const action = actions.find(({ keys }) => keys === typed);
    if (action) {
      event.preventDefault();
      action.act();
    } else if (actions.some(({ keys }) => keys.startsWith(`${typed} `))) before = typed;
  });
}

export const hint = () => h("button", { class: "plain keys-hint", onclick: help }, "Keys ", h("kbd", null, "?"));
