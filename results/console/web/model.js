// The fleet in the browser: a letter per BMC, by number, and what it adds up to. Nothing here touches the page.

import { groups, steps } from "./codes.js";

/** Each letter, its character code, and the group that it counts in. */
const counted = groups.flatMap(({ name, letters }) => [...letters].map((letter) => ({ name, letter, at: letter.charCodeAt(0) })));
/** 1 at the character codes of what fails. */
const failing = Uint8Array.from({ length: 128 }, (_, at) => Number(counted.some((one) => one.at === at && one.name === "failed")));
const tally = new Uint32Array(128);

export class Fleet {
  /** @param {FleetMap} map */
  constructor(map) {
    this.name = map.map;
    this.seq = map.seq;
    this.placed = map.placed;
    /** @type {Rack[]} */
    this.racks = [];
    let n = 0;
    for (const { site, room, row, rack, letters } of map.racks) {
      this.racks.push({ site, room, row, rack, from: n, to: n + letters.length });
      n += letters.length;
    }
    this.size = n;
    /** The letter of each BMC, as its character code. */
    this.letters = new TextEncoder().encode(map.racks.map(({ letters }) => letters).join(""));
    /** @type {Map<number, string>} */
    this.marks = new Map(Object.entries(map.marks).map(([number, marks]) => [Number(number), marks]));
    /** @type {ReturnType<typeof bySite> | undefined} */
    this.known = undefined;
  }

  /** Takes in what changed. @param {[number, string][]} cells */
  apply(cells) {
    for (const [number, look] of cells) {
      this.letters[number] = look.charCodeAt(0);
      if (look.length > 1) this.marks.set(number, look.slice(1));
      else this.marks.delete(number);
    }
  }

  /** What differs from another reading of the same order. @param {Fleet} other @returns {[number, string][]} */
  differences(other) {
    /** @type {[number, string][]} */
    const all = [];
    for (let n = 0; n < this.size; n++) if (this.letters[n] !== other.letters[n] || this.marks.get(n) !== other.marks.get(n)) all.push([n, this.look(n)]);
    return all;
  }

  /** @param {number} n */
  look(n) {
    return String.fromCharCode(this.letters[n] ?? 63) + (this.marks.get(n) ?? "");
  }

  /** @param {number} from @param {number} to @returns {Count} */
  count(from = 0, to = this.size) {
    tally.fill(0);
    for (let n = from; n < to; n++) {
      const at = /** @type {number} */ (this.letters[n]);
      tally[at] = /** @type {number} */ (tally[at]) + 1;
    }
    /** @type {Count} */
    const count = { total: to - from, failed: 0, unknown: to - from, degraded: 0, maintenance: 0, available: 0, none: 0, letters: {} };
    for (const { name, letter, at } of counted) {
      const n = tally[at];
      if (!n) continue;
      count.letters[letter] = n;
      if (name === "unknown") continue; // what has no other group is unknown, a letter of a later version, too
      count[name] += n;
      count.unknown -= n;
    }
    return count;
  }

  /** How many fail. */
  failed(from = 0, to = this.size) {
    let sum = 0;
    for (let n = from; n < to; n++) sum += failing[/** @type {number} */ (this.letters[n])] ?? 0;
    return sum;
  }

  /** The sites in order, each with its racks, which lie one after the other. */
  sites() {
    this.known ??= bySite(this.racks);
    return this.known;
  }

  /** @param {{ site: string, room: string, row: string, rack: string }} of */
  find(of) {
    return this.racks.find((r) => r.rack === of.rack && r.row === of.row && r.room === of.room && r.site === of.site);
  }
}

/** @param {Rack[]} racks */
function bySite(racks) {
  /** @type {{ site: string, racks: Rack[], from: number, to: number }[]} */
  const all = [];
  for (const rack of racks) {
    const last = all.at(-1);
    if (last?.site === rack.site) {
      last.racks.push(rack);
      last.to = rack.to;
    } else all.push({ site: rack.site, racks: [rack], from: rack.from, to: rack.to });
  }
  return all;
}

