// Rack: which unit do I walk to?

import { ack, button } from "../act.js";
import { get, kept } from "../api.js";
import { bar, bmcs, tick as box } from "../bulk.js";
import { codeOf, paint, steps, words } from "../codes.js";
import { fleet, fresh, incidents, on, tick } from "../feed.js";
import { common, number, tile } from "../model.js";
import { age, code, days, head, inWords, named, path, trouble } from "../parts.js";
import { ask, bmcURL, incidentURL, rackURL, route, siteURL } from "../route.js";
import { exactly, silence } from "../silence.js";
import { later } from "../time.js";
import { cleanup, computed, effect, h, list, } from "../view.js";

/**
 * Those that take the same units stand side by side: blades, nodes of one chassis, and mistakes of the inventory.
 * @param {Place[]} units @param {number} height of the rack in units
 */
export function lanes(units, height) {
  /** @type {Box[]} */
  const boxes = units.filter(({ unit }) => unit > 0).map((place) => {
    const tall = Math.max(1, Math.round((place.height || 1) * 2));
    return { place, tall, top: Math.round((height + 1 - place.unit) * 2) - tall, lane: 0, lanes: 1 };
  });
  boxes.sort((a, b) => a.top - b.top || b.tall - a.tall || a.place.slot.localeCompare(b.place.slot, "en", { numeric: true }) || (a.place.bmc < b.place.bmc ? -1 : 1));
  /** @type {Box[]} */
  let together = [];
  let end = -1;
  const close = () => {
    const most = Math.max(0, ...together.map(({ lane }) => lane)) + 1;
    for (const box of together) box.lanes = most;
    together = [];
  };
  for (const box of boxes) {
    if (box.top >= end) close();
    const taken = new Set(together.filter((other) => other.top + other.tall > box.top).map(({ lane }) => lane));
    while (taken.has(box.lane)) box.lane++;
    together.push(box);
    end = Math.max(end, box.top + box.tall);
  }
  close();
  return boxes;
}

/** @param {Place} place */
const faceOf = ({ face }) => (face === "rear" ? "rear" : "front");

/** A rack that is fetched again whenever one of its BMCs looks different. @param {{ site: string, room: string, row: string, rack: string }} of */
function watched(of) {
  const { value: rack, wrong, look } = kept(() => /** @type {Promise<Elevation>} */ (get("/elevation", of)));
  const looks = computed(() => {
    tick();
    const now = fleet();
    const here = now?.find(of);
    return now && here ? Array.from({ length: here.to - here.from }, (_, i) => now.look(here.from + i)).join(" ") : "";
  });
  const soon = later(look);
  effect(() => {
    looks();
    soon(rack.peek() ? 200 : 0);
  });
  cleanup(on("ack", () => soon(200)));
  return { rack, wrong, look };
}

/** @param {Box} box @param {string} more of its classes */
function unit({ place, top, tall, lane, lanes: of }, more) {
  const { class: name, style } = paint(place.look);
  return h("a", {
    class: `unit ${name} ${of > 2 ? "narrow" : ""}${more}`, href: bmcURL(place.bmc), title: `${place.bmc}: ${words(place.look)}${place.reason ? `, ${place.reason}` : ""}`,
    style: { ...style, top: `calc(var(--half) * ${top})`, height: `calc(var(--half) * ${tall} - 2px)`, left: `${(lane / of) * 100}%`, width: `calc(${100 / of}% - 2px)` },
  }, h("b", { "aria-label": words(place.look), role: "img" }, codeOf(place.look).glyph + place.look.slice(1)), " ", h("span", { class: "id" }, place.slot ? `${place.slot} ` : "", place.bmc));
}

/** The rack as it stands. @param {Elevation} rack @param {string} face */
function elevation(rack, face) {
  const boxes = lanes(rack.units.filter((place) => faceOf(place) === face), rack.height);
  const from = fleet.peek()?.find(rack)?.from ?? 0;
  const scale = Array.from({ length: rack.height }, (_, i) => h("span", { style: { top: `calc(var(--half) * ${i * 2})` } }, String(rack.height - i)));
  return h("div", { class: "elevation", style: { "--halves": rack.height * 2 } },
    h("div", { class: "scale", "aria-hidden": "true" }, scale), h("div", { class: "units", role: "group", "aria-label": `${face} of the rack, from the top down` }, boxes.map((box) => unit(box, fresh(from + rack.units.indexOf(box.place))))));
}

/** @param {Place} p */
const position = (p) => (p.unit ? `U${p.unit}${p.height > 1 ? `-${p.unit + p.height - 1}` : ""}${p.slot ? ` slot ${p.slot}` : ""}${p.face === "rear" ? " rear" : ""}` : "no unit");

