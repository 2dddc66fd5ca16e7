// What is live: the fleet, the link to the server, the incidents, and what else the stream tells. One tab of a browser listens and tells the others;
// each has its own watchdog, because a half-open link gives no error.

import { call, get, kept, lines, Problem } from "./api.js";
import { Fleet } from "./model.js";
import { at } from "./route.js";
import { ahead, later } from "./time.js";
import { effect, signal } from "./view.js";

/* Server-Sent Events, read from a fetch: EventSource tells neither a 502 nor a half-open link from silence. */

/**
 * Makes events of lines.
 * @param {(event: string, data: string) => void} tell
 * @returns {(line: string) => void}
 */
export function parser(tell) {
  let event = "";
  /** @type {string[]} */
  let data = [];
  return (line) => {
    const text = line.endsWith("\r") ? line.slice(0, -1) : line;
    if (text === "") {
      if (data.length) tell(event || "message", data.join("\n"));
      event = "";
      data = [];
      return;
    }
    const colon = text.indexOf(":");
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? "" : text.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    if (name === "data") data.push(value);
  };
}

/** How long to wait before the next try: a while of its own for each client, longer after many tries. @param {number} tries @param {number} random from 0 to 1 */
export const patience = (tries, random) => 500 + random * Math.min(4500, 500 * 2 ** Math.min(tries, 10));

/** Without a sign of life for so long the feed is lost: the server gives one every 5 s, and 12 s after it froze a person has to know. */
const SILENCE = 10_500;

export const fleet = signal(/** @type {Fleet | null} */ (null));
/** Grows with each change of the fleet that is shown. */
export const tick = signal(0);
/** The link, and since when it is so. */
export const link = signal({ state: /** @type {LinkState} */ ("connecting"), since: Date.now(), why: "" });
/** When the server was last heard. */
export const heard = signal(0);
/** When a round of each site was last judged. */
export const judged = signal(/** @type {Record<string, string>} */ ({}));
/** While paused what comes is kept, and shown later. */
export const paused = signal(false);
export const held = signal(0);
/** What to say of a link that came back. */
export const returned = signal("");
/** What changed meanwhile: numbers of BMCs, as long as that is said. */
const changed = signal(/** @type {number[]} */ ([]));
/** A class of what changed meanwhile. @param {number} from @param {number} [to] */
export const fresh = (from, to = from + 1) => (changed().some((n) => n >= from && n < to) ? " fresh" : "");

/** @type {Map<string, Set<(data: any) => void>>} */
const ears = new Map();

/** Calls back at events of a kind: incident, ack, silence. @param {string} event @param {(data: any) => void} ear */
export function on(event, ear) {
  const all = ears.get(event) ?? new Set();
  ears.set(event, all.add(ear));
  return () => void all.delete(ear);
}

/** @type {BroadcastChannel | null} */
let channel = null;
let leading = false;
/** @type {AbortController | null} */
let listening = null;
/** @type {CellsEvent[]} */
let waiting = []; // what came while the map was fetched, or while paused
let fetching = false;
/** @type {Fleet | null} */
let before = null; // the fleet when the feed was lost

/** @param {LinkState} state @param {string} [why] */
function become(state, why = "") {
  const was = link.peek();
  if (was.state === state && was.why === why) return;
  // or the form of who signs in would go while they type
  if (was.state === "refused" && (state === "lost" || state === "catching up")) return;
  link.set({ state, since: was.state === state ? was.since : Date.now(), why });
}

/** Takes in an event, whoever heard it. @param {string} event @param {string} text */
function hear(event, text) {
  const data = JSON.parse(text);
  const was = link.peek().state;
  heard.set(Date.now());
  watch();
  if (data.at && (event === "hb" || event === "hello")) {
    const off = Date.parse(data.at) - Date.now();
    if (Math.abs(off - ahead.peek()) > 1500) ahead.set(off);
  }
  if (event === "hb") judged.set(data.sites);
  if (event === "cells") cells(data);
  else if (event === "resync" || (data.map && data.map !== fleet.peek()?.name)) void load();
  for (const ear of ears.get(event) ?? []) ear(data);
  if (was === "lost" && !fetching) setTimeout(compare, 1500);
  if (!fetching) become("live");
}

