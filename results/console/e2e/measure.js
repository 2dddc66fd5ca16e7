// Measures the fleet page of a large fleet in Chromium, for BenchmarkConsole (bench_test.go): what a person waits for, what goes over the wire, and
// what the page needs. Prints one JSON document.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "@playwright/test";

const { LAMPLIGHTER_URL: url = "", LAMPLIGHTER_CONTROL: control = "", LAMPLIGHTER_CHROMIUM: executablePath = "" } = process.env;
const bmcs = Number(process.env.LAMPLIGHTER_BMCS);
const RUNS = 5;
const PROBES = 60;
const SAMPLES = 10;

/** @param {number[]} all @param {number} share */
const at = (all, share) => [...all].sort((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * share))] ?? 0;

const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const browser = await chromium.launch({ executablePath, args });

/**
 * Opens a page in a browser that was never there: the fleet's, or an empty one, which is what any page needs of the browser and the machine.
 * @param {{ slow: number, phone?: boolean, empty?: boolean }} how slow: how much slower the CPU is; phone: on a phone that hears 400 kbit/s
 */
async function first({ slow, phone, empty }) {
  const context = await browser.newContext(phone ? { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 } : { viewport: { width: 1920, height: 1080 } });
  const page = await context.newPage();
  const wire = await context.newCDPSession(page);
  let bytes = 0;
  await wire.send("Network.enable");
  wire.on("Network.dataReceived", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  if (phone) await wire.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: 50_000, uploadThroughput: 50_000 });
  if (slow > 1) await wire.send("Emulation.setCPUThrottlingRate", { rate: slow });
  await page.addInitScript(([wanted, maps]) => {
    const look = () => { // after a frame: within one, to ask where a map is would lay out each card by itself
      const title = document.querySelector("h1")?.textContent ?? "";
      const shown = [...document.querySelectorAll("canvas")].filter((map) => map.getBoundingClientRect().top < innerHeight); // what nobody sees is not drawn
      const drawn = (/** @type {HTMLCanvasElement} */ map) => map.getContext("2d")?.getImageData(0, 0, 1, 1).data[3];
      if (!title.includes(wanted) || (maps && (!shown.length || !shown.every(drawn)))) return next();
      requestAnimationFrame(() => requestAnimationFrame(() => console.debug("ready", performance.now())));
    };
    const next = () => void requestAnimationFrame(() => setTimeout(look));
    next();
  }, /** @type {[string, boolean]} */ ([empty ? "" : `of ${bmcs.toLocaleString("en")}`, !phone && !empty])); // on a phone incidents come first
  const [said] = await Promise.all([ // told by the page: who asks it again and again is work for it
    page.waitForEvent("console", { predicate: (message) => message.text().startsWith("ready "), timeout: 120_000 }),
    page.goto(empty ? `${control}/empty` : url, { waitUntil: "commit" }),
  ]);
  return { context, page, ready: Number(said.text().slice("ready ".length)), bytes: () => bytes };
}

