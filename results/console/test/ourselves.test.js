import assert from "node:assert/strict";
import { test } from "node:test";
import { clockWords, kind, missing, pace, seen } from "../web/pages/ourselves.js";

/** @param {string} satellite @param {boolean} heard @param {[string, number][]} [reasons] @returns {any} */
const satellite = (satellite, heard, reasons = []) => ({ site: "ams1", satellite, heard, reasons: reasons.map(([reason, count]) => ({ reason, count })) });
/** @param {number} alone @returns {any} */
const site = (alone) => ({ site: "ams1", bmcs: 40, satellites: 2, alone, disputed: 0 });

test("the sentence of satellites names who is silent, what is not known and what has no second", () => {
  const at = { at: "", from: "" };
  assert.equal(seen({ ...at, satellites: [satellite("sat-a", true)], sites: [site(0)] }), "No satellite is silent.");
  assert.equal(seen({ ...at, satellites: [satellite("sat-a", true, [["self.blind", 3], ["self.path", 1]]), satellite("sat-b", false)], sites: [site(1), site(40)] }),
    "Silent: sat-b (ams1). Of 4 BMCs nothing is known through our fault. 41 BMCs with no second satellite.");
  assert.match(seen({ ...at, satellites: ["a", "b", "c", "d", "e"].map((name) => satellite(name, false)), sites: [] }), /^Silent: a \(ams1\), b \(ams1\), c \(ams1\) and 2 more\./);
});

test("of a clock no more is said than is known", () => {
  assert.equal(clockWords(null), "-");
  assert.equal(clockWords(-5000), "5.00 s ahead");
  assert.equal(clockWords(40), "≤ 40 ms behind");
  assert.equal(clockWords(0), "≤ 1 ms behind");
});

/** @param {string} check @param {number} asked @param {number} failed @param {number | null} p95_ms @param {number | null} [before] @returns {any} */
const counted = (check, asked, failed, p95_ms, before = null) => ({ check, asked, failed, p95_ms, before: before === null ? null : { p95_ms: before } });
/** @param {any[]} checks @returns {any} */
const report = (...checks) => ({ checks });

test("the sentence of the chain names what breaks most by share, and what became slower by half", () => {
  assert.equal(pace(report(counted("ping", 1000, 20, 50), counted("tls", 100, 10, 90))), "tls breaks most: 10 (10.0 %) failed. ");
  assert.equal(pace(report(counted("ping", 0, 0, null), counted("tls", 100, 0, 90, 80))), "No check failed. None is slower than an hour before.");
  assert.equal(pace(report(counted("ping", 10, 0, 25, 10), counted("tls", 10, 0, 400, 200))), "No check failed. Slower than an hour before: tls (p95 200 ms → 400 ms).");
});

test("the sentence of the audit does not call well what is not judged", () => {
  /** @param {number} expected @param {number} lost @param {number} silent */
  const of = (expected, lost, silent) => ({ site: "ams1", expected, lost, silent });
  assert.match(missing({ known: false, settle_s: 225, sites: [of(0, 0, 0)] }), /^No inventory is known/);
  assert.equal(missing({ known: true, settle_s: 225, sites: [of(0, 0, 0)] }), "No round is judged yet: one is, 3 min after it was due.");
  assert.equal(missing({ known: true, settle_s: 225, sites: [of(1000, 0, 0), of(500, 0, 0)] }), "No round of 1,500 is lost.");
  assert.equal(missing({ known: true, settle_s: 225, sites: [of(1000, 1, 2)] }), "1 round of 1,000 is lost; 2 BMCs without a verdict for two intervals.");
});

test("a kind of BMCs is a filter, whatever it is called", () => {
  assert.equal(kind({ vendor: 'De"ll', firmware: "2.14", other: false }), 'vendor="De\\"ll" and firmware="2.14"');
  assert.equal(kind({ vendor: "", firmware: "", other: false }), 'vendor="" and firmware=""');
  assert.equal(kind({ vendor: "v".repeat(128), firmware: "<b>", other: false }), `vendor~"${"v".repeat(128)}" and firmware~"<b>"`);
  assert.equal(kind({ vendor: "", firmware: "", other: true }), "");
});
