// Each page, opened on the demo's fleet, looked at in light, dark and on a phone. With LAMPLIGHTER_SHOTS the pictures of the docs are made.

import { believed, expect, inEachLook, open, test } from "./watch.js";

const rack = "/rack?site=ams1&room=hall-1&row=A&rack=A03";
const pages = {
  fleet: { url: "/", wants: "500 BMCs failing" },
  site: { url: "/site?site=ams1", wants: "ams1:" },
  table: { url: "/site?site=ams1&view=table&sort=share", wants: "ams1:" },
  rack: { url: rack, wants: "Rack A03: 20 of 20 failing (all at ping)" },
  bmc: { url: "/bmc?id=ams1-a03-u21", wants: "failed at ping: net.timeout" },
  search: { url: "/search?where=health%3Ddegraded", wants: "BMCs: health=degraded" },
};
test.beforeAll(async ({ request }) => {
  test.setTimeout(150_000);
  await believed({ request });
});

for (const [name, { url, wants }] of Object.entries(pages)) {
  test(`${name} says what it is about, in light, dark and on a phone, and axe finds nothing`, async ({ page }) => {
    test.setTimeout(90_000);
    await open(page, url);
    await expect(page.locator("h1")).toContainText(wants);
    await inEachLook(page, name);
  });
}

test("to who sees no colours the states differ, as letters and as cells of a picture", async ({ page }) => {
  await open(page, "/");
  const session = await page.context().newCDPSession(page);
  await session.send("Emulation.setEmulatedVisionDeficiency", { type: "achromatopsia" });
  await page.evaluate(async () => {
    const base = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=stylesheet]")).href.replace(/[^/]*$/, "");
    const { code } = await import(`${base}parts.js`);
    const { carpet } = await import(`${base}carpet.js`);
    const { fleet, pause, tick } = await import(`${base}feed.js`);
    const { Fleet } = await import(`${base}model.js`);
    pause(true);
    const letters = ["P", "?", "!", "m", ".", "-"];
    const racks = letters.map((letter) => ({ site: "x", room: "", row: "", rack: letter, letters: letter }));
    fleet.set(new Fleet({ map: "x", seq: 0, at: "", placed: true, marks: {}, racks }));
    tick.set(tick.peek() + 1);
    const [site] = fleet.peek().sites();
    const line = document.createElement("p");
    line.id = "letters";
    // without the letter, what is left is shape and border
    line.append(...["P", "T", "L", "W", "S", ...letters.slice(1)].map((letter) => code(letter)));
    const picture = document.createElement("div");
    picture.id = "cells";
    picture.style.setProperty("width", "320px");
    picture.append(carpet(site, null));
    document.querySelector("main")?.replaceChildren(line, picture);
  });
  await expect(page.locator("#cells canvas")).toHaveCSS("height", "8px");
  const gray = async (/** @type {import("@playwright/test").Locator} */ of) => {
    const shot = (await of.screenshot({ animations: "disabled" })).toString("base64");
    return page.evaluate(async (data) => {
      const image = new Image();
      image.src = `data:image/png;base64,${data}`;
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [48, 24];
      const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
      brush.drawImage(image, 0, 0, 48, 24);
      const { data: pixels } = brush.getImageData(0, 0, 48, 24);
      return Array.from({ length: 48 * 24 }, (_, i) => /** @type {number} */ (pixels[4 * i]));
    }, shot);
  };
  const apart = (/** @type {number[]} */ a, /** @type {number[]} */ b) => a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
  const looks = /** @type {number[][]} */ ([]);
  for (const one of await page.locator("#letters .code").all()) looks.push(await gray(one));
  looks.forEach((look, i) => {
    for (const other of looks.slice(i + 1)) expect(apart(look, other), `letters ${i}`).toBeGreaterThan(4);
  });
  const cells = await page.locator("#cells canvas").evaluate((canvas) => {
    const { width, height } = /** @type {HTMLCanvasElement} */ (canvas);
    const { data } = /** @type {CanvasRenderingContext2D} */ (/** @type {HTMLCanvasElement} */ (canvas).getContext("2d")).getImageData(0, 0, width, height);
    const w = Math.floor((width + 2) / 6);
    const lightness = (/** @type {number} */ i) => (data[i + 3] ? 0.2126 * (data[i] ?? 0) + 0.7152 * (data[i + 1] ?? 0) + 0.0722 * (data[i + 2] ?? 0) : 255);
    return Array.from({ length: 6 }, (_, n) => Array.from({ length: (w - 4) * 7 }, (_, i) => lightness(4 * (Math.floor(i / (w - 4)) * width + n * w + (i % (w - 4))))));
  });
  cells.forEach((cell, i) => {
    for (const other of cells.slice(i + 1)) expect(apart(cell, other), `cells ${i}`).toBeGreaterThan(4);
  });
  if (process.env.LAMPLIGHTER_SHOTS) {
    await page.goto("/rack?site=ams1&room=hall-1&row=A&rack=A04");
    await expect(page.locator("tbody tr")).toHaveCount(20);
    await page.screenshot({ path: `${process.env.LAMPLIGHTER_SHOTS}/rack-colourless.png` });
  }
});
