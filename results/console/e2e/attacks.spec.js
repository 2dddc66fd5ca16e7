// Satellites, Chain and Audit of a fleet whose every name is an attack.

import { accessible, api, expect, test } from "./watch.js";

test.use({ baseURL: process.env.LAMPLIGHTER_HOSTILE ?? "" });

test("satellites, vendors and firmwares that are attacks are text, and each group's filter finds it", async ({ page }) => {
  test.skip(!process.env.LAMPLIGHTER_HOSTILE, "NOT TESTED: LAMPLIGHTER_HOSTILE is not set");
  test.setTimeout(120_000);
  const { groups } = await api(page, "/chain?check=redfish-login");
  const { satellites } = await api(page, "/satellites");
  expect(groups.length).toBeGreaterThan(20);
  expect(satellites.length).toBeGreaterThan(20);
  await page.goto("/satellites");
  await expect(page.getByRole("region", { name: "satellites" }).locator("tbody tr")).toHaveCount(satellites.length);
  await accessible(page, "hostile satellites");
  await page.goto("/audit");
  await expect(page.getByRole("region", { name: "rounds by site" }).locator("tbody tr").first()).toBeVisible();
  await accessible(page, "hostile audit");
  await page.goto("/chain?check=redfish-login");
  const rows = page.getByRole("region", { name: "by vendor and firmware" }).locator("tbody tr");
  await expect(rows).toHaveCount(groups.length);
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  await accessible(page, "hostile chain");
  for (const row of (await rows.all()).slice(0, 12)) {
    const where = new URL(await row.getByRole("link").first().evaluate((a) => /** @type {HTMLAnchorElement} */ (a).href)).searchParams.get("where") ?? "";
    const { items } = await api(page, `/bmcs?where=${encodeURIComponent(where)}`);
    expect(items.length, where).toBeGreaterThan(0);
  }
});
