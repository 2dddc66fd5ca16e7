// The six questions that an operator has at 3 a.m., each answered within so many clicks from the fleet's page, and some from a ticket's
// link, by mouse and by keyboard.

import { api, believed, expect, open, test } from "./watch.js";

/** @typedef {import("@playwright/test").Page} Page */
/** @typedef {import("@playwright/test").Locator} Locator */
/** @typedef {{ open: (to: Locator) => Promise<void>, keys: (keys: string, text?: string) => Promise<void> }} Hand a hand that counts what it does */

/** Fails at one click too many. @param {number} most */
function counter(most) {
  let clicks = 0;
  return (/** @type {string} */ what) => expect(++clicks, `${what} is click ${clicks} of at most ${most}`).toBeLessThanOrEqual(most);
}

/** @type {Record<"mouse" | "keyboard", (page: Page, most: number) => Hand>} */
const hands = {
  mouse(page, most) {
    const count = counter(most);
    return {
      async open(to) {
        count(String(to));
        await to.click();
      },
      keys: () => Promise.reject(new Error(`a mouse has no keys: ${page.url()}`)),
    };
  },
  // A key that does something is a click; going with Tab to what is wanted is none, as a mouse's way to it is none.
  keyboard(page, most) {
    const count = counter(most);
    return {
      async open(to) {
        await expect(to).toBeVisible();
        for (let tabs = 0; !(await to.evaluate((element) => element === document.activeElement)); tabs++) {
          expect(tabs, `Tab leads to ${to}`).toBeLessThan(200);
          await page.keyboard.press("Tab");
        }
        count(`Enter on ${to}`);
        await page.keyboard.press("Enter");
      },
      async keys(keys, text = "") {
        count(keys);
        for (const key of keys.split(" ")) await page.keyboard.press(key);
        if (text) await page.keyboard.type(text);
      },
    };
  },
};

const id = "ams1-a03-u21";
const rack = async (/** @type {Page} */ page) => (await api(page, "/incidents?cause=rack&limit=1")).items[0];
const nav = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole("navigation", { name: "pages" }).getByRole("link", { name });
const line = (/** @type {Page} */ page, /** @type {string} */ title) => page.locator(".incidents li").filter({ hasText: title });

/** Somebody is on the dead rack, and it is planned. @param {Page} page @param {() => Promise<void>} look */
async function taken(page, look) {
  const path = `/api/v1/incidents/${(await rack(page)).id}/ack`;
  await page.request.put(path, { data: { note: "new switch", who: "ada" } });
  await page.request.post("/api/v1/silences", { data: { kind: "maintenance", where: "site=ams1 and rack=A03", for: "1h", reason: "a new switch", who: "kim", ticket: "CHG-77" } });
  try {
    await look();
  } finally {
    await page.request.delete(path);
    for (const { id } of (await api(page, "/silences")).items) await page.request.delete(`/api/v1/silences/${id}`);
  }
}

/** The way to the BMC that fails. @param {Page} page @param {Hand} hand */
async function toBMC(page, hand) {
  await hand.open(page.getByRole("link", { name: "ams1", exact: true }));
  await hand.open(page.getByRole("link", { name: /^A03/ }));
  await hand.open(page.getByRole("table").getByRole("link", { name: id }));
}

/** By keyboard it is searched. @param {Page} _ @param {Hand} hand */
async function search(_, hand) {
  await hand.keys("/", id);
  await hand.keys("Enter");
}

/** @param {Page} page */
async function why(page) {
  await expect(page.locator(".step.failed")).toContainText("net.timeout");
  await expect(page.locator(".step.failed .error")).toContainText("no answer");
  await expect(page.locator(".hint")).toContainText(/Next: .+\. Owner: \w+/);
  await expect(page.locator(".step.skipped").first()).toContainText("not reached");
}

/** Its new round is seen: that it runs, its steps, and then what it found in place of the old. @param {Page} page @param {Hand} hand @param {"mouse" | "keyboard"} by */
async function recheck(page, hand, by) {
  const before = (await api(page, `/bmcs/${id}`)).verdict.at;
  const newest = page.locator("section[aria-labelledby=chain] h2").last();
  await expect(newest).toBeVisible(); // or the key is pressed on the page before
  by === "mouse" ? await hand.open(page.getByRole("button", { name: "Recheck" })) : await hand.keys("r");
  await expect(page.locator(".running h2")).toContainText("Checking now");
  await expect(page.locator(".running .step").first()).toContainText("ping");
  await expect(page.locator(".running h2")).toContainText("Rechecked");
  const { at } = (await api(page, `/bmcs/${id}`)).verdict;
  expect(Date.parse(at)).toBeGreaterThan(Date.parse(before));
  await expect(newest).toContainText(/^Newest round .* \(\d+ s ago\)/);
  await expect(newest).toContainText(at.slice(11, 19));
}

/** @typedef {(page: Page, hand: Hand, by: "mouse" | "keyboard") => Promise<void>} Part */
/**
 * Where one begins, where not at the fleet's page; how one goes, where not a click is needed for it; and what answers.
 * @type {Record<string, { most: number, from?: (page: Page) => Promise<string>, way?: Part, only?: "keyboard", answer: Part, given?: typeof taken }>}
 */
