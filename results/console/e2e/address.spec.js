// The address is the state: a view that somebody came to by clicks is the same for whoever opens its address elsewhere.

import { api, believed, expect, open, test } from "./watch.js";

/** @typedef {import("@playwright/test").Page} Page */

const press = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole("button", { name, exact: true }).first().click();

/** Views: where one begins, the clicks, and what the address says then. @type {Record<string, { from: string, by?: (page: Page) => Promise<void>, says: RegExp }>} */
const views = {
  "a site's racks as a table, the worst first, those with problems": { from: "/", by: async (page) => {
    await page.getByRole("link", { name: "ams1", exact: true }).click();
    for (const name of ["Table", "Worst first", "Only problems"]) await press(page, name);
    await expect(page.locator("tbody tr").first()).toContainText("A03");
  }, says: /\/site\?site=ams1&view=table&sort=share&only=problems$/ },
  "a site's BMCs as groups, sorted": { from: "/site?site=ams1", by: async (page) => {
    await page.getByLabel("Group by").fill("vendor");
    await page.keyboard.press("Enter");
    await press(page, "Failing");
    await expect(page.locator("th[aria-sort]")).toContainText("Failing");
  }, says: /by=vendor.*sort=Failing/ },
  "a rack's rear with two BMCs ticked": { from: "/rack?site=ams1&room=hall-1&row=A&rack=A03", by: async (page) => {
    await page.getByRole("button", { name: /^rear/ }).click();
    for (const n of [39, 37]) await page.getByRole("checkbox", { name: `Select ams1-a03-u${n}` }).check();
  }, says: /face=rear&sel=ams1-a03-u39%2Cams1-a03-u37/ },
  "what a counter counts, with one ticked": { from: "/", by: async (page) => {
    await page.locator(".counter").filter({ hasText: "failing" }).click();
    await page.getByRole("checkbox", { name: "Select ams1-a03-u21" }).check();
  }, says: /\/search\?where=health%3Dunavailable&sel=ams1-a03-u21/ },
  "what a search finds": { from: "/", by: async (page) => {
    await page.locator("#search").fill("R730");
    await page.keyboard.press("Enter");
    await expect(page.locator(".hits li").nth(5)).toBeVisible();
  }, says: /\/search\?q=R730$/ },
  "incidents of a cause, an owner and a site": { from: "/incidents", by: async (page) => {
    await page.getByLabel("cause", { exact: true }).selectOption("bmc");
    await page.getByLabel("owner", { exact: true }).selectOption("inventory");
    await page.getByLabel("site", { exact: true }).selectOption("fra1");
    await expect(page.locator(".pick li").nth(3)).toBeVisible();
  }, says: /cause=bmc&owner=inventory&site=fra1/ },
  "incidents that are acknowledged": { from: "/", by: async (page) => {
    await page.getByRole("link", { name: "who is on which" }).click();
    await expect(page.locator(".pick li")).toHaveCount(1);
  }, says: /\/incidents\?status=acknowledged$/ },
  "an incident": { from: "/", by: (page) => page.locator(".incidents li a").first().click(), says: /\/incidents\/inc-/ },
  "silences that are over": { from: "/silences", by: async (page) => {
    await page.getByRole("button", { name: /^Over/ }).click();
    await expect(page.locator(".silences li").first()).toContainText("ended by");
  }, says: /\/silences\?\w+=over/ },
  "the chain of another check, sorted": { from: "/chain", by: async (page) => {
    await page.getByRole("region", { name: "checks" }).getByRole("link", { name: "tls" }).click();
    await press(page, "p99");
    await expect(page.locator("th[aria-sort]").first()).toContainText("p99");
  }, says: /check=tls&sort=p99/ },
  "satellites, sorted": { from: "/satellites", by: (page) => press(page, "BMCs"), says: /sort=BMCs/ },
  "who did what, of a kind": { from: "/audit", by: async (page) => {
    await press(page, "maintenance");
    await expect(page.getByRole("region", { name: "who did what" }).locator("tbody tr").first()).toContainText("kim");
  }, says: /\/audit\?do=maintenance$/ },
  "a wall": { from: "/?kiosk=1", says: /kiosk=1/ },
  "a site on a wall": { from: "/site?site=ams1&view=table&kiosk=1", says: /kiosk=1/ },
};

/** All that a page shows and how its controls stand, without what goes on by itself: ages, times, and counts of rounds. @param {Page} page */
const reading = (page) => page.locator("main").evaluate((main, rounds) => {
  const copy = /** @type {HTMLElement} */ (main.cloneNode(true));
  for (const time of copy.querySelectorAll(`time, .age, svg title, .days-of, .took, :is(${rounds}) .number`)) time.remove();
  const controls = [...main.querySelectorAll("button, input, select, a, th")].filter((one) => one.checkVisibility()).map((one) => {
    const { value = "", checked = false } = /** @type {HTMLInputElement} */ (one);
    return [one.tagName, one.textContent?.trim(), value, checked, ...["aria-pressed", "aria-sort", "aria-current", "aria-disabled", "href"].map((name) => one.getAttribute(name))].filter(Boolean).join(" ");
  });
  const ages = /\d+ (s|min|h|d)( \d+ (s|min|h))?( ago| old)?|\d\d:\d\d(:\d\d)? Z|[\d.]+ m?s\b/g;
  return [document.title.replace(/\(\d+\) /, ""), document.body.className, copy.textContent, ...controls].map((text) => text?.replace(ages, "…")).join("\n");
}, ["checks", "by vendor and firmware", "satellites", "sites"].map((label) => `[aria-label="${label}"]`).join());

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
  const { items: [first] } = await api({ request }, "/incidents?cause=bmc&limit=1");
  await request.put(`/api/v1/incidents/${first.id}/ack`, { data: { note: "known", who: "ada" } });
  await request.post("/api/v1/silences", { data: { kind: "maintenance", where: "rack=nowhere", for: "1h", reason: "to be over", who: "kim" } });
  for (const { id } of (await api({ request }, "/silences")).items) await request.delete(`/api/v1/silences/${id}`);
});

test.afterAll(async ({ request }) => {
  for (const { id } of (await api({ request }, "/incidents?status=acknowledged")).items) await request.delete(`/api/v1/incidents/${id}/ack`);
});

test("each view that was reached by clicks is the same when its address is opened elsewhere", async ({ page, elsewhere }) => {
  test.setTimeout(180_000);
  const other = await elsewhere();
  const seen = new Set();
  for (const [name, { from, by, says }] of Object.entries(views)) {
    await test.step(name, async () => {
      await open(page, from);
      await by?.(page);
      await expect(page).toHaveURL(says);
      await open(other, page.url());
      await expect(async () => expect(await reading(other)).toBe(await reading(page))).toPass({ timeout: 20_000 });
      const shown = await reading(page);
      expect(seen.has(shown), "it differs from all before").toBe(false);
      seen.add(shown);
    });
  }
});
