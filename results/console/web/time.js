// Times: one zone at a time, always named, and how long ago beside it.

import { at as then } from "./route.js";
import { cleanup, signal } from "./view.js";

/** Now, every second. Everything that shows an age follows it. */
export const now = signal(Date.now());
const second = setInterval(() => now.set(Date.now()), 1000);
if (typeof window === "undefined") /** @type {any} */ (second).unref(); // in tests: it keeps no process alive

/** How far the server's clock is ahead of ours. It is the server's times that are shown. */
export const ahead = signal(0);

/** "UTC", "local", or the name of a site's zone. */
export const zone = signal("UTC");

/** How long a span is, in at most two units: 4 s, 12 min, 3 h 5 min, 9 d. @param {number} ms */
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 24) return min % 60 ? `${h} h ${min % 60} min` : `${h} h`;
  const d = Math.floor(h / 24);
  return d < 7 && h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
}

/** How long ago by the server's clock, or before the moment that is looked at. @param {string} at @param {number} [by] */
export const ago = (at, by = now()) => span((then() ? Date.parse(then()) : by + ahead()) - Date.parse(at));

/** @type {Record<string, Intl.DateTimeFormat>} */
const formats = {};

/** Whether this browser knows a zone: that of the server may be newer. @param {string} as */
export function knows(as) {
  try {
    return Boolean(format(as));
  } catch {
    return false;
  }
}

/** @param {string} as */
function format(as) {
  const two = "2-digit";
  const known = formats[as] ?? new Intl.DateTimeFormat("sv", { timeZone: as, year: "numeric", month: two, day: two, hour: two, minute: two, second: two, timeZoneName: "longOffset" });
  formats[as] = known;
  return known;
}

/** Day, time and offset: 2026-11-22, 03:12:07, +01:00. UTC and local want no Intl, whose first format costs a page 10 ms. @param {string | number} at @param {string} as */
function parts(at, as) {
  const date = new Date(at);
  if (Number.isNaN(+date)) return ["-"];
  if (as !== "UTC" && as !== "local") return format(as).format(date).replace("\u2212", "-").replace("GMT", "").split(" ");
  const east = as === "UTC" ? 0 : -date.getTimezoneOffset();
  const iso = (/** @type {number} */ ms) => new Date(ms).toISOString().split(/[T.]/, 2);
  return [...iso(+date + east * 6e4), (east < 0 ? "-" : "+") + iso(Math.abs(east) * 6e4)[1]?.slice(0, 5)];
}

/** A time with its zone, without the date where that is today's: 03:12:07 Z. @param {string | number} at @param {string} [as] */
export function clock(at, as = zone()) {
  const [day, time, offset = ""] = parts(at, as);
  const here = as === "UTC" ? "Z" : offset + (as === "local" ? "" : ` ${as.split("/").pop()}`);
  return day === parts(now.peek(), as)[0] ? `${time} ${here}` : time ? `${day} ${time} ${here}` : "-";
}

/** The same time in each zone, for whoever hovers. @param {string} at */
export const everywhere = (at) => [...new Set(["UTC", "local", zone.peek()])].map((as) => `${as === "local" ? "local " : ""}${clock(at, as)}`).join(" · ");

/**
 * Gives a function that has act done once, so many milliseconds after it is first called; while that is due more calls change nothing.
 * It ends with the page that made it.
 * @param {() => void} act
 * @returns {(ms: number) => void}
 */
export function later(act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let due;
  cleanup(() => clearTimeout(due));
  return (ms) => {
    if (due !== undefined) return;
    due = setTimeout(() => {
      due = undefined;
      act();
    }, ms);
  };
}