/** @param {CellsEvent} event */
function cells(event) {
  const now = fleet.peek();
  if (at.peek()) return; // what is looked at does not change any more
  if (fetching || paused.peek() || !now) {
    waiting.push(event);
    held.set(held.peek() + event.cells.length);
    if (waiting.length > 2000) waiting.splice(0, 1000); // then there is a gap, and the map is fetched
    return;
  }
  if (event.map !== now.name || event.from > now.seq) return void load();
  if (event.seq <= now.seq) return;
  now.apply(event.cells);
  now.seq = event.seq;
  tick.set(tick.peek() + 1);
}

/** Shows what came meanwhile. */
function catchUp() {
  const all = waiting;
  waiting = [];
  held.set(0);
  for (const event of all) cells(event);
}

/** Fetches the map, and what came meanwhile after it. */
async function load() {
  if (fetching) return;
  fetching = true;
  become("catching up");
  const then = at.peek();
  try {
    const next = new Fleet(await get("/map"));
    heard.set(Date.now());
    watch();
    fetching = false;
    if (then !== at.peek()) return void load();
    fleet.set(next);
    tick.set(tick.peek() + 1);
    become("live");
    if (!paused.peek()) catchUp();
    if (before) setTimeout(compare, 1500);
  } catch (err) {
    fetching = false;
    refused(err);
    if (/** @type {any} */ (err).status !== 400) setTimeout(load, patience(3, Math.random())); // a moment that cannot be never can
  }
}

/** Says what changed while nothing was heard. */
function compare() {
  const was = before;
  const now = fleet.peek();
  before = null;
  if (!was || !now) return;
  const same = was.name === now.name;
  changed.set(same ? now.differences(was).map(([n]) => n) : []);
  returned.set(same ? `Reconnected, ${changed.peek().length} changed.` : "Reconnected. The inventory changed meanwhile.");
  setTimeout(() => {
    returned.set("");
    changed.set([]);
  }, 10_000);
}

/** @param {unknown} err */
function refused(err) {
  if (err instanceof Problem && (err.status === 401 || err.status === 403)) become("refused", err.detail);
  else if (link.peek().state !== "lost") become("connecting", String(err));
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let dog;

/** Begins to wait for the next sign of life. */
function watch() {
  clearTimeout(dog);
  dog = setTimeout(() => {
    const now = fleet.peek();
    if (now && !before) {
      before = Object.assign(Object.create(Fleet.prototype), now, { letters: now.letters.slice(), marks: new Map(now.marks) });
    }
    become("lost", link.peek().why);
    if (leading) listening?.abort(new Error("nothing was heard for too long"));
    else setTimeout(() => link.peek().state === "lost" && void navigator.locks.request("lamplighter 2", lead), 4000); // whoever leads may be frozen: one more does, not each
  }, SILENCE);
}

/** Listens for this tab and the others, until the tab is closed. */
async function lead() {
  if (leading) return;
  leading = true;
  for (let tries = 0; ; tries++) {
    listening = new AbortController();
    try {
      const now = fleet.peek();
      const response = await call(`/map/stream${now ? `?since=${now.name}-${now.seq}` : ""}`, { signal: listening.signal });
      tries = 0;
      await lines(response, parser((event, data) => {
        channel?.postMessage([event, data]);
        hear(event, data);
      }));
    } catch (err) {
      refused(err);
    }
    await new Promise((wake) => setTimeout(wake, patience(tries, Math.random())));
  }
}

/** Holds back what comes, or shows it. @param {boolean} is */
export function pause(is) {
  paused.set(is);
  if (!is && !fetching) catchUp();
}

/** How many incidents there are that are not closed. */
export const open = signal(/** @type {number | null} */ (null));
/** Whether the first question for them is answered, or failed. */
export const answered = signal(false);

/** They, most important first: null where they are not known yet. */
export const { value: incidents, wrong, look: again } = kept(async () => {
  const page = await get("/incidents?limit=50"); // shell.html asks for it ahead
  open.set(page.total);
  return /** @type {Incident[]} */ (page.items);
});

const look = later(async () => {
  await again();
  if (wrong.peek()) look(5000);
  answered.set(true);
});

/** Begins to listen. */
export function start() {
  watch();
  effect(() => {
    at();
    void load();
    look(0);
  });
  for (const event of ["hello", "resync", "incident", "ack", "silence"]) on(event, () => look(250));
  if (!navigator.locks) return void lead(); // not a secure context: each tab for itself
  channel = new BroadcastChannel("lamplighter");
  channel.onmessage = ({ data: [event, data] }) => leading || hear(event, data);
  void navigator.locks.request("lamplighter", lead);
}
