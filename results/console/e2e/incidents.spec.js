// Incidents and silences: found, opened, taken, kept quiet; by mouse, by keyboard, and in each look.

import { api, believed, expect, inEachLook, open, test } from "./watch.js";

/** @typedef {import("@playwright/test").APIRequestContext} Asker */

/** The incident of the demo's dead rack. @param {{ request: Asker }} page */
const rackOf = async (page) => (await api(page, "/incidents?cause=rack&limit=1")).items[0];

/** Ends what is kept quiet. @param {{ request: Asker }} page */
async function loud(page) {
  for (const { id } of (await api(page, "/silences")).items) await page.request.delete(`/api/v1/silences/${id}`);
}

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
  await expect.poll(async () => (await rackOf({ request }))?.failing, { timeout: 60_000 }).toBe(20);
  await loud({ request });
});

for (const name of ["incidents", "incident", "silences", "silence"]) {
  test(`${name} says what it is about, in light, dark and on a phone, and axe finds nothing`, async ({ page }) => {
    test.setTimeout(90_000);
    const rack = await rackOf(page);
    if (name === "silences") {
      await page.request.post("/api/v1/silences", { data: { kind: "silence", where: 'rack="A09"', for: "2h", reason: "old TLS, known", who: "kim", ticket: "OPS-812" } });
      await page.request.post("/api/v1/silences", { data: { kind: "maintenance", where: 'site="sin1" and rack="A04"', for: "10m", reason: "new PDUs", who: "lee" } });
    }
    await open(page, name === "incidents" || name === "silences" ? `/${name}` : `/incidents/${rack.id}`);
    if (name === "silence") await page.getByRole("button", { name: "Silence", exact: true }).click();
    const wants = { incidents: /Incidents: \d+ open, \d+ acknowledged/, incident: rack.title, silences: /2 kept quiet now: 40 BMCs/, silence: rack.title }[name];
    await expect(page.locator("h1")).toContainText(wants ?? "");
    if (name === "silence") await expect(page.getByRole("dialog")).toContainText("20 BMCs now, 20 of them fail.");
    await inEachLook(page, name);
    await loud(page);
  });
}

test("an incident's page has its counts, evidence, BMCs and what happened, and its address opens it for others", async ({ page }) => {
  const rack = await rackOf(page);
  await open(page, "/");
  await page.locator(".incidents li").first().getByRole("link", { name: rack.title }).click();
  await expect(page).toHaveURL(new RegExp(`/incidents/${rack.id}$`));
  for (const text of [rack.counted, rack.next_step, `Owner: ${rack.owner}`]) await expect(page.locator(".hint")).toContainText(text);
  await expect(page.locator(".evidence-lines li").first()).toContainText("ping 127.");
  await expect(page.locator("tbody tr")).toHaveCount(20);
  await expect(page.locator(".changes")).toContainText("It became an incident");
  await page.getByRole("link", { name: "ams1-a03-u21" }).first().click();
  await expect(page.locator("h1")).toContainText("ams1-a03-u21");
  await page.getByRole("link", { name: rack.title }).click();
  await expect(page.locator(".path")).toContainText(rack.id);
  await expect(page.getByRole("button", { name: "Recheck 20" })).toBeEnabled();
  await page.keyboard.press("r");
  await expect(page.getByRole("dialog")).toContainText(/Recheck 20 BMCs.*4 at a time of each satellite/);
  await page.keyboard.press("Escape");
  await page.getByRole("navigation", { name: "where this is" }).getByRole("link", { name: "A03" }).click();
  await expect(page.getByRole("list", { name: "its incidents" })).toContainText(rack.title);
});

test("an incident that nobody knows is said to be unknown, and can be asked for again", async ({ page }) => {
  await open(page, "/incidents/inc-19990101-none");
  await expect(page.getByRole("alert")).toContainText(/Not Found no incident with the ID .* request [A-Z0-9]+/);
  await expect(page.locator("h1")).toHaveText("This incident is not known.");
});

test("filters stand in the address, act on what is exported, and can be cleared", async ({ page }) => {
  await open(page, "/incidents");
  await page.getByLabel("cause", { exact: true }).selectOption("rack");
  await page.getByLabel("site", { exact: true }).selectOption("ams1");
  await expect(page).toHaveURL(/cause=rack&site=ams1/);
  await expect(page.locator(".pick li")).toHaveCount(1);
  const csv = await (await page.request.get((await page.getByRole("link", { name: "CSV", exact: true }).getAttribute("href")) ?? "")).text();
  expect(csv.trim().split("\n").length).toBe(2);
  await open(page, page.url());
  await expect(page.getByLabel("cause", { exact: true })).toHaveValue("rack");
  await expect(page.locator(".pick li")).toHaveCount(1);
  await page.getByLabel("site", { exact: true }).selectOption("sin1");
  await expect(page.locator(".empty")).toContainText("None matches");
  await page.getByRole("link", { name: "Clear filter" }).click();
  await expect(page.getByLabel("cause", { exact: true })).toHaveValue("");
  await expect(page.locator(".pick li").nth(3)).toBeVisible();
});

