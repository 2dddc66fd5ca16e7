// Measures the fleet page of a large fleet in Chromium, for BenchmarkConsole (bench_test.go): what a person waits for, what goes over the wire, and
// what the page needs. Prints one JSON document.

import { readFileSync } from "node:fs";
import { chromium } from "@playwright/test";

const { LAMPLIGHTER_URL: url = "", LAMPLIGHTER_CONTROL: control = "", LAMPLIGHTER_CHROMIUM: executablePath = "" } = process.env;
const bmcs = Number(process.env.LAMPLIGHTER_BMCS);
const RUNS = 5;
const PROBES = 60;

/** @param {number[]} all @param {number} share */
const at = (all, share) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0;

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"] });

/** Opens the fleet in a browser that was never there. @param {number} slow how much slower the CPU is */
async function first(slow) {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 } });
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  let bytes = 0;
  await wire.send("Network.enable");
  wire.on("Network.dataReceived", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  if (slow > 1) await wire.send("Emulation.setCPUThrottlingRate", { rate: slow });
  await page.addInitScript((wanted) => {
    const look = () => {
      const title = document.querySelector("h1")?.textContent ?? "";
      const maps = [...document.querySelectorAll("canvas")];
      const drawn = (/** @type {HTMLCanvasElement} */ map) => map.getContext("2d")?.getImageData(0, 0, 1, 1).data[3];
      if (!title.includes(wanted) || !maps.length || !maps.every(drawn)) return void requestAnimationFrame(look);
      requestAnimationFrame(() => requestAnimationFrame(() => { /** @type {any} */ (window).ready = performance.now(); }));
    };
    requestAnimationFrame(look);
  }, `of ${bmcs.toLocaleString("en")}`);
  await page.goto(url, { waitUntil: "commit" });
  let ready = 0;
  for (const until = Date.now() + 120_000; !ready && Date.now() < until; ) { // waitForFunction would need eval, which the page's policy forbids
    await new Promise((wake) => setTimeout(wake, 50));
    ready = await page.evaluate(() => /** @type {number} */ (/** @type {any} */ (window).ready ?? 0));
  }
  if (!ready) throw new Error(`${bmcs} BMCs were not shown within two minutes`);
  return { context, page, ready, bytes: () => bytes };
}

/** @param {number} slow */
async function opened(slow) {
  const all = [];
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < RUNS; n++) {
    const { context, page, ready, bytes } = await first(slow);
    all.push(ready);
    await page.waitForTimeout(4000); // what it fetches once it is seen counts, too
    least = Math.min(least, bytes());
    await context.close();
  }
  return { ready: at(all, 0.5), bytes: least };
}

/** From a change that is kept to the frame after the one that draws it. @param {import("@playwright/test").Page} page */
async function pixels(page) {
  const took = [];
  for (let n = 0; n < PROBES; n++) {
    await page.evaluate(async () => { // ready to see it before it happens: a change that nobody waits for yet would be waited for until the end
      const feed = await import(/** @type {HTMLLinkElement} */ (document.querySelector('link[rel="modulepreload"][href*="feed"]')).href);
      /** @type {any} */ (window).drawn = new Promise((seen, never) => {
        setTimeout(never, 30_000, new Error("a change was not drawn within 30 s"));
        const off = feed.on("cells", () => {
          off();
          requestAnimationFrame(() => requestAnimationFrame(() => seen(performance.timeOrigin + performance.now())));
        });
      });
    });
    await new Promise((wake) => setTimeout(wake, 50 + Math.random() * 300)); // at any time of the server's pace
    const kept = Number(await (await fetch(`${control}/flip`)).text());
    took.push(await page.evaluate(() => /** @type {Promise<number>} */ (/** @type {any} */ (window).drawn)) - kept);
  }
  return took;
}

/** The memory of the page's process, in MB, after what is garbage is gone. @param {import("@playwright/test").Page} page */
async function memory(page) {
  const wire = await page.context().newCDPSession(page);
  await wire.send("HeapProfiler.collectGarbage");
  await wire.detach();
  const { processInfo } = await (await browser.newBrowserCDPSession()).send("SystemInfo.getProcessInfo");
  const sizes = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => Number(/Pss:\s+(\d+)/.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8"))?.[1]) / 1000);
  return Math.max(...sizes);
}

const quick = await opened(1);
const slow = await opened(6);
const { page } = await first(1);
await page.waitForTimeout(5000); // its stream begins once it is seen
const took = await pixels(page);
await fetch(`${control}/load?seconds=20`);
const early = await memory(page);
await fetch(`${control}/load?seconds=60`);
const late = await memory(page);
await browser.close();
console.log(JSON.stringify({ ready: quick.ready, slow: slow.ready, bytes: quick.bytes, p50: at(took, 0.5), p99: at(took, 0.99), early, late, hour: late + Math.max(0, late - early) * 59 }));
