import assert from "node:assert/strict";
import { test } from "node:test";
import { ofBMCs, parts, picks } from "../web/bulk.js";
import { incidentURL, pageOf } from "../web/route.js";
import { quoted, scopeOf, where } from "../web/silence.js";

/** @param {string} kind @param {Record<string, string>} [of] @returns {any} */
const incident = (kind, of = {}) => ({ cause: { kind, key: "10.1.2.0/24", name: "" }, site: "ams1", room: "r1", row: "C", rack: "C01", ...of });
/** @param {string[]} ids @returns {any[]} */
const members = (...ids) => ids.map((bmc) => ({ bmc }));

test("a silence of an incident is for the place that it looks like, else for its BMCs", () => {
  assert.equal(scopeOf(incident("rack"), members("a", "b")), 'site="ams1" and room="r1" and row="C" and rack="C01"');
  assert.equal(scopeOf(incident("row"), members("a")), 'site="ams1" and room="r1" and row="C"');
  assert.equal(scopeOf(incident("site"), members("a")), 'site="ams1"');
  assert.equal(scopeOf(incident("subnet"), members("a")), 'site="ams1" and address=10.1.2.0/24');
  assert.equal(scopeOf(incident("subnet", { site: "" }), members("a")), "address=10.1.2.0/24");
  assert.equal(scopeOf(incident("bmc"), members('a "b" \\c')), 'bmc="a \\"b\\" \\\\c"');
  assert.equal(scopeOf(incident("firmware"), members("a", "b")), 'bmc in ("a", "b")');
  assert.equal(scopeOf(incident("firmware"), [{ bmc: "a", left: "2026-11-27T00:00:00Z" }, { bmc: "b" }].map((m) => /** @type {any} */ (m))), 'bmc="b"');
});

test("an incident of more BMCs than a filter names is for where they all are", () => {
  assert.equal(scopeOf(incident("firmware", { room: "", row: "", rack: "" }), members(...Array.from({ length: 101 }, (_, n) => `b${n}`))), 'site="ams1"');
});

test("what has no value is left out of a filter, and what is quoted is one text", () => {
  assert.equal(where({ site: "a b", room: "", rack: '"' }), 'site="a b" and rack="\\""');
  assert.equal(quoted(""), '""');
});

test("a selection is of keys: one, a range, many", () => {
  const picked = picks();
  const keys = ["a", "b", "c", "d"];
  picked.set("b", true);
  picked.set("d", true, keys);
  assert.deepEqual([...picked.all()].sort(), ["b", "c", "d"]);
  picked.set("c", false);
  assert.deepEqual([picked.has("c"), picked.has("d")], [false, true]);
  picked.set("x", true, keys); // not among them: it alone
  assert.deepEqual([...picked.all()].sort(), ["b", "d", "x"]);
  picked.many(["b", "d", "x"], false);
  assert.equal(picked.all().size, 0);
});

test("the address of an incident leads to its page, whatever its ID", () => {
  for (const id of ["inc-1", "a/b?c", "..%2F", "😀"]) assert.equal(pageOf(incidentURL(id)), "/incidents/{id}");
  for (const path of ["/incidents", "/", "/incidents/a/b"]) assert.equal(pageOf(path), path);
});

test("what is chosen becomes filters that an address bears, and none is left out", () => {
  assert.deepEqual(parts(["a"], ofBMCs), [{ keys: ["a"], where: 'bmc="a"' }]);
  const ids = Array.from({ length: 500 }, (_, n) => `${"😀".repeat(n % 40)}"${n}`);
  const all = parts(ids, ofBMCs);
  assert.deepEqual(all.flatMap(({ keys }) => keys), ids);
  for (const { keys, where } of all) {
    assert.equal(where, ofBMCs(keys));
    assert.ok(encodeURIComponent(where).length <= 3900);
  }
  assert.ok(all.length > 1 && all.length < 100);
});