/** @param {() => Elevation | null} rack @param {ReturnType<typeof days>} day */
const table = (rack, day) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "BMCs of the rack as a table" }, h("table", null,
  h("thead", null, h("tr", null, ["", "Place", "BMC", "State", "For", "24 h", "Reason", "Who is on it", ""].map(head))),
  list(h("tbody", null), () => rack()?.units ?? [], (p) => p.bmc, (item) => h("tr", { class: () => (codeOf(item().look).rank <= 2 ? "bad" : "") },
    h("td", null, box(bmcs, () => item().bmc, () => item().bmc, () => order(rack()))), h("td", { class: "nowrap" }, () => position(item())),
    h("td", { class: "nowrap" }, h("a", { href: bmcURL(item().bmc) }, item().bmc)),
    h("td", null, () => [code(item().look), ` ${words(item().look)}`]),
    h("td", { class: "nowrap" }, () => age(item().since)),
    h("td", null, () => day(item().bmc)),
    h("td", null, () => item().reason || "-"),
    h("td", null, () => item().ack?.who ?? (item().silenced ? item().silenced?.kind : "-")),
    h("td", null, () => (codeOf(item().look).rank <= 3 && !item().ack ? button("Ack", () => ack(item().bmc), { "aria-label": `Ack ${item().bmc}` }) : null))))));

/** @param {Elevation | null} rack */
const order = (rack) => rack?.units.map(({ bmc }) => bmc) ?? [];

/** The racks on both sides, in the same row. @param {{ site: string, room: string, row: string, rack: string }} of */
function neighbours(of) {
  tick();
  const now = fleet();
  const row = now?.racks.filter((r) => r.site === of.site && r.room === of.room && r.row === of.row) ?? [];
  const at = row.findIndex((r) => r.rack === of.rack);
  return [row[at - 1], row[at + 1]].map((r, i) => r && h("a", { class: "plain", href: rackURL(r), rel: i ? "next" : "prev" },
    `${i ? "" : "← "}${named(r.rack, "rack")} ${tile(/** @type {Fleet} */ (now).count(r.from, r.to)).text}${i ? " →" : ""}`));
}

/** What they have in common, said as a guess. @param {Count} count */
function shared(count) {
  const { letter, most } = common(count);
  if (most < 2 || most < count.failed) return null;
  const all = count.failed === count.total;
  return h("p", { class: "hint" }, `${all ? `All ${most}` : `${most} of ${count.total}`} failed at ${steps[letter]}. `,
    letter === "P" && all ? "It looks like the rack: look at its switch and power first." : "It looks like one cause.");
}

/** The incidents that its BMCs fail in. @param {Elevation | null} rack */
function told(rack) {
  const ids = new Set(rack?.units.flatMap(({ incident }) => (incident ? [incident] : [])));
  const all = (incidents() ?? []).filter(({ id }) => ids.has(id));
  return all.length > 0 && h("ul", { class: "asides", "aria-label": "its incidents" }, all.map((i) => h("li", null, "Incident: ", h("a", { href: incidentURL(i.id) }, i.title), ` (${i.failing} of ${i.total}), ${i.ack ? `${i.ack.who} is on it` : "nobody is on it yet"}`)));
}

export function page() {
  const { site = "", room = "", row = "", rack: name = "" } = route.peek().query;
  const of = { site, room, row, rack: name };
  const { rack, wrong, look } = watched(of);
  const day = days({ by: "bmc", where: exactly(of) });
  const count = () => {
    tick();
    const here = fleet()?.find(of);
    return here ? fleet()?.count(here.from, here.to) : undefined;
  };
  const face = () => (route().query.face === "rear" ? "rear" : "front");
  const side = (/** @type {string} */ of) => number(rack()?.units.filter((p) => p.unit > 0 && faceOf(p) === of).length ?? 0);
  return [
    path([["Fleet", "/"], [named(site, "site"), siteURL(site)], [[room, row && `row ${row}`].filter(Boolean).join(", ") || "no row", siteURL(site)], [named(name, "rack"), null]]),
    h("h1", { class: "sentence" }, () => {
      const now = count();
      return `Rack ${named(name, "rack")}: ${now ? `${inWords(now)}.` : wrong() ? "not known." : "loading …"}`;
    }),
    () => (wrong() ? trouble(wrong(), look) : null),
    () => {
      const now = count();
      return now ? shared(now) : null;
    },
    () => told(rack()),
    h("div", { class: "bar-of-buttons" }, ["front", "rear"].map((one) => h("button", { class: "plain", "aria-pressed": () => String(face() === one), onclick: () => ask({ face: one === "front" ? undefined : one }) }, () => `${one} (${side(one)})`)),
      () => neighbours(of), h("button", { class: "plain", onclick: () => print() }, "Print"),
      button("Silence", () => silence("silence", exactly(of)), { "data-key": "s" }), button("Maintenance", () => silence("maintenance", exactly(of)))),
    bar({ picked: bmcs, order: () => order(rack()), all: () => exactly(of), tell: wrong.set }),
    h("div", { class: "rack" },
      h("div", { class: "stand" }, () => {
        const now = rack();
        return now && [elevation(now, face()), now.placed ? null : h("p", { class: "faint" }, "The inventory is not known here: each BMC is drawn one unit high.")];
      }),
      table(rack, day)),
  ];
}
