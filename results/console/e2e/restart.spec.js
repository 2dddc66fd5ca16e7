// The server is killed, while a hundred others listen, and started again: the page goes on by itself, and shows what is.

import { api, expect, open, test } from "./watch.js";

const control = process.env.LAMPLIGHTER_CONTROL ?? "";

/** @param {string} what */
const have = async (what) => {
  const done = await fetch(`${control}/${what}`, { method: "POST" });
  expect(await done.text()).toBe("");
};

test("after a kill and a start the page shows the truth, without being loaded anew", async ({ page }) => {
  test.setTimeout(400_000);
  await open(page, "/");
  await page.evaluate(() => Object.assign(window, { same: true }));
  await expect(page.locator("h1")).not.toContainText("failing");
  await have("kill");
  await expect(page.locator("#feed")).toContainText(/^(Connecting|NO FEED)/);
  await have("start");
  await expect(page.locator("#feed")).toContainText("Live", { timeout: 60_000 });
  await expect(page.locator("h1")).toContainText("150 of 200 BMCs failing");
  await expect(page.getByRole("navigation", { name: "BMCs by state" })).toContainText(/150\s*failing.*50\s*available/);
  expect(await page.evaluate(() => /** @type {any} */ (window).same)).toBe(true);
  await page.goto("/site?site=ams1&view=table");
  await expect(page.locator("tbody tr")).toHaveCount(10);
  const { items } = await api(page, "/racks?limit=100");
  for (const { rack, total, unavailable } of items) await expect(page.locator("tbody tr").filter({ hasText: rack })).toContainText(`${rack}${total}${unavailable}`);
});
