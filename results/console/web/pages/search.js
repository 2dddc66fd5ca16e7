// Search: where is X? And what a counter counts: the BMCs of a filter.

import { get, keep } from "../api.js";
import { bar, bmcs, tick as box } from "../bulk.js";
import { codeOf, marked, words } from "../codes.js";
import { tick } from "../feed.js";
import { number, plural } from "../model.js";
import { age, code, exports, head, path, trouble } from "../parts.js";
import { bmcURL, go, incidentURL, rackURL, route, siteURL } from "../route.js";
import { later } from "../time.js";
import { effect, h, list, signal } from "../view.js";

/** @param {string} q */
function hits(q) {
  const found = signal(/** @type {Hit[] | null} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  const look = async () => {
    try {
      const all = /** @type {{ items: Hit[] }} */ (await get("/search", { q, limit: "100" })).items;
      const [only, other] = all;
      const same = (/** @type {Hit | undefined} */ hit) => hit?.value.toLowerCase() === q.toLowerCase(); // the best come first
      if (only?.bmc && (!other || (same(only) && !same(other)))) return go(bmcURL(only.bmc), true);
      found.set(all);
      wrong.set(null);
    } catch (err) {
      keep(wrong, err);
    }
  };
  void look();
  return [
    h("h1", { class: "sentence" }, () => (found() === null ? (wrong() ? `${q}: not known.` : `Looking for ${q} …`) : `${number(found()?.length ?? 0)} found for ${q}.`)),
    () => (wrong() ? trouble(wrong(), look) : null),
    () => (found()?.length === 0 ? h("p", { class: "empty" }, "Nothing has this in its ID, address, rack, model, serial number or certificate. Try a part of it.") : null),
    list(h("ol", { class: "hits" }), () => found() ?? [], (hit) => hit.bmc + (hit.incident ?? ""), (hit) => h("li", null,
      h("a", { href: hit().incident ? incidentURL(hit().incident ?? "") : bmcURL(hit().bmc) }, hit().bmc || hit().incident), " ",
      h("span", null, hit().health), h("span", { class: "faint" }, ` ${[hit().site, hit().rack].filter(Boolean).join(" ")}, ${hit().field}: ${hit().value}`))),
  ];
}

/** @param {string} where */
function matching(where) {
  const rows = signal(/** @type {Row[]} */ ([]));
  const next = signal(/** @type {string | null} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  const look = async (/** @type {boolean} */ more) => {
    try {
      const size = more ? 100 : Math.min(1000, Math.max(100, rows.peek().length));
      const page = /** @type {{ items: Row[], next: string }} */ (await get("/bmcs", { where, sort: "-since", limit: String(size), ...(more ? { cursor: next.peek() ?? "" } : {}) }));
      rows.set(more ? [...rows.peek(), ...page.items] : page.items);
      next.set(page.next);
      wrong.set(null);
    } catch (err) {
      keep(wrong, err);
    }
  };
  const order = () => rows().map(({ bmc }) => bmc);
  const soon = later(() => void look(false));
  effect(() => {
    tick();
    soon(next.peek() === null ? 0 : 1000);
  });
  return [
    h("h1", { class: "sentence" }, () => (next() === null ? (wrong() ? "BMCs: not known." : "Looking …") : `${plural(rows().length, next() ? "newest BMC" : "BMC")}: ${where || "all"}.`)),
    h("div", { class: "bar-of-buttons" }, exports("bmcs", () => ({ where })), h("a", { class: "plain", href: "/" }, "Clear filter")),
    () => (wrong() ? trouble(wrong(), () => look(false)) : null),
    bar({ picked: bmcs, order, all: () => where, tell: wrong.set }),
    () => (next() === "" && !rows().length ? h("p", { class: "empty" }, "None matches. ", h("a", { href: "/" }, "Clear filter")) : null),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "BMCs that match" }, h("table", null,
      h("thead", null, h("tr", null, ["", "BMC", "State", "For", "Reason", "Owner", "Site", "Rack", "Who is on it"].map(head))),
      list(h("tbody", null), rows, (row) => row.bmc, (row) => h("tr", null,
        h("td", null, box(bmcs, () => row().bmc, () => row().bmc, order)), h("td", null, h("a", { href: bmcURL(row().bmc) }, row().bmc)), h("td", { class: "nowrap" }, () => [code(marked(row())), ` ${words(row().code)}`]), h("td", { class: "nowrap" }, () => age(row().since)),
        h("td", null, () => row().reason || "-"), h("td", null, () => row().owner || "-"), h("td", null, h("a", { href: siteURL(row().site) }, row().site || "-")),
        h("td", null, h("a", { href: rackURL(row()) }, row().rack || "-")), h("td", null, () => row().ack?.who ?? (codeOf(row().code).rank <= 3 ? "nobody yet" : "-")))))),
    () => (next() ? h("button", { onclick: () => look(true) }, "More") : null),
  ];
}

export function page() {
  const { q = "", where } = route.peek().query;
  return [path([["Fleet", "/"], ["Search", null]]), ...(where !== undefined ? matching(where) : q ? hits(q) : [h("h1", { class: "sentence" }, "Search for a BMC, a serial number, an address, a rack.")])];
}
