// Many at once: ticked in a table of BMCs or racks, or all that match; and what keys do on a picture.

import { accessible, api, believed, expect, open, test } from "./watch.js";

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
});

const rack = "/rack?site=ams1&room=hall-1&row=A&rack=A03";

test("BMCs that are ticked stay so on other pages and filters, and are acknowledged with their count shown before", async ({ page }) => {
  await open(page, rack);
  await page.getByRole("checkbox", { name: "Select ams1-a03-u39" }).check();
  await page.getByRole("checkbox", { name: "Select ams1-a03-u35" }).click({ modifiers: ["Shift"] });
  const bar = page.locator(".bulk");
  await expect(bar.getByRole("status")).toHaveText("3 selected");
  await page.locator("tbody tr").nth(5).getByRole("link").focus();
  await page.keyboard.press("x");
  await expect(bar.getByRole("status")).toHaveText("4 selected");
  for (const key of ["g", "f"]) await page.keyboard.press(key);
  await page.locator(".counter").filter({ hasText: "failing" }).click();
  await expect(page.locator("tbody tr").nth(20)).toBeVisible();
  await expect(page.getByRole("checkbox", { name: "Select ams1-a03-u37" })).toBeChecked();
  await page.evaluate(() => {
    history.pushState(null, "", "/search?where=health%3Ddegraded");
    dispatchEvent(new PopStateEvent("popstate"));
  });
  await expect(bar.getByRole("status")).toHaveText("4 selected, 4 of them not on this page");
  await page.keyboard.press("a");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("Acknowledge 4 BMCs: of 4 those that are not available");
  await dialog.getByLabel("Note").fill("one switch");
  await dialog.getByLabel("Your name").fill("kim");
  await page.route("**/api/v1/acks?*", (route) => route.fulfill({ status: 507, contentType: "application/problem+json", body: '{"title":"Insufficient Storage","detail":"the disk is full","status":507,"id":"X"}' }), { times: 1 });
  await dialog.getByRole("button", { name: "Acknowledge" }).click();
  await expect(dialog.getByRole("alert")).toContainText(/1 of 1 failed and stay selected: ams1-a03-u39, .*\(the disk is full\)/);
  await dialog.getByRole("button", { name: "Acknowledge" }).click();
  await expect(dialog).toBeHidden();
  await expect(bar.getByRole("status")).toHaveText("0 selected");
  await open(page, rack);
  await expect(page.locator("tbody tr").filter({ hasText: "kim" })).toHaveCount(4);
  for (const n of [39, 37, 35, 29]) await page.request.delete(`/api/v1/bmcs/ams1-a03-u${n}/ack`);
});

test("racks that are ticked, or all that match, are kept quiet as one filter, also from a later time on", async ({ page }) => {
  await open(page, "/site?site=ams1&view=table&sort=share");
  const bar = page.locator(".bulk");
  for (const name of ["A03", "A05"]) await page.getByRole("checkbox", { name: `Select rack ${name}` }).check();
  await page.getByRole("button", { name: "By place" }).click();
  await expect(bar.getByRole("status")).toHaveText("2 racks selected");
  await accessible(page, "racks selected");
  await page.keyboard.press("s");
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByRole("status")).toContainText("40 BMCs now");
  await expect(dialog.getByLabel("Which BMCs")).toHaveValue(/rack="A03" or .*rack="A05"/);
  const later = new Date(Date.now() + 3_600_000).toISOString().slice(0, 16);
  await dialog.getByLabel("Begins (UTC; empty: now)").fill(later);
  await dialog.getByLabel("Reason").fill("new rails");
  await dialog.getByLabel("Your name").fill("kim");
  await dialog.getByRole("button", { name: "Keep 40 quiet" }).click();
  await expect(dialog).toBeHidden();
  const [made] = (await api(page, "/silences")).items;
  expect([made.status, made.from.slice(0, 16), made.matched]).toEqual(["waits", later, 40]);
  await page.request.delete(`/api/v1/silences/${made.id}`);
  await bar.getByRole("button", { name: "All that match" }).click();
  const { total } = await api(page, "/summary?where=site%3Dams1");
  await expect(bar.getByRole("status")).toHaveText(`all ${total} that match`);
  await expect(page.getByRole("checkbox", { name: "Select rack A01" })).toBeChecked();
  await bar.getByRole("button", { name: "Recheck" }).click();
  await expect(dialog).toContainText(new RegExp(`Recheck ${total} BMCs.*4 at a time of each satellite, about \\d+`));
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("checkbox", { name: "Select rack A01" }).click();
  await expect(bar.getByRole("status")).toHaveText(/^[12] racks selected|^3 racks selected/);
});

