// Site: which racks, and is it shared?

import { bar as bulk, picks, tick as box } from "../bulk.js";
import { carpet } from "../carpet.js";
import { codeOf, paint, steps } from "../codes.js";
import { fleet, fresh, tick } from "../feed.js";
import { at, common, number, tile, weight } from "../model.js";
import { bar, checked, exports, head, inWords, named, path, trouble } from "../parts.js";
import { ask, rackURL, route, to } from "../route.js";
import { exactly, quoted } from "../silence.js";
import { asked, count, link, share, table } from "./ourselves.js";
import { computed, h, list, signal } from "../view.js";

/** @param {Rack} rack */
const countOf = (rack) => {
  tick();
  return /** @type {Fleet} */ (fleet()).count(rack.from, rack.to);
};

/** With few racks there is room for what is in them. */
const few = () => (fleet.peek()?.sites().find(({ site }) => site === (route.peek().query.site ?? ""))?.racks.length ?? 0) <= 60;

/** @param {() => Rack} item */
function rackTile(item) {
  return h("a", {
    class: () => {
      const t = tile(countOf(item()));
      return `tile ${t.kind} ${t.kind === "event" || t.kind === "dark" ? codeOf(t.look).shape : ""}${fresh(item().from, item().to)}`;
    },
    href: () => rackURL(item()),
    style: () => paint(tile(countOf(item())).look).style,
  }, h("span", { class: "name" }, () => named(item().rack, "rack")), h("span", { class: "text" }, () => tile(countOf(item())).text), () => bar(countOf(item())),
    few() && carpet({ racks: [item()], from: item().from, to: item().to }, null, Math.max(110, 2 * (item().to - item().from))));
}

/** Rows of racks, as they stand. @param {Rack[]} racks */
function rows(racks) {
  /** @type {{ key: string, room: string, row: string, racks: Rack[] }[]} */
  const all = [];
  for (const rack of racks) {
    const key = `${rack.room}\n${rack.row}`;
    const last = all[all.length - 1];
    if (last?.key === key) last.racks.push(rack);
    else all.push({ key, room: rack.room, row: rack.row, racks: [rack] });
  }
  return all;
}

/** @param {Rack[]} racks */
function rowLine(racks) {
  tick();
  const from = /** @type {Rack} */ (racks[0]).from;
  const count = /** @type {Fleet} */ (fleet()).count(from, /** @type {Rack} */ (racks[racks.length - 1]).to);
  if (!count.failed) return count.unknown ? `${number(count.unknown)} of ${number(count.total)} unknown` : `${number(count.total)}, none failing`;
  return `${number(count.failed)} of ${number(count.total)} failing${at(count)}`;
}

/** So many tiles a page bears; a phone less. Healthy racks are left out first. */
const MOST = matchMedia("(max-width: 600px)").matches ? 150 : 600;

/** @param {Rack[]} racks @param {boolean} only */
function shown(racks, only) {
  const now = /** @type {Fleet} */ (fleet());
  if (!only && racks.length <= MOST) return racks;
  tick();
  const weighed = racks.map((rack) => ({ rack, w: weight(now.count(rack.from, rack.to)) }));
  const worst = weighed.filter(({ w }) => w > 0).sort((a, b) => b.w - a.w).slice(0, MOST);
  const keep = new Set(worst.map(({ rack }) => rack));
  return racks.filter((rack) => keep.has(rack));
}

/** @param {() => Rack[]} racks */
const map = (racks) => list(h("div", { class: "rows" }), () => rows(racks()), (row) => `${fleet()?.name}${row.key}`, (row) =>
  h("section", { class: "row" },
    h("h2", null, () => [row().room, row().row && `row ${row().row}`].filter(Boolean).join(", ") || "no row", h("span", { class: "faint" }, () => ` ${rowLine(row().racks)}`)),
    list(h("div", { class: "tiles" }), () => row().racks, (rack) => `${rack.rack}\n${rack.from}`, rackTile)));

/** What names a rack among those that are ticked. @param {Rack} r */
const keyOf = ({ site, room, row, rack }) => JSON.stringify([site, room, row, rack]);

/** @param {string[]} keys */
const ofRacks = (keys) => keys.map((key) => {
  const [site, room, row, rack] = JSON.parse(key);
  return exactly({ site, room, row, rack });
}).join(" or ");

