// Times: one zone at a time, always named, and how long ago beside it.

import { signal } from "./view.js";

/** Now, every second. Everything that shows an age follows it. */
export const now = signal(Date.now());
const second = setInterval(() => now.set(Date.now()), 1000);
if (typeof window === "undefined") /** @type {any} */ (second).unref(); // in tests: it keeps no process alive

/** How far the server's clock is ahead of ours. It is the server's times that are shown. */
export const ahead = signal(0);

/** "UTC" or "local". */
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

/** How long ago by the server's clock. @param {string} at @param {number} [by] */
export const ago = (at, by = now()) => span(by + ahead() - Date.parse(at));

/** @param {number} n */
const two = (n) => String(n).padStart(2, "0");

/** The offset of local time: +02:00. @param {Date} date */
function offset(date) {
  const min = -date.getTimezoneOffset();
  return `${min < 0 ? "-" : "+"}${two(Math.floor(Math.abs(min) / 60))}:${two(Math.abs(min) % 60)}`;
}

/** A time with its zone, without the date where that is today's: 03:12:07 Z. @param {string | number} at @param {string} [as] */
export function clock(at, as = zone()) {
  const date = new Date(at);
  const today = new Date(now.peek());
  const local = as === "local";
  const parts = (/** @type {Date} */ d) => (local ? [d.getFullYear(), d.getMonth() + 1, d.getDate()] : [d.getUTCFullYear(), d.getUTCMonth() + 1, d.getUTCDate()]);
  const day = parts(date);
  const time = (local ? [date.getHours(), date.getMinutes(), date.getSeconds()] : [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]).map(two).join(":");
  const here = local ? ` ${offset(date)}` : " Z";
  return day.join() === parts(today).join() ? time + here : `${day[0]}-${two(day[1] ?? 0)}-${two(day[2] ?? 0)} ${time}${here}`;
}

/** The same time in each zone, for whoever hovers. @param {string} at */
export const everywhere = (at) => `${new Date(at).toISOString()} · local ${clock(at, "local")}`;
