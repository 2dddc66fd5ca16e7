// Satellites, Chain and Audit: are we blind, is the fleet slower and what breaks next, is a verdict missing and who did what.

import { accessible, api, believed, expect, inEachLook, open, test } from "./watch.js";

const pages = {
  satellites: { url: "/satellites", wants: "No satellite is silent. 500 BMCs with no second satellite", holds: ["demo", "ams1", "Its clock"] },
  chain: { url: "/chain?check=redfish-login", wants: "breaks most", holds: ["redfish-login by vendor and firmware", "What breaks next", "1 certificate to end within 30 days"] },
  audit: { url: "/audit", wants: /judged yet|lost/, holds: ["ams1", "Rounds by tier", "Who did what"] },
};

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
  await request.put("/api/v1/bmcs/ams1-a03-u21/ack", { data: { note: "switch ordered, OPS-790", who: "ada" } });
  await request.post("/api/v1/silences", { data: { kind: "maintenance", where: "site=sin1 and rack=A07", for: "1h", reason: "new power rails", who: "kim" } });
});

for (const [name, { url, wants, holds }] of Object.entries(pages)) {
  test(`${name} says what it is about, in light, dark and on a phone, and axe finds nothing`, async ({ page }) => {
    await open(page, url);
    await expect(page.locator("h1")).toContainText(wants);
    for (const text of holds) await expect(page.locator("main")).toContainText(text);
    await expect(page.locator("main")).not.toContainText(/NaN|null/);
    await inEachLook(page, name);
  });
}

test("what breaks next takes one click from the fleet, and the certificates a second one, by keyboard, too", async ({ page }) => {
  await open(page, "/");
  await page.getByRole("navigation", { name: "pages" }).getByRole("link", { name: "Chain" }).click();
  await expect(page.locator(".days li")).toHaveCount(31);
  const day = page.locator(".days a");
  await expect(day).toHaveCount(1);
  await day.focus();
  await page.keyboard.press("Enter");
  await expect(page.locator("h1")).toContainText("1 BMC: cert_not_after");
});

test("a group that fails leads to the list of those that fail there now", async ({ page }) => {
  await open(page, "/chain");
  await page.getByRole("region", { name: "checks" }).getByRole("link", { name: "redfish-login" }).click();
  await expect(page).toHaveURL(/check=redfish-login/);
  const groups = page.getByRole("region", { name: "by vendor and firmware" });
  await expect(page.getByRole("heading", { name: "redfish-login by vendor and firmware" })).toBeVisible();
  const { groups: all } = await api(page, "/chain?check=redfish-login");
  await expect(groups.locator("tbody tr")).toHaveCount(all.length);
  const link = groups.locator("tbody tr").first().getByRole("link").nth(1);
  const where = new URL(await link.evaluate((a) => /** @type {HTMLAnchorElement} */ (a).href)).searchParams.get("where") ?? "";
  expect(where).toContain('failed="redfish-login"');
  const { items } = await api(page, `/bmcs?where=${encodeURIComponent(where)}&limit=1000`);
  expect(items.length).toBeGreaterThan(0);
  await link.click();
  await expect(page.locator("tbody tr")).toHaveCount(items.length);
});

test("a table is sorted by what is clicked, the address says so, and Back and a copied address show the same", async ({ page }) => {
  await open(page, "/chain?check=tls");
  const groups = page.getByRole("region", { name: "by vendor and firmware" });
  await groups.getByRole("button", { name: "p99" }).click();
  await expect(page).toHaveURL(/sort=p99/);
  await expect(groups.locator("th[aria-sort=descending]")).toContainText("p99");
  const column = async () => (await groups.locator("tbody tr td:last-child").allTextContents()).map((text) => (text === "-" ? -1 : Number.parseFloat(text) * (/ s$/.test(text) ? 1000 : 1)));
  const shown = await column();
  expect(shown).toEqual([...shown].sort((a, b) => b - a));
  await page.reload();
  await expect(groups.locator("th[aria-sort=descending]")).toContainText("p99");
});

test("the row that is focused stays so when numbers change", async ({ page }) => {
  await open(page, "/satellites");
  const link = page.getByRole("region", { name: "satellites" }).getByRole("link", { name: "demo" }).first();
  await link.focus();
  const asked = page.waitForResponse((response) => response.url().endsWith("/api/v1/satellites"), { timeout: 30_000 });
  await asked;
  await page.waitForTimeout(300);
  await expect(link).toBeFocused();
});

test("who did what is there, by kind, and leads to what it was done to", async ({ page }) => {
  await open(page, "/audit");
  const acts = page.getByRole("region", { name: "who did what" });
  await expect(acts).toContainText("switch ordered, OPS-790");
  await page.getByRole("button", { name: "maintenance", exact: true }).click();
  await expect(page).toHaveURL(/do=maintenance/);
  await expect(acts).not.toContainText("OPS-790");
  await expect(acts.locator("tbody tr").first()).toContainText("kim");
  await page.getByRole("button", { name: "ack", exact: true }).click();
  await acts.getByRole("link", { name: "ams1-a03-u21" }).first().click();
  await expect(page).toHaveURL(/\/bmc\?id=ams1-a03-u21/);
});

test("each of the three is two keys away", async ({ page }) => {
  await open(page, "/");
  for (const [key, path] of [["t", "/satellites"], ["c", "/chain"], ["a", "/audit"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(/** @type {string} */ (key));
    await expect(page).toHaveURL(/** @type {string} */ (path));
    await expect(page.locator("h1")).not.toContainText("…");
  }
});

test("what cannot be asked is said, what was known stays, and it is asked again", async ({ page }) => {
  test.setTimeout(90_000);
  await open(page, "/satellites");
  let away = true;
  await page.route("**/api/v1/satellites", (route) => (away ? route.fulfill({ status: 502, body: "bad gateway" }) : route.continue()));
  await expect(page.getByRole("alert")).toContainText("HTTP 502", { timeout: 30_000 });
  await expect(page.getByRole("region", { name: "satellites" })).toContainText("demo");
  await accessible(page, "satellites, error");
  away = false;
  await expect(page.getByRole("alert")).toHaveCount(0, { timeout: 30_000 }); // it asks again by itself
});