/** The same as a table. @param {() => Rack[]} racks @param {ReturnType<typeof picks>} picked */
function rackTable(racks, picked) {
  const sorted = () => {
    const all = racks();
    if (route().query.sort !== "share") return all;
    tick();
    const now = /** @type {Fleet} */ (fleet());
    return [...all].sort((a, b) => weight(now.count(b.from, b.to)) - weight(now.count(a.from, a.to)));
  };
  const cell = (/** @type {() => Rack} */ rack, /** @type {string} */ name) => h("td", { class: "number" }, () => number(/** @type {any} */ (countOf(rack()))[name]));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "racks as a table" }, h("table", null,
    h("thead", null, h("tr", null, ["", "Room", "Row", "Rack", "BMCs", "Failing", "Most at", "Unknown", "Degraded", "Available"].map(head))),
    list(h("tbody", null), sorted, (rack) => `${fleet()?.name}${rack.from}`, (rack) => h("tr", null,
      h("td", null, box(picked, () => keyOf(rack()), () => `rack ${rack().rack}`, () => sorted().map(keyOf))), h("td", null, () => rack().room), h("td", null, () => rack().row), h("td", null, h("a", { href: () => rackURL(rack()) }, () => named(rack().rack, "rack"))),
      cell(rack, "total"), cell(rack, "failed"), h("td", null, () => steps[common(countOf(rack())).letter] ?? "-"), cell(rack, "unknown"), cell(rack, "degraded"), cell(rack, "available")))));
}

/** By what BMCs can be grouped, besides labels and other facts. */
const fields = ["vendor", "model", "firmware", "room", "row", "satellite"];

/** @param {() => string[]} names */
const choices = (names) => h("datalist", { id: "fields" }, () => names().map((value) => h("option", { value })));

/** The site's BMCs by the value of a field. @param {string} where */
function grouped(where) {
  const { got, wrong } = asked(() => to("/groups", { where, by: route().query.by ?? "" }));
  return [wrong, choices(() => [...fields, ...(got()?.labels ?? []).map((/** @type {string} */ name) => `label.${name}`)]),
    table(() => `By ${route().query.by}`, "groups", () => got()?.items ?? [], (g) => g.value, [
      ["Value", (g) => () => (g().where ? link(() => to("/search", { where: `${where} and ${g().where}` }), () => g().value || "none") : g().value)], count("BMCs", (g) => g.total), count("Failing", (g) => g.unavailable, (n, g) => share(n, g.total)),
      count("Unknown", (g) => g.unknown), count("Degraded", (g) => g.degraded), count("Available", (g) => g.available), ["Most often", (g) => () => g().reasons[0]?.reason ?? "-"]],
      () => got()?.other > 0 && `and ${number(got().other)} BMCs of other values`)];
}

/** One of several ways to show it, as a link that keeps the rest. @param {string} name @param {string} value @param {string} text */
const choice = (name, value, text) => h("button", { class: "plain", "aria-pressed": () => String((route().query[name] ?? "") === value), onclick: () => ask({ [name]: value || undefined }) }, text);

export function page() {
  const site = route.peek().query.site ?? "";
  const found = () => fleet()?.sites().find((one) => one.site === site);
  const picked = picks();
  const wrong = signal(/** @type {unknown} */ (null));
  const by = computed(() => Boolean(route().query.by));
  const racks = () => shown(found()?.racks ?? [], route().query.only === "problems");
  return [
    path([["Fleet", "/"], [named(site, "site"), null]]),
    h("h1", { class: "sentence" }, () => {
      tick();
      const here = found();
      if (!here) return fleet() ? `No site is called ${site || "nothing"}.` : "Loading the fleet …";
      return `${named(site, "site")}: ${inWords(/** @type {Fleet} */ (fleet()).count(here.from, here.to))}.`;
    }),
    h("div", { class: "bar-of-buttons" }, choice("view", "", "Map"), choice("view", "table", "Table"), choice("only", "problems", "Only problems"), choice("only", "", "All"),
      h("input", { type: "search", list: "fields", placeholder: "Group by", "aria-label": "Group by", value: () => route().query.by ?? "", onchange: (event) => ask({ by: event.target.value.trim() || undefined, sort: undefined }) }),
      () => (route().query.view === "table" ? [choice("sort", "", "By place"), choice("sort", "share", "Worst first")] : null),
      exports("bmcs", () => ({ where: `site=${quoted(site)}` })),
      h("span", { class: "faint" }, () => checked(site))),
    () => (wrong() ? trouble(wrong(), () => wrong.set(null)) : null),
    () => (by() ? grouped(`site=${quoted(site)}`) : [choices(() => fields), route().query.view === "table" ? [bulk({ picked, order: () => racks().map(keyOf), where: ofRacks, all: () => `site=${quoted(site)}`, what: " racks", tell: wrong.set }), rackTable(racks, picked)] : map(racks)]),
    () => {
      const left = (found()?.racks.length ?? 0) - racks().length;
      return left > 0 && !by() ? h("p", { class: "faint" }, `${number(left)} racks in which nothing is wrong are not shown. `, h("a", { href: to("/site", { site, view: "table" }) }, "Table")) : null;
    },
  ];
}
