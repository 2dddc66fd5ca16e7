// Inventory: is the list right, what waits for a person, and what becomes of an approval. Four sites, each really synced: one withholds half
// of an answer, one's CMDB is away, one's answers with less than it says it has, one is well.

import { accessible, api, expect, inEachLook, open, test } from "./watch.js";

test.use({ baseURL: process.env.LAMPLIGHTER_INVENTORY ?? "" });
test.skip(!process.env.LAMPLIGHTER_INVENTORY, "NOT TESTED: LAMPLIGHTER_INVENTORY is not set");

/** @param {import("@playwright/test").Page} page @param {string} name */
const rows = (page, name) => page.getByRole("region", { name, exact: true }).locator("tbody tr");

test("what is withheld, away and short is said by name, in light, dark and on a phone, and axe finds nothing", async ({ page }) => {
  await open(page, "/inventory");
  await expect(page.locator("h1")).toContainText("ams1 withholds an answer: 100 of 200 BMCs are missing; fra1 cannot be synced; sin1 cannot be synced. The last good list holds.");
  await expect(rows(page, "inventories")).toHaveCount(4);
  await expect(rows(page, "sources").filter({ hasText: "fra1" })).toContainText("connection refused");
  await expect(rows(page, "sources").filter({ hasText: "sin1" })).toContainText("read 90 of 140 records: the list is not whole");
  await expect(rows(page, "sources").filter({ hasText: "hel1" })).toContainText(/80 of 80.*nothing/);
  await expect(rows(page, "conflicts").first()).toContainText("ams1-spare");
  await expect(rows(page, "what waits").filter({ hasText: "ams1-new-1" })).toContainText("added");
  await expect(page.locator("main")).not.toContainText(/undefined|NaN|null/);
  await inEachLook(page, "inventory");
});

test("who cannot be asked from here has buttons that say why", async ({ page }) => {
  await open(page, "/inventory");
  const button = rows(page, "inventories").filter({ hasText: "fra1" }).getByRole("button", { name: "Sync now" });
  await expect(button).toHaveAttribute("aria-disabled", "true");
  await expect(button).toHaveAttribute("title", /names no RabbitMQ.*run lamplighter inventory sync/);
  await page.goto("/inventory?kiosk=1");
  await expect(page.locator("h1")).toContainText("ams1");
  await expect(page.getByRole("button", { name: "Approve" })).toBeHidden();
});

test("a sync that is asked for is done, and what went wrong is told", async ({ page }) => {
  await open(page, "/inventory");
  await rows(page, "inventories").filter({ hasText: "hel1" }).getByRole("button", { name: "Sync now" }).click();
  await expect(page.locator("main [role=status]").first()).toContainText("hel1: 0 added, 0 removed, 0 changed, 0 moved; snapshot 1 has 80 BMCs");
  await rows(page, "inventories").filter({ hasText: "sin1" }).getByRole("button", { name: "Sync now" }).click();
  await expect(page.locator("main [role=status]").first()).toContainText("Conflict: sync the inventory: source cmdb: read 90 of 140 records");
});

test("what is withheld is approved with a note, goes, and stands in the log of who did what", async ({ page }) => {
  await open(page, "/");
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await expect(page).toHaveURL("/inventory");
  await page.locator(".hint").getByRole("button", { name: "Approve" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Approve what ams1 withholds: 100 BMCs of 200 are no longer checked at once; also: 2 added, 1 moved");
  await accessible(page, "approve");
  await dialog.getByLabel("Note").fill("hall 1 was emptied, CHG-77");
  await dialog.getByLabel("Your name").fill("ada");
  await dialog.getByRole("button", { name: "Approve" }).click();
  await expect(page.locator("main [role=status]").first()).toContainText("ams1: 1 added, 100 removed, 0 changed, 1 moved; snapshot 2 has 101 BMCs");
  await expect(page.locator(".hint")).toHaveCount(0);
  await expect(rows(page, "inventories").filter({ hasText: "ams1" })).toContainText("1 added, 100 removed, 1 moved");
  const { items } = await api(page, "/audit?do=inventory_approve");
  expect(items[0]).toMatchObject({ do: "inventory_approve", who: "ada", site: "ams1", note: "hall 1 was emptied, CHG-77" });
  await page.goto("/audit?do=inventory_approve");
  await expect(rows(page, "who did what").first()).toContainText(/ada.*inventory_approve.*ams1.*CHG-77/);
});

test("while the server does not answer the page says so, keeps what it knows, and asks again", async ({ page }) => {
  await open(page, "/inventory");
  let away = true;
  await page.route("**/api/v1/inventory", (route) => (away ? route.fulfill({ status: 502, body: "bad gateway" }) : route.continue()));
  await expect(page.getByRole("alert")).toContainText("HTTP 502", { timeout: 30_000 });
  await expect(rows(page, "inventories")).toHaveCount(4);
  await inEachLook(page, "inventory, error");
  away = false;
  await expect(page.getByRole("alert")).toHaveCount(0, { timeout: 30_000 });
});
