// What watches the pages sees what it is to see, in each tab: or none of these specs would prove that nothing ran and nobody was asked.

import { readdirSync, readFileSync } from "node:fs";
import { expect, test, watched } from "./watch.js";

test("an attack that runs, a dialog, what the policy refuses, and whoever else is asked are seen in each tab", async ({ browser, baseURL }) => {
  const context = await browser.newContext();
  const wrong = await watched(context, baseURL ?? "");
  await context.newPage();
  const tab = await context.newPage();
  await tab.goto("/");
  await tab.evaluate(() => {
    /** @type {any} */ (window).pwned(7);
    alert("8");
    document.body.append(Object.assign(document.createElement("img"), { src: "http://192.0.2.1/x.png" }));
    setTimeout(() => {
      throw new Error("it broke");
    });
  });
  for (const seen of [/attack 7 ran/, /a dialog: 8/, /policy: img-src http:\/\/192\.0\.2\.1/, /it broke/]) await expect.poll(() => wrong.join("\n")).toMatch(seen);
  await tab.goto("http://127.0.0.1:1/").catch(() => {});
  expect(wrong).toContain("asked http://127.0.0.1:1/");
  await context.close();
});

test("no spec opens a browser that is not watched", () => {
  for (const file of readdirSync("e2e").filter((name) => name.endsWith(".spec.js") && name !== "watch.spec.js")) {
    expect(readFileSync(`e2e/${file}`, "utf8"), file).not.toMatch(/\bbrowser\.new|from "@playwright/);
  }
});
