import assert from "node:assert/strict";
import { test } from "node:test";
import { inOne } from "../web/bulk.js";
import { notReached } from "../web/chain.js";
import { lanes } from "../web/pages/rack.js";
import { parse, rackURL, to } from "../web/route.js";
import { parser, patience } from "../web/feed.js";
import { codes } from "../web/tables.js";
import { clock, knows, span } from "../web/time.js";
import { computed, effect, flush, root, signal } from "../web/view.js";

test("events are read however their bytes are cut", () => {
  /** @type {string[][]} */
  const told = [];
  const line = parser((event, data) => told.push([event, data]));
  for (const text of [": comment", "event: hb", "id: 7", 'data: {"a":1}', "", "data: one", "data:two", "", "event: empty", "", "retry: 500", "data: x\r", "\r"]) line(text);
  assert.deepEqual(told, [["hb", '{"a":1}'], ["message", "one\ntwo"], ["message", "x"]]);
});

test("whoever comes back waits between half a second and five", () => {
  for (const [tries, random, want] of [[0, 0, 500], [0, 1, 1000], [3, 1, 4500], [100, 1, 5000]]) assert.equal(patience(/** @type {number} */ (tries), /** @type {number} */ (random)), want);
});

test("an address holds any name, and reading it gives the name back", () => {
  for (const name of ["A01", "", "a/b?c&d=e#f", "<img src=x>", "..", "😀 ‮x", "%2F", "a+b c", "x".repeat(200)]) {
    const of = { site: name, room: name, row: "", rack: name };
    assert.deepEqual(parse(rackURL(of)), { path: "/rack", query: of });
  }
  assert.equal(to("/site", { site: "a", view: undefined }), "/site?site=a");
});

test("a zone that this browser does not know is not offered", () => {
  for (const [name, want] of /** @type {[string, boolean][]} */ ([["Europe/Amsterdam", true], ["UTC", true], ["local", false], ["localtime", false], ["posix/Europe/Amsterdam", false], ["Mars/Olympus", false]])) assert.equal(knows(name), want, name);
});

test("what is ticked is in the address as long as it bears that, as the address writes it", () => {
  assert.equal(inOne(["a", "b,c", "d e"]), "a,d e");
  assert.equal(inOne([]), "");
  assert.equal(inOne(Array(150).fill("bmc-00001")), ""); // 1,499 characters, and 149 commas of three each
  assert.equal(inOne(["名".repeat(170)]), "");
  assert.equal(inOne(["名".repeat(160)]).length, 160);
});

test("a time names its zone, and a span has at most two units", () => {
  assert.match(clock("2026-11-22T03:12:07Z", "UTC"), /^2026-11-22 03:12:07 Z$/);
  assert.equal(clock("2026-11-22T03:12:07Z", "Europe/Amsterdam"), "2026-11-22 04:12:07 +01:00 Amsterdam");
  assert.equal(clock("2026-11-22T03:12:07Z", "America/St_Johns"), "2026-11-21 23:42:07 -03:30 St_Johns");
  assert.match(clock(Date.now(), "UTC"), /^\d\d:\d\d:\d\d Z$/);
  assert.equal(clock("nonsense", "UTC"), "-");
  assert.match(clock("2026-11-22T03:12:07Z", "local"), /^2026-11-2\d \d\d:\d\d:07 [+-]\d\d:\d\d$/);
  for (const [ms, want] of /** @type {[number, string][]} */ ([[-5, "0 s"], [59_400, "59 s"], [60_000, "1 min"], [3_600_000, "1 h"], [11_100_000, "3 h 5 min"], [90_000_000, "1 d 1 h"], [864_000_000, "10 d"]])) assert.equal(span(ms), want);
});

test("local times are those of the machine's zone, west and east, in summer and by quarters of an hour", () => {
  const before = process.env.TZ;
  const wants = { UTC: "2026-07-01 22:30:00 +00:00", "America/St_Johns": "2026-07-01 20:00:00 -02:30", "Asia/Kathmandu": "2026-07-02 04:15:00 +05:45", "Europe/Amsterdam": "2026-07-02 00:30:00 +02:00" };
  try {
    for (const [zone, want] of Object.entries(wants)) {
      process.env.TZ = zone;
      assert.equal(clock("2026-07-01T22:30:00Z", "local"), want);
    }
  } finally {
    if (before === undefined) delete process.env.TZ;
    else process.env.TZ = before;
  }
});