/** @param {{ slow: number, phone?: boolean }} how */
async function opened(how) {
  const all = [];
  const empties = [];
  let least = Number.POSITIVE_INFINITY;
  for (let n = 0; n < RUNS; n++) {
    const empty = await first({ ...how, empty: true });
    empties.push(empty.ready);
    await empty.context.close();
    const { context, page, ready, bytes } = await first(how);
    all.push(ready);
    if (!how.phone) await page.waitForTimeout(4000); // what it fetches once it is seen counts, too
    least = Math.min(least, bytes());
    await context.close();
  }
  console.error(`${JSON.stringify(how)}: the fleet ${all.map(Math.round).join(" ")} ms, an empty page ${empties.map(Math.round).join(" ")} ms`);
  return { ready: at(all, 0.5), bytes: least, empty: at(empties, 0.5) };
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

/** All processes that a process began, and those that they began. @param {number} of @returns {number[]} */
function begunBy(of) {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((id) => {
    try {
      return [/** @type {const} */ ([Number(id), Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${id}/stat`, "utf8"))?.[1])])];
    } catch {
      return []; // it has ended
    }
  });
  /** @param {number} one @returns {number[]} */
  const below = (one) => parents.filter(([, parent]) => parent === one).flatMap(([id]) => [id, ...below(id)]);
  return below(of);
}

/**
 * The memory of the page's process, in MB: all, and what is its own. The rest is Chromium's file, of which it is charged a share: more whenever another
 * process of a Chromium ends, which is no growth of the page.
 * @param {number} chromium its process
 */
function memory(chromium) {
  const sizes = begunBy(chromium).filter((id) => readFileSync(`/proc/${id}/cmdline`, "utf8").includes("--type=renderer")).map((id) => {
    const text = readFileSync(`/proc/${id}/smaps_rollup`, "utf8");
    const mb = (/** @type {string} */ name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]) / 1000;
    return { all: mb("Pss"), own: mb("Pss_Anon") + mb("Pss_Shmem") };
  });
  return sizes.reduce((most, one) => (one.all > most.all ? one : most));
}

/** What the page's title is, without looking into it. @param {string} home of its browser */
async function title(home) {
  const [port] = readFileSync(`${home}/DevToolsActivePort`, "utf8").split("\n");
  const pages = /** @type {{ type: string, title: string }[]} */ (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json());
  return pages.find(({ type }) => type === "page")?.title ?? "";
}

/**
 * What the page needs while 200 BMCs a second change, and what that would be after an hour; in a browser that nobody inspects: an inspector keeps what
 * comes over the wire, half a megabyte a minute of the stream. The first minute does not count: heap and buffers find their size. Then it is measured every 10 s.
 * An hour's growth is that of the line through what is its own (the median of the slopes between all pairs, so that one sample out of line has no say), but
 * only if it grows by Kendall's test: of all pairs so many more rise than fall as chance brings once in 40 times. If not, the samples differ by a megabyte
 * or two of noise, of which an hour would make a hundred.
 */
async function afterAnHour() {
  const home = mkdtempSync(join(tmpdir(), "lamplighter-"));
  const chromium = spawn(executablePath, ["--headless", ...args, `--user-data-dir=${home}`, "--remote-debugging-port=0", "--window-size=1920,1080", url], { stdio: "ignore" });
  try {
    const samples = /** @type {{ all: number, own: number, minutes: number }[]} */ ([]);
    await fetch(`${control}/load?seconds=60`);
    const begin = Date.now();
    for (let n = 0; n < SAMPLES; n++) {
      await fetch(`${control}/load?seconds=10`);
      samples.push({ ...memory(chromium.pid ?? 0), minutes: (Date.now() - begin) / 60_000 });
    }
    const says = await title(home);
    if (!/^\(\d+\) Lamplighter$/.test(says)) throw new Error(`the page whose memory was measured says ${says}: it is not live`);
    const slopes = samples.flatMap((a, i) => samples.slice(i + 1).map((b) => (b.own - a.own) / (b.minutes - a.minutes)));
    const rising = slopes.reduce((sum, slope) => sum + Math.sign(slope), 0);
    const deviation = Math.sqrt((SAMPLES * (SAMPLES - 1) * (2 * SAMPLES + 5)) / 18);
    const late = at(samples.map(({ all }) => all), 0.5);
    console.error(`own MB every 10 s: ${samples.map(({ own }) => own.toFixed(1)).join(" ")}; ${at(slopes, 0.5).toFixed(2)} a minute`);
    return { late, hour: late + (rising > 1.96 * deviation ? Math.max(0, at(slopes, 0.5)) * 60 : 0) };
  } finally {
    const ended = new Promise((over) => chromium.once("exit", over));
    chromium.kill();
    await ended;
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

const quick = await opened({ slow: 1 });
const slow = await opened({ slow: 6 });
const phone = await opened({ slow: 6, phone: true });
const { page } = await first({ slow: 1 });
await page.waitForTimeout(5000); // its stream begins once it is seen
const took = await pixels(page);
await browser.close();
const { late, hour } = await afterAnHour();
console.log(JSON.stringify({ ready: quick.ready, slow: slow.ready, empty: slow.empty, bytes: quick.bytes, phone: phone.ready, phoneBytes: phone.bytes, p50: at(took, 0.5), p99: at(took, 0.99), late, hour }));
