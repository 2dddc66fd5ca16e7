// Where others can reach the console people sign in, and are offered what they may do.

import { writeFileSync } from "node:fs";
import { accessible, expect, test } from "./watch.js";

test.use({ baseURL: process.env.LAMPLIGHTER_GUARDED ?? "" });

test("a person signs in with a token, reads, is told why they may not act, and is shown when the token ended", async ({ page, context }) => {
  test.skip(!process.env.LAMPLIGHTER_GUARDED, "NOT TESTED: LAMPLIGHTER_GUARDED is not set");
  await page.goto("/");
  await expect(page.locator("#feed")).toContainText("SIGNED OUT");
  await accessible(page, "signed out");
  await page.getByLabel("Token").fill("lamp_WRONG");
  await page.keyboard.press("Enter");
  await expect(page.locator(".banner form [role=alert]")).toContainText("not known, or has expired");
  await page.getByLabel("Token").fill(process.env.LAMPLIGHTER_TOKEN ?? "");
  await page.keyboard.press("Enter");
  await expect(page.locator("#feed")).toContainText("Live");
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ name: "__Host-lamplighter", httpOnly: true, secure: true, sameSite: "Strict" });
  expect(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage }))).not.toContain("lamp_");
  const act = page.locator(".incidents button").first();
  await expect(act).toHaveAttribute("aria-disabled", "true");
  await expect(act).toHaveAttribute("title", "wall is a viewer: this wants an operator.");
  await act.click({ force: true });
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await accessible(page, "viewer");
  await page.getByRole("button", { name: "Sign out" }).click();
  await expect(page.locator("#feed")).toContainText("SIGNED OUT");
  expect(await context.cookies()).toEqual([]);
  await page.getByLabel("Token").fill(process.env.LAMPLIGHTER_TOKEN ?? "");
  await page.keyboard.press("Enter");
  await expect(page.locator("#feed")).toContainText("Live");
  await expect(page.locator("h1")).toContainText("50 BMCs failing");
  writeFileSync(process.env.LAMPLIGHTER_TOKENS ?? "", "");
  await expect(page.locator("#feed")).toContainText("SIGNED OUT", { timeout: 12_000 });
  await expect(page.locator(".banner")).toContainText("the token is not known, or has expired What is shown is last known.");
  await expect(page.locator("body")).toHaveClass(/lost/);
  await expect(page.locator("h1")).toContainText("50 BMCs failing");
});
