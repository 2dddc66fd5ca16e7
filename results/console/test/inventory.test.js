import assert from "node:assert/strict";
import { test } from "node:test";
import { listed, wrongWith } from "../web/pages/ourselves.js";

/** @param {object} [other] @returns {any} */
const one = (other) => ({ site: "ams1", number: 3, bmcs: 40, withheld: null, late: false, hindering: 0, ...other });
/** @param {any[]} items @returns {any} */
const cmdb = (...items) => ({ at: "", from: "cmdb", bmcs: 40, items });

test("the sentence of the inventory says where the list comes from, and does not call well what nobody told of", () => {
  assert.match(listed({ at: "", from: "none", bmcs: 0, items: [] }), /^No inventory is known here/);
  assert.equal(listed({ at: "", from: "file", bmcs: 500, items: [] }), "The list is a file with 500 BMCs; no CMDB is followed.");
  assert.equal(listed(cmdb()), "Nobody who syncs an inventory was heard of; the last good copy with 40 BMCs holds. Start lamplighter inventory.");
  assert.equal(listed({ ...cmdb(), bmcs: 0 }), "Nobody who syncs an inventory was heard of; no BMC is listed. Start lamplighter inventory.");
  assert.equal(listed(cmdb(one())), "40 BMCs of 1 inventory, all as the CMDB says.");
  assert.equal(listed(cmdb(one(), one({ site: "fra1" }))), "80 BMCs of 2 inventories, all as their CMDBs say.");
});

test("of what is wrong with an inventory the worst is said, of many the first three", () => {
  assert.equal(wrongWith(one()), "");
  assert.equal(wrongWith(one({ withheld: { gone: 6, of: 12 }, error: "x", late: true })), "ams1 withholds an answer: 6 of 12 BMCs are missing");
  assert.equal(wrongWith(one({ error: "x", late: true })), "ams1 cannot be synced");
  assert.equal(wrongWith(one({ site: "", late: true })), "(no site) is silent");
  assert.equal(wrongWith(one({ number: 0 })), "ams1 was never synced");
  assert.equal(wrongWith(one({ hindering: 1 })), "ams1 has 1 conflict that hinders");
  assert.match(listed(cmdb(...["a", "b", "c", "d"].map((site) => one({ site, error: "x" })))), /^a cannot be synced; b cannot be synced; c cannot be synced; and 1 more\. The last good list holds\.$/);
});
