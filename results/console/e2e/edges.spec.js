// What a stranger stumbles over: paper, a wall, names without end, racks that are fuller than most, addresses that lead nowhere.

import { proxy } from "./proxy.js";
import { accessible, api, believed, expect, open, test } from "./watch.js";

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
});

test("on paper and on a wall an incident's line has its columns where they were", async ({ page }) => {
  const narrowest = () => page.locator(".pick .what").first().evaluate((what) => what.getBoundingClientRect().width);
  await open(page, "/incidents");
  await expect(page.locator(".pick li").first()).toBeVisible();
  await page.emulateMedia({ media: "print" });
  expect(await narrowest()).toBeGreaterThan(300);
  await page.emulateMedia({ media: "screen" });
  await open(page, "/incidents?kiosk=1");
  await expect(page.locator(".pick li").first()).toBeVisible();
  expect(await narrowest()).toBeGreaterThan(300);
});

test("a name of 200 letters makes no page wider, and a rack of 100 BMCs fills its tile", async ({ page }) => {
  const site = "s".repeat(200);
  await page.route("**/api/v1/map", async (route) => {
    const map = await (await route.fetch()).json();
    for (const rack of map.racks) if (rack.site === "ams1") Object.assign(rack, { site, letters: rack.rack === "A03" ? "P".repeat(100) : rack.letters });
    await route.fulfill({ json: { ...map, marks: {} } });
  });
  for (const width of [1180, 390]) {
    await page.setViewportSize({ width, height: 800 });
    await open(page, "/incidents");
    await expect(page.getByLabel("site").locator("option")).toHaveCount(4);
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
  }
  await page.setViewportSize({ width: 1180, height: 800 });
  await open(page, `/site?site=${site}`);
  const full = page.locator(".tile", { hasText: "A03" }).locator("canvas");
  await expect(full).toHaveCSS("height", "200px");
  const painted = await full.evaluate((canvas) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (canvas);
    const { data } = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (canvas).getContext("2d")).getImageData(0, 0, width, height);
    return data.filter((value, i) => i % 4 === 3 && value).length / (width * height);
  });
  expect(painted).toBeGreaterThan(0.3);
  const tops = await page.locator(".tile .bar").evaluateAll((bars) => bars.map((bar) => bar.getBoundingClientRect().top - (bar.parentElement?.getBoundingClientRect().top ?? 0)));
  expect(Math.max(...tops)).toBeLessThan(60);
});

test("a BMC's own web page is one click away, and is not told where the click was", async ({ page }) => {
  await open(page, "/bmc?id=ams1-a05-u21");
  const { state } = await api(page, "/bmcs/ams1-a05-u21");
  const link = page.getByRole("link", { name: "Open BMC" });
  await expect(link).toHaveAttribute("href", `https://${state.address}/`);
  await expect(link).toHaveAttribute("rel", "noreferrer");
  await expect(link).toHaveAttribute("target", "_blank");
  await page.route("**/api/v1/bmcs/ams1-a05-u19", async (route) => {
    const detail = await (await route.fetch()).json();
    await route.fulfill({ json: { ...detail, state: { ...detail.state, address: "fd00::7" } } });
  });
  await open(page, "/bmc?id=ams1-a05-u19");
  await expect(link).toHaveAttribute("href", "https://[fd00::7]/");
  await page.context().grantPermissions(["clipboard-write"]);
  await page.getByRole("button", { name: "Copy link" }).click();
  await expect(page.getByRole("button", { name: "Copied" })).toBeVisible();
});

test("g s goes to the site of what is shown, and from the fleet to the first", async ({ page }) => {
  for (const [from, to] of [["/bmc?id=fra1-a01-u01", "fra1"], ["/rack?site=sin1&room=hall-1&row=A&rack=A03", "sin1"], ["/", "ams1"]]) {
    await open(page, /** @type {string} */ (from));
    await page.keyboard.press("g");
    await page.keyboard.press("s");
    await expect(page.locator("h1")).toContainText(`${to}: `);
  }
});

