// The questions that an operator has at 3 a.m., within so many clicks, by mouse and by keyboard.

import { accessible, api, expect, open, test } from "./watch.js";

test("is anything on fire, and where: 0 clicks", async ({ page }) => {
  await open(page, "/");
  await expect(page.locator("h1")).toContainText(/\d+ incidents?\. \d+ of 500 BMCs failing\. Worst: ams1 A03, 20 of 20 \(all at ping\)\./);
});

test("one BMC, a rack, or more: in the incident's line, 0 clicks", async ({ page }) => {
  await open(page, "/");
  const [first] = (await api(page, "/incidents?limit=1")).items;
  const line = page.locator(".incidents li").first();
  await expect(line).toContainText(first.title);
  await expect(line).toContainText(`${first.counted}, ${first.owner}`);
  await expect(line).toContainText(`${first.failing} of ${first.total}`);
});

test("why does this BMC fail: rack, then BMC, 3 clicks", async ({ page }) => {
  await open(page, "/");
  await page.getByRole("link", { name: "ams1", exact: true }).click();
  await page.getByRole("link", { name: /^A03/ }).click();
  await page.getByRole("table").getByRole("link", { name: "ams1-a03-u21" }).click();
  await expect(page.locator(".step.failed")).toContainText("net.timeout");
  await expect(page.locator(".step.failed .error")).toContainText("no answer");
  await expect(page.locator(".hint")).toContainText(/Next: .+\. Owner: \w+/);
  await expect(page.locator(".step.skipped").first()).toContainText("not reached");
  await page.goBack();
  await expect(page.locator("h1")).toContainText("Rack A03");
});

test("the same by keyboard alone", async ({ page }) => {
  await open(page, "/");
  await page.keyboard.press("/");
  await expect(page.locator("#search")).toBeFocused();
  await page.keyboard.type("ams1-a03-u21");
  await page.keyboard.press("Enter");
  await expect(page.locator(".step.failed")).toContainText("net.timeout");
  await page.keyboard.press("Escape");
  await page.keyboard.press("u");
  await expect(page.locator("h1")).toContainText("Rack A03");
  await expect(page.locator("tbody tr")).toHaveCount(20);
  await page.keyboard.press("j");
  await expect(page.locator(":focus")).toHaveAttribute("href", /\/bmc\?id=ams1-a03-u39/);
  await page.keyboard.press("Enter");
  await expect(page.locator("h1")).toContainText("ams1-a03-u39");
  await page.keyboard.press("g");
  await page.keyboard.press("f");
  await expect(page.locator("h1")).toContainText("500 BMCs");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toContainText("acknowledge");
  await accessible(page, "help");
});

test("single keys can be switched off", async ({ page }) => {
  await open(page, "/");
  await page.keyboard.press("?");
  await page.getByRole("checkbox").uncheck();
  await page.getByRole("button", { name: "Close" }).click();
  await page.locator("h1").click();
  await page.keyboard.press("/");
  await expect(page.locator("#search")).not.toBeFocused();
});

test("is what I see current: the feed's age and the checks' age, 0 clicks", async ({ page }) => {
  await open(page, "/");
  await expect(page.locator("#feed")).toHaveText(/^Live \d s$/);
  await expect(page.locator(".checked")).toHaveText(/^checked \d+ s ago$/);
});

test("who is on it: an acknowledgement is seen everywhere, in other tabs too", async ({ page, context }) => {
  const id = "ams1-a03-u01";
  const other = await context.newPage();
  await open(other, "/rack?site=ams1&room=hall-1&row=A&rack=A03");
  await open(page, `/bmc?id=${id}`);
  await page.keyboard.press("a");
  await page.getByLabel("Note").fill("cable ordered <b>now</b>");
  await page.getByLabel("Your name").fill("ada");
  await accessible(page, "dialog");
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await expect(page.locator(".asides")).toContainText("ada is on it: cable ordered <b>now</b>");
  await expect(other.locator("tbody tr").filter({ hasText: id })).toContainText("ada");
  expect((await api(page, "/audit?limit=5")).items.some((/** @type {any} */ act) => act.do === "ack" && act.who === "ada")).toBe(true);
  await page.getByRole("button", { name: "Take back" }).click();
  await expect(other.locator("tbody tr").filter({ hasText: id })).not.toContainText("ada");
  await other.close();
});

test("did my fix work: r, and its steps tick live", async ({ page }) => {
  await open(page, "/bmc?id=ams1-a08-u01");
  const asked = Date.now();
  await page.keyboard.press("r");
  await expect(page.locator(".running")).toBeVisible();
  expect(Date.now() - asked).toBeLessThan(1500);
  await expect(page.locator(".running .step.ok").first()).toContainText("ping");
  await expect(page.locator(".running h2")).toContainText("Rechecked", { timeout: 15_000 });
  await expect(page.locator(".running .step")).not.toHaveCount(0);
});

test("the address is the state: a view opened from its address is the same", async ({ page }) => {
  await open(page, "/site?site=ams1");
  await page.getByRole("button", { name: "Table" }).click();
  await page.getByRole("button", { name: "Worst first" }).click();
  await page.getByRole("button", { name: "Only problems" }).click();
  const rows = await page.locator("tbody tr td:nth-child(4)").allTextContents();
  expect(rows[0]).toBe("A03");
  await open(page, page.url());
  expect(await page.locator("tbody tr td:nth-child(4)").allTextContents()).toEqual(rows);
});

test("a counter leads to what it counts", async ({ page }) => {
  await open(page, "/");
  await page.locator(".counter").filter({ hasText: "degraded" }).click();
  const { degraded } = await api(page, "/summary");
  await expect(page.locator("tbody tr")).toHaveCount(degraded);
});