test("a selection survives what comes live and other filters, and is acknowledged with its count shown before", async ({ page }) => {
  await open(page, "/incidents?site=fra1");
  const ids = (await api(page, "/incidents?site=fra1&status=open&limit=3")).items;
  await page.getByRole("checkbox", { name: `Select ${ids[0].title}` }).check();
  await page.getByRole("checkbox", { name: `Select ${ids[2].title}` }).click({ modifiers: ["Shift"] });
  await expect(page.getByRole("status").filter({ hasText: "selected" })).toContainText("3 selected, 3 BMCs fail in them");
  await page.request.put(`/api/v1/incidents/${ids[1].id}/ack`, { data: { note: "live", who: "lee" } });
  await expect(page.getByRole("button", { name: "acknowledged" })).toContainText("1");
  await page.getByLabel("site", { exact: true }).selectOption("");
  await expect(page.getByRole("checkbox", { name: `Select ${ids[0].title}` })).toBeChecked();
  await page.keyboard.press("a");
  await expect(page.getByRole("dialog")).toContainText("Acknowledge 3 incidents with 3 failing BMCs");
  await page.getByLabel("Note").fill("one firmware");
  await page.getByLabel("Your name").fill("kim");
  await page.route(`**/incidents/${ids[2].id}/ack`, (route) => route.fulfill({ status: 409, contentType: "application/problem+json", body: '{"title":"Conflict","detail":"it is closed","status":409,"id":"X"}' }), { times: 1 });
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText(`1 of 3 failed and stay selected: ${ids[2].title} (it is closed)`);
  await expect(page.getByRole("status").filter({ hasText: "selected" })).toContainText("1 selected");
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await expect(page.getByRole("dialog")).toBeHidden();
  await page.getByRole("button", { name: "acknowledged" }).click();
  await expect(page.locator(".pick li")).toHaveCount(3);
  await expect(page.locator(".pick li").first()).toContainText("acknowledged: kim");
  for (const { id } of ids) await page.request.delete(`/api/v1/incidents/${id}/ack`);
  await expect(page.locator(".empty")).toContainText("None is acknowledged");
});

test("by keyboard: to the incidents, one opened, taken, kept quiet, and loud again", async ({ page }) => {
  const rack = await rackOf(page);
  await open(page, "/");
  for (const key of ["g", "i"]) await page.keyboard.press(key);
  await expect(page.locator(".pick li").first()).toContainText(rack.title);
  await page.keyboard.press("j");
  await expect(page.locator(":focus")).toHaveText(rack.title);
  await page.keyboard.press("x");
  await expect(page.getByRole("checkbox", { name: `Select ${rack.title}` })).toBeChecked();
  await page.keyboard.press("Enter");
  await expect(page.locator(".path")).toContainText(rack.id);
  await expect(page.locator("tbody tr")).toHaveCount(20);
  await page.keyboard.press("s");
  const dialog = page.getByRole("dialog");
  await expect(dialog).toContainText("20 BMCs now, 20 of them fail.");
  await expect(dialog.getByLabel("Which BMCs")).toHaveValue('site="ams1" and room="hall-1" and row="A" and rack="A03"');
  await dialog.getByLabel("Which BMCs").fill("rack=A03 and incident=x");
  await expect(dialog.getByRole("status")).toContainText("a silence holds for BMCs by what they are");
  await dialog.getByLabel("Which BMCs").fill("site=ams1 and rack=A03");
  await expect(dialog).toContainText("20 BMCs now");
  await dialog.getByLabel("Reason").fill("<b>switch</b> is being replaced");
  await dialog.getByLabel("Your name").fill("kim");
  await dialog.getByRole("button", { name: "Keep 20 quiet" }).press("Enter");
  await expect(page.locator(".asides")).toContainText("Silenced until");
  for (const key of ["g", "z"]) await page.keyboard.press(key);
  await expect(page.locator(".silences li")).toContainText("<b>switch</b> is being replaced");
  await expect(page.locator(".silences li")).toContainText(/20 BMCs, 20 fail.*kim.*left/);
  await page.getByRole("button", { name: /^End it: the silence/ }).press("Enter");
  await expect(page.locator("h1")).toHaveText("Nothing is kept quiet.");
  await page.getByRole("button", { name: "Over" }).press("Enter");
  await expect(page.locator(".silences li").first()).toContainText("ended by");
});

test("who reads alone is told why they may not act", async ({ page }) => {
  await page.route("**/api/v1/me", (route) => route.fulfill({ json: { name: "wall", scope: "viewer", local: false } }));
  await open(page, `/incidents/${(await rackOf(page)).id}`);
  const ack = page.getByRole("button", { name: "Ack" });
  await expect(ack).toHaveAttribute("aria-disabled", "true");
  await expect(ack).toHaveAttribute("title", "wall is a viewer: this wants an operator.");
  await page.keyboard.press("s");
  await expect(page.getByRole("dialog")).toBeHidden();
});