test("an address that leads nowhere is a page that says so, and a filter that is none does not look for ever", async ({ page }) => {
  const answer = await page.goto("/nosuch");
  expect(answer?.status()).toBe(404);
  await expect(page.locator("h1")).toHaveText("There is no such page.");
  await accessible(page, "no such page");
  await page.getByRole("link", { name: "Lamplighter" }).click();
  await expect(page.locator("h1")).toContainText("BMCs failing");
  await page.goto("/search?where=heath%3D1");
  await expect(page.getByRole("alert")).toContainText("is health meant?");
  await expect(page.locator("h1")).toHaveText("BMCs: not known.");
});

test("what changed while nothing was heard is outlined until that is no longer said", async ({ elsewhere, page, baseURL }) => {
  const before = await proxy(baseURL ?? "");
  const far = await elsewhere({ baseURL: before.url });
  await open(far, "/rack?site=ams1&room=hall-1&row=A&rack=A05");
  await expect(far.locator(".unit")).toHaveCount(20);
  before.become("answers 502");
  await expect(far.locator("#feed")).toContainText("NO FEED");
  const ack = "/api/v1/bmcs/ams1-a05-u21/ack";
  expect((await page.request.put(ack, { data: { note: "looking", who: "ada" } })).status()).toBe(200);
  before.become("passes");
  await expect(far.locator(".banners")).toContainText(/Reconnected, [1-9]\d* changed/);
  await expect(far.locator(".unit.fresh", { hasText: "ams1-a05-u21" })).toHaveCSS("outline-style", "solid");
  await expect(far.locator(".unit:not(.fresh)").first()).toBeVisible();
  await far.keyboard.press("u");
  await expect(far.locator(".tile.fresh", { hasText: "A05" })).toBeVisible();
  await far.keyboard.press("u");
  await expect(far.locator(".card.fresh", { hasText: "ams1" })).toBeVisible();
  await expect(far.locator(".fresh")).toHaveCount(0);
  await expect(far.locator(".banners")).not.toContainText("Reconnected");
  await page.request.delete(ack);
  before.close();
});

test("a BMC that somebody is on looks the same in a list, in its rack and on its page", async ({ page }) => {
  const ack = "/api/v1/bmcs/ams1-a05-u35/ack";
  expect((await page.request.put(ack, { data: { note: "looking", who: "ada" } })).status()).toBe(200);
  await open(page, "/search?where=bmc%3Dams1-a05-u35");
  await expect(page.locator("tbody .code")).toHaveText("Ta");
  await open(page, "/bmc?id=ams1-a05-u35");
  await expect(page.locator("h1 .code")).toHaveText("Ta");
  await open(page, "/rack?site=ams1&room=hall-1&row=A&rack=A05");
  await expect(page.locator(".unit", { hasText: "ams1-a05-u35" }).locator("b")).toHaveText("Ta");
  await page.request.delete(ack);
});

test("who signs in has time to type: the form stays while the server is asked again, and says what was wrong", async ({ elsewhere }) => {
  const guarded = process.env.LAMPLIGHTER_GUARDED ?? "";
  test.skip(!guarded, "NOT TESTED: LAMPLIGHTER_GUARDED is not set");
  const page = await elsewhere({ baseURL: guarded });
  await page.goto("/");
  const token = page.getByLabel("Token");
  await token.pressSequentially("lamp_of-nobody");
  for (let asked = 0; asked < 3; asked++) await page.waitForResponse("**/api/v1/map", { timeout: 30_000 });
  await expect(token).toHaveValue("lamp_of-nobody");
  await expect(token).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(page.locator(".banners")).toContainText("the token is not known");
  for (let asked = 0; asked < 3; asked++) await page.waitForResponse("**/api/v1/map", { timeout: 30_000 });
  await expect(page.locator(".banners")).toContainText("the token is not known");
});
