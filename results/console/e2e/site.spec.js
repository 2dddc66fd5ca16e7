// A site: its last day, its BMCs grouped, what is ticked in the address; and times in a site's own zone.

import { accessible, api, believed, expect, inEachLook, open, test } from "./watch.js";

const rack = "/rack?site=ams1&room=hall-1&row=A&rack=A03";

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
});

test("the last day of each site, and of each BMC of a rack, is drawn and said, after all else", async ({ page }) => {
  await open(page, "/");
  await expect(page.locator(".card .day")).toHaveCount(3);
  const [ams1] = (await api(page, "/strips")).items;
  expect(ams1.worst).toBeGreaterThanOrEqual(20);
  await expect(page.locator(".card").filter({ hasText: "ams1" }).locator(".day title")).toHaveText(/^24 h: at most \d+ of 200 failing, .+ ago$/, { useInnerText: false });
  await open(page, rack);
  await expect(page.locator("tbody .day")).toHaveCount(20);
  await expect(page.locator("tbody .day title").first()).toHaveText(/^24 h: unknown .+, failed at ping 30 min$/, { useInnerText: false });
  await accessible(page, "strips");
});

test("a site's BMCs are grouped by what they have, each group leads to its BMCs, and the address says it", async ({ page }) => {
  await open(page, "/site?site=ams1");
  await page.getByLabel("Group by").fill("vendor");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/by=vendor/);
  const { items } = await api(page, "/groups?where=site%3Dams1&by=vendor");
  const rows = page.getByRole("region", { name: "groups" }).locator("tbody tr");
  await expect(rows).toHaveCount(items.length);
  await inEachLook(page, "groups");
  const least = [...items].sort((a, b) => a.total - b.total)[0];
  await page.setViewportSize({ width: 1180, height: 720 });
  await rows.getByRole("link", { name: least.value || "none", exact: true }).click();
  await expect(page.locator("h1")).toContainText(`${least.total} BMC${least.total === 1 ? "" : "s"}: site="ams1" and ${least.where}`);
  await page.goBack();
  await expect(rows).toHaveCount(items.length);
  await page.getByLabel("Group by").fill("colour");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("want a field that is no time and no address");
  await page.getByLabel("Group by").fill("");
  await page.keyboard.press("Enter");
  await expect(page.locator(".tile").first()).toBeVisible();
});

test("t shows a site's racks as a table, and as a map again", async ({ page }) => {
  await open(page, "/site?site=ams1");
  await page.keyboard.press("t");
  await expect(page).toHaveURL(/view=table/);
  await expect(page.locator("tbody tr").first()).toBeVisible();
  await page.keyboard.press("t");
  await expect(page.locator(".tile").first()).toBeVisible();
});

test("what is ticked stands in the address: who gets it has the same ticked", async ({ page, elsewhere }) => {
  await open(page, rack);
  for (const n of [39, 37]) await page.getByRole("checkbox", { name: `Select ams1-a03-u${n}` }).check();
  await expect(page).toHaveURL(/sel=ams1-a03-u39%2Cams1-a03-u37/);
  const other = await elsewhere();
  await other.goto(page.url());
  await expect(other.locator(".bulk").getByRole("status")).toHaveText("2 selected");
  await expect(other.getByRole("checkbox", { name: "Select ams1-a03-u37" })).toBeChecked();
  await other.getByRole("button", { name: "Clear selection" }).click();
  await expect(other).toHaveURL(/rack=A03$/);
});

test.describe("zones", () => {
  test.use({ baseURL: process.env.LAMPLIGHTER_INVENTORY ?? "" });
  test("times are shown in UTC, here, or at a site, and each says in which", async ({ page }) => {
    test.skip(!process.env.LAMPLIGHTER_INVENTORY, "NOT TESTED: LAMPLIGHTER_INVENTORY is not set");
    await open(page, "/inventory");
    const made = page.getByRole("region", { name: "inventories" }).locator("tbody tr").first();
    await expect(made).toContainText(/made (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d Z/);
    await page.getByLabel("Times are shown in").selectOption("ams1: Europe/Amsterdam");
    await expect(made).toContainText(/\d\d:\d\d:\d\d \+0[12]:00 Amsterdam/);
    await page.getByLabel("Times are shown in").selectOption("local time");
    await expect(made).toContainText(/\d\d:\d\d:\d\d [+-]\d\d:\d\d(?! Amsterdam)/);
    await accessible(page, "zones");
  });
});

test("where no CMDB is followed the page of the inventory says where the list comes from", async ({ page }) => {
  await open(page, "/inventory");
  await expect(page.locator("h1")).toHaveText("The list is a file with 500 BMCs; no CMDB is followed.");
  await expect(page.getByRole("table")).toHaveCount(0);
});