/** @param {string} bmc @param {number} unit @param {number} height @param {string} [slot] @returns {any} */
const at = (bmc, unit, height, slot = "") => ({ bmc, unit, height, slot, face: "front" });

test("blades stand side by side, a tall server takes its units, and nothing is drawn over another", () => {
  const boxes = lanes([at("one", 42, 1), at("two", 40, 2), at("b2", 10, 4, "2"), at("b10", 10, 4, "10"), at("b1", 10, 4, "1"), at("half", 5.5, 0.5), at("low", 1, 0), at("none", 0, 1)], 42);
  const by = Object.fromEntries(boxes.map((b) => [b.place.bmc, [b.top, b.tall, b.lane, b.lanes]]));
  assert.deepEqual(by, { one: [0, 2, 0, 1], two: [2, 4, 0, 1], b1: [58, 8, 0, 3], b2: [58, 8, 1, 3], b10: [58, 8, 2, 3], half: [74, 1, 0, 1], low: [82, 2, 0, 1] });
});

test("two that overlap by a mistake of the inventory are both seen", () => {
  const boxes = lanes([at("a", 10, 2), at("b", 11, 2), at("c", 12, 1)], 42);
  for (const one of boxes) for (const other of boxes) assert.ok(one === other || one.lane !== other.lane || one.top + one.tall <= other.top || other.top + other.tall <= one.top, `${one.place.bmc} over ${other.place.bmc}`);
});

/** @param {...string} names @returns {any[]} */
const ran = (...names) => names.map((check) => ({ check }));

test("what was not reached are the checks of the BMC's own protocol", () => {
  assert.deepEqual(notReached(ran("ping"), ""), ["tls", "redfish-login", "power"]);
  assert.deepEqual(notReached(ran("ping"), "ipmi"), ["ipmi-login", "power"]);
  assert.deepEqual(notReached(ran("ping", "tls"), "redfish"), ["redfish-login", "power"]);
  assert.deepEqual(notReached(ran("ping", "ipmi-login"), ""), ["power"]);
  assert.deepEqual(notReached(ran("ping", "tls", "redfish-login", "power"), ""), []);
});

/** @param {string} color */
function luminance(color) {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** @param {string} a @param {string} b */
function contrast(a, b) {
  const [hi = 0, lo = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (hi + 0.05) / (lo + 0.05);
}

test("each letter can be read on its fill, and its edge seen on the page", () => {
  for (const { code, light, dark } of codes) {
    for (const [paint, page] of /** @type {const} */ ([[light, "#ffffff"], [dark, "#161b22"]])) {
      assert.ok(contrast(paint.fill, paint.ink) >= 4.5, `${code} on its fill: ${contrast(paint.fill, paint.ink)}`);
      assert.ok(Math.max(contrast(paint.ink, page), contrast(paint.fill, page)) >= 3, `${code} on the page`);
    }
  }
});

test("no two states look the same without colour: letter, and shape by rank", () => {
  assert.equal(new Set(codes.map(({ glyph }) => glyph)).size, codes.length);
  const shapes = new Map(codes.map(({ rank, shape }) => [rank, shape]));
  assert.equal(new Set(shapes.values()).size, shapes.size);
});

test("an effect follows the values that it asked for, and no longer", () => {
  const [a, b] = [signal(1), signal(10)];
  /** @type {number[]} */
  const seen = [];
  root((stop) => {
    const which = signal(true);
    effect(() => void seen.push(which() ? a() : b()));
    b.set(11);
    flush();
    a.set(2);
    a.set(3);
    flush();
    which.set(false);
    flush();
    a.set(4);
    flush();
    stop();
    b.set(12);
    flush();
  });
  assert.deepEqual(seen, [1, 3, 11]);
});

test("a computed value changes once for many changes, and equal is no change", () => {
  const a = signal(1);
  let runs = 0;
  root((stop) => {
    const even = computed(() => a() % 2 === 0);
    effect(() => {
      even();
      runs++;
    });
    for (const n of [3, 5, 7, 8, 10]) {
      a.set(n);
      flush();
    }
    stop();
  });
  assert.equal(runs, 2);
});

test("values that change each other without end are an error, not a hang", () => {
  const a = signal(0);
  root((stop) => {
    effect(() => a.set(a() + 1));
    assert.throws(flush, /without end/);
    stop();
  });
});
