// What is out of sight costs no memory: a map has pixels while it can be seen, and when it is printed.

import { expect, open, test } from "./watch.js";

test("a map has pixels while it is in sight or printed, and its height always", async ({ page }) => {
  await page.setViewportSize({ width: 390, height: 240 });
  await open(page, "/");
  const map = page.locator("canvas.carpet").last();
  const pixels = () => map.evaluate((canvas) => /** @type {HTMLCanvasElement} */ (canvas).width > 0 && /** @type {HTMLCanvasElement} */ (canvas).getContext("2d")?.getImageData(0, 0, 1, 1).data[3] !== 0);
  await expect.poll(pixels).toBe(false);
  const { height } = (await map.boundingBox()) ?? {};
  expect(height).toBeGreaterThan(20);
  await map.scrollIntoViewIfNeeded();
  await expect.poll(pixels).toBe(true);
  expect((await map.boundingBox())?.height).toBe(height);
  await page.evaluate(() => scrollTo(0, 0));
  await expect.poll(pixels).toBe(false);
  await page.pdf();
  expect(await pixels()).toBe(true);
});
