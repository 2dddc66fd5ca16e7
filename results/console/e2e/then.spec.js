// A moment that is past, pinned in the address: who gets it sees what was believed then, and that it is not now.

import { accessible, api, believed, expect, inEachLook, open, test } from "./watch.js";

/** Opens a page that shows a moment. @param {import("@playwright/test").Page} page @param {string} url */
async function opened(page, url) {
  await page.goto(url);
  await expect(page.locator("#feed")).toHaveText("As it was");
  await expect(page.locator("h1")).not.toContainText("…");
}

const rack = "/rack?site=ams1&room=hall-1&row=A&rack=A03";
let before = ""; // the demo's rack died

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
  const { items } = await api({ request }, `/changes?where=${encodeURIComponent("site=ams1 and rack=A03")}&kind=health&limit=1000`);
  const died = items.filter((/** @type {any} */ c) => c.to.health === "unavailable").map((/** @type {any} */ c) => Date.parse(c.at));
  before = new Date(Math.min(...died) - 1).toISOString();
});

test("a moment shows the fleet, a rack and a BMC as they were, says so, and leads back to now", async ({ page }) => {
  await opened(page, `/?at=${before}`);
  const note = page.locator(".banners");
  await expect(note).toContainText(/As it was at .*\d\d:\d\d:\d\d Z\. Places and facts are those of now\./);
  const was = await api(page, `/summary?at=${before}`);
  const is = await api(page, "/summary");
  expect(was.unavailable).toBeLessThan(is.unavailable);
  await expect(page.locator(".counter").filter({ hasText: "failing" })).toContainText(String(was.unavailable));
  await expect(page.locator("h1")).not.toContainText("A03");
  await inEachLook(page, "then");
  await page.setViewportSize({ width: 1180, height: 720 });
  await page.getByRole("link", { name: "ams1", exact: true }).click();
  await page.getByRole("link", { name: /^A03/ }).click();
  await expect(page.locator("h1")).toHaveText(/Rack A03: \d+ of 20 available/);
  await expect(page).toHaveURL(/at=20/);
  const copied = page.url();
  await page.getByRole("table").getByRole("link", { name: "ams1-a03-u21" }).click();
  await expect(page.locator("h1")).toContainText("ams1-a03-u21 available");
  const ack = page.getByRole("button", { name: "Ack", exact: true });
  await expect(ack).toHaveAttribute("title", "This is as it was: go back to now to do something.");
  await page.keyboard.press("a");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await page.getByRole("button", { name: "Back to now" }).click();
  await expect(page.locator("h1")).toContainText("failed at ping: net.timeout");
  await expect(note).not.toContainText("As it was");
  await opened(page, copied);
  await expect(page.locator("h1")).toHaveText(/Rack A03: \d+ of 20 available/);
});

test("what comes live does not change a moment, and pages that know only now show now", async ({ page }) => {
  await opened(page, `${rack}&at=${before}`);
  const shown = page.locator("tbody");
  await expect(shown).toContainText("ams1-a03-u21");
  const text = (await shown.textContent()) ?? "";
  await page.request.put("/api/v1/bmcs/ams1-a03-u21/ack", { data: { note: "later", who: "kim" } });
  await page.getByRole("navigation", { name: "pages" }).getByRole("link", { name: "Satellites" }).click();
  await expect(page).toHaveURL(/\/satellites$/);
  await expect(page.locator(".banners")).not.toContainText("As it was");
  await page.goBack();
  await expect(page.locator(".banners")).toContainText("As it was");
  await expect(shown).toHaveText(text);
  await page.request.delete("/api/v1/bmcs/ams1-a03-u21/ack");
});

test("by keyboard: an hour ago, another moment, one that cannot be, and an incident's beginning", async ({ page }) => {
  await open(page, "/");
  await page.keyboard.press("h");
  await expect(page).toHaveURL(/\?at=20\d\d-.*Z$/);
  await expect(page.locator("h1")).toContainText("No BMC of 500 fails, 500 unknown."); // the demo is younger
  await page.getByLabel("Another moment (UTC)").fill("2999-01-01T00:00");
  await expect(page.locator(".banners")).toContainText("is not past yet");
  await accessible(page, "a moment that cannot be");
  await page.goBack();
  await expect(page.locator(".banners")).not.toContainText("is not past yet");
  const [incident] = (await api(page, "/incidents?cause=rack&limit=1")).items;
  await open(page, `/incidents/${incident.id}`);
  await page.getByRole("link", { name: "the fleet then" }).first().click();
  await expect(page.locator(".banners")).toContainText("As it was");
  await expect(page.locator("h1")).toContainText("A03, 20 of 20");
});

test("on paper stand the address, the time with its zone, and the moment; nothing that can be pressed", async ({ page }) => {
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await opened(page, `${rack}&at=${before}`);
  await expect(page.locator(".printed")).toHaveText(new RegExp(`^http://.*${before} \\d\\d:\\d\\d:\\d\\d Z$`));
  await expect(page.locator(".banners")).toContainText("As it was");
  await expect(page.locator("tbody tr")).toHaveCount(20);
  expect(await page.locator("button:visible, input:visible, nav.places:visible").count()).toBe(0);
  expect(await page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color])).toEqual(["rgb(255, 255, 255)", "rgb(0, 0, 0)"]);
  expect((await page.pdf()).length).toBeGreaterThan(10_000);
  await page.emulateMedia({ media: "screen" });
  await expect(page.locator(".printed")).toBeHidden();
});
