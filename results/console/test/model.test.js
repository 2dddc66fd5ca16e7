import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, groups, words } from "../web/codes.js";
import { common, Fleet, number, sentence, tile, worst } from "../web/model.js";
import { codes } from "../web/tables.js";

/** @param {string[]} letters racks of a site @param {Record<string, string>} [marks] */
const fleet = (letters, marks = {}) => new Fleet({ map: "m", seq: 1, at: "", placed: true, marks, racks: letters.map((all, i) => ({ site: "ams1", room: "r", row: "A", rack: `A0${i + 1}`, letters: all })) });

test("a fleet counts letters by group, and marks apart", () => {
  const f = fleet(["PP.?", "S!m-L"], { 0: "~a", 3: "z" });
  const all = f.count();
  assert.deepEqual([all.total, all.failed, all.unknown, all.degraded, all.maintenance, all.available, all.none], [9, 3, 2, 1, 1, 1, 1]);
  assert.equal(f.count(4, 9).failed, 1);
  assert.deepEqual([f.failed(), f.failed(4, 9)], [3, 1]);
  assert.equal(f.look(0), "P~a");
  assert.deepEqual(f.find({ site: "ams1", room: "r", row: "A", rack: "A02" }), { site: "ams1", room: "r", row: "A", rack: "A02", from: 4, to: 9 });
});

test("every code is in exactly one group, and unknown is never counted as well", () => {
  for (const { code } of codes) assert.equal(groups.filter(({ letters }) => letters.includes(code)).length, 1, code);
  assert.equal(groups.find(({ letters }) => letters.includes("?"))?.name, "unknown");
  assert.equal(codeOf("x").code, "?", "a letter of a later version is unknown, not healthy");
});

test("what changes is applied, and told apart from another reading", () => {
  const f = fleet(["...."]);
  f.apply([[1, "P~"], [2, "."]]);
  assert.equal(f.look(1), "P~");
  f.apply([[1, "."]]);
  assert.equal(f.look(1), ".");
  assert.deepEqual(f.differences(fleet([".T.."])), [[1, "."]]);
});

test("a tile is painted only where a quarter, or five with one step, fail", () => {
  /** @param {string} letters */
  const of = (letters) => tile(fleet([letters]).count());
  assert.equal(of("P".repeat(40)).kind, "event");
  assert.deepEqual(of(`${"P".repeat(5)}${".".repeat(35)}`), { kind: "event", look: "P", text: "P 5/40" });
  assert.deepEqual(of(`PTLW${".".repeat(36)}`).kind, "some");
  assert.deepEqual(of("T..."), { kind: "event", look: "T", text: "T 1/4" });
  assert.equal(of("????").kind, "dark");
  assert.deepEqual(of("?..."), { kind: "some", look: "?", text: "? 1" });
  assert.deepEqual(of("!..."), { kind: "some", look: "!", text: "! 1" });
  assert.equal(of("....").text, "ok");
  assert.equal(of("----").text, "-");
  assert.deepEqual(common(fleet(["PPT."]).count()), { letter: "P", most: 2 });
});

test("the sentence says how many, where, and at what", () => {
  assert.equal(sentence(fleet([]), null), "No BMC is known yet.");
  assert.equal(sentence(fleet(["--"]), 0), "2 BMCs, none checked yet.");
  assert.equal(sentence(fleet(["..?"]), 0), "No incident. No BMC of 3 fails, 1 unknown.");
  assert.equal(sentence(fleet(["P...", "TTTT"]), 2), "2 incidents. 5 of 8 BMCs failing. Worst: ams1 A02, 4 of 4 (all at tls).");
  assert.equal(worst(fleet(["T".repeat(5) + ".".repeat(35), "PPPP"]))?.rack.rack, "A02", "a rack that is all dead comes before one in which as many fail");
});

test("a look is told in words", () => {
  assert.equal(words("P~a"), "failed at ping, flapping, acknowledged");
  assert.equal(words("?"), "unknown");
  assert.equal(words("-"), "not monitored");
});

test("a number is told in groups of three digits, its fraction in at most three", () => {
  assert.deepEqual([0, 999, 1000, 98410, 1234567, 0.1234, 12345.6789].map(number), ["0", "999", "1,000", "98,410", "1,234,567", "0.123", "12,345.679"]);
});

test("racks of a site are together, and a letter of a later version counts as unknown", () => {
  const f = new Fleet({ map: "m", seq: 1, at: "", placed: true, marks: {}, racks: ["a", "a", "b"].map((site, i) => ({ site, room: "", row: "", rack: `${i}`, letters: "Px" })) });
  assert.deepEqual(f.sites().map(({ site, from, to, racks }) => [site, from, to, racks.length]), [["a", 0, 4, 2], ["b", 4, 6, 1]]);
  assert.deepEqual([f.count().total, f.count().failed, f.count().unknown], [6, 3, 3]);
});