const questions = {
  "1: is anything on fire, and where": { most: 0, answer: async (page) => {
    await expect(page.locator("h1")).toContainText(/\d+ incidents?\. \d+ of 500 BMCs failing\. Worst: ams1 A03, 20 of 20 \(all at ping\)\./);
    await expect(page.locator("h1")).toBeInViewport({ ratio: 1 });
    await expect(page.locator(".counter").filter({ hasText: "failing" })).toBeInViewport({ ratio: 1 });
  } },
  "2: one BMC, a rack or switch, a satellite, or a roll-out": { most: 0, answer: async (page) => {
    const items = (await api(page, "/incidents?limit=5")).items;
    for (const { title, cause, counted, owner, failing, total } of items) {
      expect(title).toContain(`looks like ${cause.name}`);
      await expect(line(page, title)).toContainText(`${counted}, ${owner}`);
      await expect(line(page, title)).toContainText(`${failing} of ${total}`);
    }
    expect(items[0].cause.name).toBe("rack A03 (ams1, room hall-1, row A)");
  } },
  "2, in detail": { most: 1, way: async (page, hand) => hand.open(page.getByRole("link", { name: /looks like rack A03/ })), answer: async (page) => {
    await expect(page.locator(".hint")).toContainText(/20 of 20 in rack A03 at ping within .*\d+ of \d+ elsewhere in row A/);
    await expect(page.getByRole("list", { name: "Evidence" })).toContainText("ping 127.");
    await expect(page.locator("tbody tr")).toHaveCount(20);
  } },
  "3: why does this BMC fail": { most: 3, way: toBMC, answer: why },
  "3, searched": { most: 2, only: "keyboard", way: search, answer: why },
  "3, from a ticket's link": { most: 0, from: async (page) => `/incidents/${(await rack(page)).id}`, answer: async (page) => {
    const of = page.locator("tbody tr").filter({ hasText: id });
    await expect(of).toContainText("ping");
    await expect(of).toContainText("net.timeout");
    await expect(page.locator(".hint")).toContainText(/Next: .+\. Owner: network/);
    await expect(page.getByRole("list", { name: "Evidence" })).toContainText("ping 127.");
  } },
  "4: is what I see current": { most: 0, answer: async (page) => {
    await expect(page.locator("#feed")).toHaveText(/^Live \d s$/);
    await expect(page.locator(".checked")).toHaveText(/^checked \d+ s ago$/);
    await expect(page.locator(".card").first()).toContainText(/checked \d+ s ago/);
  } },
  "5: who is on it, which ticket, where nobody is": { most: 0, answer: async (page) => {
    await expect(line(page, "looks like rack A03").locator(".who")).toHaveText("nobody yet");
    await expect(line(page, "looks like rack A03").locator(".ticket")).toHaveText("ticket at desk");
  } },
  "5: who is on it, which ticket, is it planned": { most: 1, given: taken, way: async (page, hand) => hand.open(page.getByRole("link", { name: "who is on which" })), answer: async (page) => {
    await expect(line(page, "looks like rack A03").locator(".who")).toHaveText(/^acknowledged: ada maintenance until (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d Z$/);
    await expect(line(page, "looks like rack A03").locator(".ticket")).toHaveText("ticket at desk");
  } },
  "5: what is planned, by whom, with which ticket": { most: 1, given: taken, way: async (page, hand) => hand.open(nav(page, "Silences")), answer: async (page) => {
    await expect(page.locator(".silences li").filter({ hasText: "rack=A03" })).toContainText(/maintenance.*a new switch, CHG-77.*20 BMCs, 20 fail.*kim.*left until/);
  } },
  "5, from a ticket's link": { most: 0, given: taken, from: async (page) => `/incidents/${(await rack(page)).id}`, answer: async (page) => {
    await expect(page.locator(".asides")).toContainText(/ada is on it: new switch.*In maintenance until .*Tickets: ticket at desk \(open\)/);
  } },
  "6: did my fix work, at the BMC that question 3 led to": { most: 1, from: async (page) => {
    await open(page, "/");
    await toBMC(page, hands.mouse(page, 3));
    return "";
  }, answer: recheck },
};

test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
  await expect.poll(async () => (await api({ request }, "/incidents?limit=1")).items[0]?.cause.kind, { timeout: 60_000 }).toBe("rack");
});

for (const [question, { most, from, way, only, answer, given }] of Object.entries(questions)) {
  for (const by of /** @type {const} */ (["mouse", "keyboard"])) {
    if (only && only !== by) continue;
    test(`${question}: by ${by}, ${most} ${most === 1 ? "click" : "clicks"}`, async ({ page }) => {
      const ask = async () => {
        const url = from ? await from(page) : "/";
        if (url) await open(page, url);
        const hand = hands[by](page, most);
        await way?.(page, hand, by);
        await answer(page, hand, by);
      };
      await (given ? given(page, ask) : ask());
    });
  }
}

test("a counter leads to what it counts", async ({ page }) => {
  await open(page, "/");
  await page.locator(".counter").filter({ hasText: "degraded" }).click();
  const { degraded } = await api(page, "/summary");
  await expect(page.locator("tbody tr")).toHaveCount(degraded);
});