test("many are checked again with what is left told, and those that could not be are tried again", async ({ page }) => {
  await open(page, "/rack?site=ams1&room=hall-1&row=A&rack=A08");
  await page.getByRole("checkbox", { name: "all shown" }).check();
  await expect(page.locator(".bulk").getByRole("status")).toHaveText("20 selected");
  let asked = 0;
  await page.route("**/api/v1/rechecks?*", (route) => {
    if (asked++ !== 1) return route.continue();
    const line = { at: "2026-11-27T00:00:00Z", count: 20, failed: 1, estimate_s: 0 };
    return route.fulfill({ contentType: "application/x-ndjson", body: [{ ...line, kind: "bmc", left: 1, bmc: "ams1-a08-u01", text: "nobody answered" }, { ...line, kind: "done", left: 0 }].map((step) => `${JSON.stringify(step)}\n`).join("") });
  });
  await page.keyboard.press("r");
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Recheck" }).click();
  await expect(dialog.locator("li")).toHaveText("ams1-a08-u01 nobody answered");
  await dialog.getByRole("button", { name: "Try 1 again" }).click();
  await expect(dialog).toContainText("Recheck 1 BMC");
  await dialog.getByRole("button", { name: "Recheck" }).click();
  await expect(dialog.getByRole("status")).toContainText(/1 of 1 checked, \d of them not available\./, { timeout: 20_000 });
  await accessible(page, "rechecked");
  expect((await api(page, "/audit?limit=1")).items[0]).toMatchObject({ do: "recheck", count: 1, where: 'bmc="ams1-a08-u01"' });
});

test("arrow keys go over a picture of BMCs, which is one stop, and Enter opens; ] goes to the next that fails", async ({ page }) => {
  await open(page, "/");
  const picture = page.getByRole("application", { name: "map of ams1" });
  await picture.focus();
  const told = page.locator(".card").filter({ has: picture }).getByRole("status");
  await expect(told).toContainText(/ams1 \w+ U\d+ ams1-\w+-u\d+, failed at \w+/);
  await expect(page.locator(".ring:visible")).toHaveCount(1);
  const before = await told.textContent();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  await expect(told).not.toHaveText(before ?? "");
  await expect(told).toContainText(/ams1-\w+-u\d+, /);
  const id = /(ams1-\w+-u\d+)/.exec((await told.textContent()) ?? "")?.[1] ?? "?";
  await accessible(page, "picture");
  await page.keyboard.press("Enter");
  await expect(page.locator("h1 .id")).toHaveText(id);
  await page.keyboard.press("]");
  await expect(page.locator("h1 .id")).not.toHaveText(id);
  await expect(page.locator("h1")).toContainText("failed at");
  const first = await page.locator("h1 .id").textContent();
  await page.keyboard.press("]");
  await expect(page.locator("h1 .id")).not.toHaveText(first ?? "");
  await page.keyboard.press("[");
  await expect(page.locator("h1 .id")).toHaveText(first ?? "");
  await page.keyboard.press("Control+k");
  await page.getByRole("searchbox", { name: "Find what to do" }).fill("silences");
  await page.keyboard.press("Enter");
  await expect(page.locator("h1")).toContainText(/kept quiet/);
});

test("on a wall nothing can be pressed", async ({ page }) => {
  await open(page, "/?kiosk=1");
  await expect(page.locator("h1")).toContainText("500 BMCs failing");
  expect(await page.locator("button:visible, input:visible").count()).toBe(0);
  await page.keyboard.press("a");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await accessible(page, "wall");
});

test("on a phone what is done lies under the thumb, large enough for it", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 844 });
  await open(page, "/bmc?id=ams1-a03-u21");
  for (const name of ["Recheck", "Ack", "Silence"]) {
    const box = await page.locator(".thumb").getByRole("button", { name, exact: true }).boundingBox();
    expect(box && box.height >= 44 && box.y > 600 && box.x + box.width <= 390, `${name} ${JSON.stringify(box)}`).toBe(true);
  }
  await page.locator(".thumb").getByRole("button", { name: "Silence" }).click();
  await expect(page.getByLabel("For how long")).toHaveValue("2h");
});
