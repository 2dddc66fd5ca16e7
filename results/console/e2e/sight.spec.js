// What is out of sight costs no memory: a map has pixels while it can be seen, and when it is printed.

import { expect, open, test } from "./watch.js";

test("a map has pixels while it is in sight or printed, and keeps its height", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 240 });
  await open(page, "/");
  const map = page.locator("canvas.carpet").last();
  const pixels = () => map.evaluate((canvas) => /** @type {HTMLCanvasElement} */ (canvas).width > 0 && /** @type {HTMLCanvasElement} */ (canvas).getContext("2d")?.getImageData(0, 0, 1, 1).data[3] !== 0);
  await expect.poll(pixels).toBe(false);
  await map.scrollIntoViewIfNeeded();
  await expect.poll(pixels).toBe(true);
  const { height } = (await map.boundingBox()) ?? {};
  expect(height).toBeGreaterThan(20);
  await page.evaluate(() => scrollTo(0, 0));
  await expect.poll(pixels).toBe(false);
  expect((await map.boundingBox())?.height).toBe(height);
  await page.pdf();
  expect(await pixels()).toBe(true);
});

test("a map that was never in sight is printed", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 240 });
  await open(page, "/");
  await page.pdf();
  expect(await page.locator("canvas.carpet").last().evaluate((canvas) => /** @type {HTMLCanvasElement} */ (canvas).getContext("2d")?.getImageData(0, 0, 1, 1).data[3])).not.toBe(0);
});

test("the cells of a map are the highest that fit, and of those the widest", async ({ page }) => {
  await open(page, "/");
  const wrong = await page.evaluate(async () => {
    const { layout } = await import(`${/** @type {HTMLLinkElement} */ (document.querySelector("link[rel=stylesheet]")).href.replace(/[^/]*$/, "")}carpet.js`);
    const found = [];
    for (let n = 0; n < 200; n++) {
      const [racks, units, width, most] = [1 + ((n * 37) % 220), 1 + ((n * 13) % 48), 60 + ((n * 71) % 1200), 60 + ((n * 29) % 300)];
      const fits = (/** @type {number} */ w, /** @type {number} */ h) => {
        const lines = Math.ceil(racks / Math.max(1, Math.floor((width + 2) / (w + 2)))); // of one row, each with a gap of 2
        return lines * units * h + (lines - 1) * 6 <= most;
      };
      let want = "2x2";
      const widest = Math.max(48, Math.min(160, Math.floor(width / racks) - 2));
      for (let h = 2; h <= 8; h++) for (let w = Math.max(2, h - 2); w <= widest; w++) if (fits(w, h)) want = `${w}x${h}`;
      const all = Array.from({ length: racks }, (_, i) => ({ site: "s", room: "", row: "", rack: `${i}`, from: i * units, to: (i + 1) * units }));
      const { w, h } = layout(all, width, most);
      if (`${w}x${h}` !== want) found.push(`${racks} racks of ${units} in ${width} x ${most}: ${w}x${h} and not ${want}`);
    }
    return found;
  });
  expect(wrong).toEqual([]);
});