/** The step that most of the failing stopped at, and how many. @param {Count} count */
export function common(count) {
  let letter = "";
  let most = 0;
  for (const [of, n] of Object.entries(count.letters)) if (of in steps && n > most) [letter, most] = [of, n];
  return { letter, most };
}

/** Where they failed: " (all at ping)". @param {Count} count */
export function at(count) {
  const { letter, most } = common(count);
  return letter ? ` (${most === count.failed ? (most > 1 ? "all " : "") : `${number(most)} `}at ${steps[letter]})` : "";
}

/**
 * What a tile shows: a rack event only where a quarter of it, or five with one step, fail. Worst-of would paint a fifth of all racks red.
 * @param {Count} count
 */
export function tile(count) {
  const { letter, most } = common(count);
  const share = count.total ? count.failed / count.total : 0;
  if (count.failed && (share >= 0.25 || most >= 5)) return { kind: "event", look: letter, text: `${letter} ${count.failed}/${count.total}` };
  if (count.unknown && count.unknown / count.total >= 0.5) return { kind: "dark", look: "?", text: `? ${count.unknown}/${count.total}` };
  if (count.failed) return { kind: "some", look: letter, text: `${letter} ${count.failed}/${count.total}` };
  if (count.unknown) return { kind: "some", look: "?", text: `? ${count.unknown}` };
  if (count.degraded) return { kind: "some", look: "!", text: `! ${count.degraded}` };
  if (count.maintenance) return { kind: "quiet", look: "m", text: `m ${count.maintenance}` };
  if (count.none === count.total) return { kind: "quiet", look: "-", text: "-" };
  return { kind: "quiet", look: ".", text: "ok" };
}

/** How bad a count is, for sorting: the share that fails, then what is not known. @param {Count} count */
export const weight = (count) => (count.total ? (count.failed * 1e6 + count.unknown * 1e3 + count.degraded) / count.total : 0);

/** The rack in which the most of it fails. @param {Fleet} fleet */
export function worst(fleet) {
  let found = null;
  let most = 0;
  for (const rack of fleet.racks) {
    const failed = fleet.failed(rack.from, rack.to);
    const weight = failed * (0.5 + failed / (rack.to - rack.from));
    if (weight > most) [found, most] = [rack, weight];
  }
  return found && { rack: found, count: fleet.count(found.from, found.to) };
}

/** The line that says all within five seconds. @param {Fleet} fleet @param {number | null} incidents open ones; null: not known */
export function sentence(fleet, incidents) {
  const all = fleet.count();
  if (!all.total) return "No BMC is known yet.";
  const told = incidents === null ? "" : incidents === 0 ? "No incident. " : `${plural(incidents, "incident")}. `;
  const known = all.total - all.none;
  if (!known) return `${plural(all.total, "BMC")}, none checked yet.`;
  if (!all.failed) return `${told}No BMC of ${number(all.total)} fails${all.unknown ? `, ${number(all.unknown)} unknown` : ""}.`;
  const bad = /** @type {NonNullable<ReturnType<typeof worst>>} */ (worst(fleet));
  const where = [bad.rack.site, bad.rack.rack].filter(Boolean).join(" ") || "an unnamed rack";
  return `${told}${number(all.failed)} of ${number(all.total)} BMCs failing. Worst: ${where}, ${bad.count.failed} of ${bad.count.total}${at(bad.count)}.`;
}

/** A number as people read it: 98,410. Its first toLocaleString costs a page some 20 ms. @param {number} n */
export const number = (n) => String(Math.round(n * 1000) / 1000).replace(/(?<!\.\d*)\B(?=(\d{3})+(?!\d))/g, ",");

/** So many of what is counted: 1 BMC, 98,410 BMCs. @param {number} n @param {string} what */
export const plural = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
