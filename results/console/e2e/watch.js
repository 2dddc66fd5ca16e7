// A page that is watched: what the policy refused, what went to another host, and what broke make its test fail.

import { AxeBuilder } from "@axe-core/playwright";
import { test as base, expect } from "@playwright/test";

/** @typedef {import("@playwright/test").Page} Page */
/** @typedef {import("@playwright/test").APIRequestContext} Asker */
/** @typedef {(options?: import("@playwright/test").BrowserContextOptions) => Promise<Page>} Elsewhere */

/**
 * Watches all pages of a context, those that are opened later, too: what is said of them stands in the list.
 * @param {import("@playwright/test").BrowserContext} context @param {string} home the only server that may be asked
 */
export async function watched(context, home) {
  /** @type {string[]} */
  const wrong = [];
  context.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text())) wrong.push(`console: ${message.text()}`);
  });
  context.on("weberror", (err) => wrong.push(`broke: ${err.error().stack}`));
  context.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== new URL(home).origin && protocol !== "data:") wrong.push(`asked ${request.url()}`);
  });
  context.on("dialog", (dialog) => {
    wrong.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await context.addInitScript(() => {
    Object.assign(window, { pwned: (/** @type {number} */ n) => console.error(`attack ${n} ran`) });
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
  });
  return wrong;
}

export const test = base.extend(/** @type {import("@playwright/test").Fixtures<{ elsewhere: Elsewhere }, {}, import("@playwright/test").PlaywrightTestArgs & import("@playwright/test").PlaywrightTestOptions, import("@playwright/test").PlaywrightWorkerArgs>} */ ({
  context: async ({ context, baseURL }, use) => {
    const wrong = await watched(context, baseURL ?? "");
    await use(context);
    expect(wrong).toEqual([]);
  },
  /** Gives a page of another browser, which shares nothing with the first, and is watched as well. */
  elsewhere: async ({ browser, baseURL }, use) => {
    /** @type {{ context: import("@playwright/test").BrowserContext, wrong: string[] }[]} */
    const all = [];
    await use(async (options) => {
      const context = await browser.newContext(options);
      all.push({ context, wrong: await watched(context, options?.baseURL ?? baseURL ?? "") });
      return context.newPage();
    });
    for (const { context } of all) await context.close();
    expect(all.flatMap(({ wrong }) => wrong)).toEqual([]);
  },
}));

export { expect };

/** Opens a page and waits until it shows what is live. @param {Page} page @param {string} url */
export async function open(page, url) {
  await page.goto(url);
  await expect(page.locator("#feed")).toContainText("Live");
  await expect(page.locator("h1")).not.toContainText("…");
}

/** With make long axe looks at all, by all its rules, in each look. */
const long = Boolean(process.env.LAMPLIGHTER_LONG);
/** Lines that are made as those before them are: axe takes long for a hundred of them. */
const more = ["tbody tr:nth-child(n+7)", ".pick li:nth-child(n+7)", ".hits li:nth-child(n+7)", ".unit:nth-child(n+7)", ".tile:nth-child(n+13)", ".scale span:nth-child(n+7)"];
const all = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** Wants that axe finds nothing. @param {Page} page @param {string} what @param {string[]} [rules] these are enough */
export async function accessible(page, what, rules) {
  const axe = new AxeBuilder({ page }).setLegacyMode(); // it looks into no frames, of which there are none, and takes half the time
  if (!long) for (const lines of more) axe.exclude(lines);
  const { violations } = await (rules && !long ? axe.withRules(rules) : axe.withTags(all)).analyze();
  expect(violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 3).map((n) => `  ${n.target}: ${n.failureSummary}`).join("\n")}`), what).toEqual([]);
}

/** Wants that nothing is scrolled to the side. @param {Page} page @param {string} what */
export const fits = async (page, what) => expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${what}: it scrolls to the side`).toBeLessThanOrEqual(0);

const looks = {
  light: { colorScheme: "light", width: 1180, height: 720 },
  dark: { colorScheme: "dark", width: 1180, height: 720 },
  phone: { colorScheme: "light", width: 390, height: 844 },
};

/** Looks at a page in light, dark and as a phone; in dark only the colours are others. With LAMPLIGHTER_SHOTS it makes pictures. @param {Page} page @param {string} name @param {string[]} [only] these are enough */
export async function inEachLook(page, name, only) {
  await expect(page.locator("main")).not.toContainText("undefined");
  for (const [look, { colorScheme, width, height }] of Object.entries(looks)) {
    if (only && !only.includes(look) && !long) continue;
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: /** @type {"light" | "dark"} */ (colorScheme) });
    await fits(page, `${name} ${look}`);
    if (process.env.LAMPLIGHTER_SHOTS && !name.includes(",")) { // of what is wrong there is one
      await page.waitForTimeout(600);
      await page.screenshot({ path: `${process.env.LAMPLIGHTER_SHOTS}/${name}-${look}.png` });
    }
    await accessible(page, `${name} ${look}`, look === "dark" ? ["color-contrast"] : undefined);
  }
}

/** What the API says. @param {{ request: Asker }} page @param {string} path */
export const api = async (page, path) => (await page.request.get(`/api/v1${path}`)).json();

/** Waits until the demo's dead rack is believed to be dead. @param {{ request: Asker }} page */
export async function believed(page) {
  await expect.poll(async () => (await api(page, "/summary?where=site%3Dams1%20and%20rack%3DA03%20and%20health%3Dunavailable")).total, { timeout: 130_000, intervals: [1000] }).toBe(20);
}
