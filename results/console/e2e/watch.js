// A page that is watched: what the policy refused, what went to another host, and what broke make its test fail.

import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect } from "@playwright/test";

/** @typedef {import("@playwright/test").Page} Page */

export const test = base.extend({
  page: async ({ page, baseURL }, use) => {
    /** @type {string[]} */
    const wrong = [];
    page.on("console", (message) => {
      if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) wrong.push(`console: ${message.text()}`);
    });
    page.on("pageerror", (err) => wrong.push(`broke: ${err.stack}`));
    page.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (origin !== new URL(baseURL ?? "").origin && protocol !== "data:") wrong.push(`asked ${request.url()}`);
    });
    page.on("dialog", (dialog) => wrong.push(`a dialog: ${dialog.message()}`));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
    });
    await use(page);
    expect(wrong).toEqual([]);
  },
});

export { expect };

/** Opens a page and waits until it shows what is live. @param {Page} page @param {string} url */
export async function open(page, url) {
  await page.goto(url);
  await expect(page.locator("#feed")).toContainText("Live");
  await expect(page.locator("h1")).not.toContainText("…");
}

/** Lines that are made as those before them are: axe takes seconds for a hundred of them. */
const more = ["tbody tr:nth-child(n+7)", ".pick li:nth-child(n+7)", ".hits li:nth-child(n+7)", ".unit:nth-child(n+7)", ".tile:nth-child(n+13)", ".scale span:nth-child(n+7)"];

/** Wants that axe finds nothing. @param {Page} page @param {string} what @param {string[]} [rules] these alone */
export async function accessible(page, what, rules) {
  const axe = new AxeBuilder({ page });
  for (const lines of more) axe.exclude(lines);
  const { violations } = await (rules ? axe.withRules(rules) : axe.withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"])).analyze();
  expect(violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 3).map((n) => `  ${n.target}: ${n.failureSummary}`).join("\n")}`), what).toEqual([]);
}

const looks = {
  light: { colorScheme: "light", width: 1180, height: 720 },
  dark: { colorScheme: "dark", width: 1180, height: 720 },
  phone: { colorScheme: "light", width: 390, height: 844 },
};

/** Looks at a page in light, dark and as a phone; in dark only the colours are others. With LAMPLIGHTER_SHOTS it makes pictures. @param {Page} page @param {string} name */
export async function inEachLook(page, name) {
  await expect(page.locator("main")).not.toContainText("undefined");
  for (const [look, { colorScheme, width, height }] of Object.entries(looks)) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: /** @type {"light" | "dark"} */ (colorScheme) });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${look}: it scrolls to the side`).toBeLessThanOrEqual(0);
    if (process.env.LAMPLIGHTER_SHOTS) {
      await page.waitForTimeout(600);
      await page.screenshot({ path: `${process.env.LAMPLIGHTER_SHOTS}/${name}-${look}.png` });
    }
    await accessible(page, `${name} ${look}`, look === "dark" ? ["color-contrast"] : undefined);
  }
}

/** What the API says. @param {Page} page @param {string} path */
export const api = async (page, path) => (await page.request.get(`/api/v1${path}`)).json();

/** Waits until the demo's dead rack is believed to be dead. @param {Page} page */
export async function believed(page) {
  await expect.poll(async () => (await api(page, "/summary?where=site%3Dams1%20and%20rack%3DA03%20and%20health%3Dunavailable")).total, { timeout: 130_000, intervals: [1000] }).toBe(20);
}
