// Pieces that pages share.

import { file, get } from "./api.js";
import { codeOf, groups, paint, words } from "./codes.js";
import { fleet, judged } from "./feed.js";
import { at, number } from "./model.js";
import { at as then } from "./route.js";
import { ago, clock, everywhere, now, span } from "./time.js";
import { computed, effect, h, signal, svg } from "./view.js";

/** A look as a small block: shape, border, colour and letter together. @param {string} look @param {Record<string, any>} [props] */
export function code(look, props = {}) {
  const { class: name, style } = paint(look);
  const marks = look.slice(1);
  return h("span", { ...props, class: name, style, role: "img", "aria-label": words(look) }, codeOf(look).glyph, marks && h("i", { class: "marks" }, marks));
}

/** A time and how long ago it is. @param {string | undefined} at @param {string} [none] */
export function moment(at, none = "never") {
  if (!at) return h("span", { class: "faint" }, none);
  return h("time", { datetime: at, title: everywhere(at) }, () => clock(at), h("span", { class: "faint" }, () => ` (${ago(at)} ago)`));
}

/** How long ago a round was judged: the newest of all, or of a site. @param {string} [site] */
export function checked(site) {
  const at = site === undefined ? Object.values(judged()).sort().at(-1) : judged()[site];
  return then() ? "" : at ? `checked ${ago(at, now())} ago` : "no check yet";
}

/** Only how long ago; hovering tells when. @param {string | undefined} at */
export const age = (at) => (at ? h("time", { datetime: at, title: everywhere(at) }, () => ago(at, now())) : h("span", { class: "faint" }, "-"));

/** How much of a count is what, as a bar. @param {Count} count */
export function bar(count) {
  let x = 0;
  const parts = groups.map(({ name, look }) => {
    const n = count[name];
    if (!n) return null;
    const width = (n / count.total) * 100;
    const rect = svg("rect", { x, y: 0, width, height: 8, class: `fill ${codeOf(look).shape}`, style: paint(look).style });
    x += width;
    return rect;
  });
  return svg("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": inWords(count) }, ...parts);
}

/** @param {Count} count */
export function inWords(count) {
  const [first = "none", ...more] = groups.filter(({ name }) => count[name]).map(({ name, words: as }, i) =>
    `${number(count[name])}${i === 0 ? ` of ${number(count.total)}` : ""} ${as}`);
  return [first + at(count), ...more].join(", ");
}

/** What went wrong, what it was, and what to do. @param {unknown} err @param {() => void} again */
export function trouble(err, again) {
  const p = /** @type {import("./api.js").Problem} */ (err);
  return h("div", { class: "trouble", role: "alert" },
    h("strong", null, p.title ?? "Something is wrong"), " ", p.detail ?? String(err), " ",
    h("span", { class: "faint" }, p.id ? `request ${p.id}, ` : "", () => (p.at ? `since ${clock(p.at)}` : "")), " ",
    h("button", { onclick: again }, "Try again"));
}

/** Where something stands, each part a link. @param {[string, string | null][]} parts names and addresses */
export const path = (parts) => h("nav", { class: "path", "aria-label": "where this is" }, parts.map(([name, url], i) => [
  i > 0 && h("span", { "aria-hidden": "true", class: "faint" }, " › "), url ? h("a", { href: url }, name) : h("span", { "aria-current": "page" }, name)]));

/** Opens a dialog. @param {string} title @param {(close: () => void) => Child[]} inside @param {() => void} [closed] what is done at its end */
export function modal(title, inside, closed) {
  /** @type {HTMLDialogElement} */
  const dialog = h("dialog", { "aria-labelledby": "title", onclose: () => {
    dialog.remove();
    closed?.();
  } }, h("h2", { id: "title" }, title), ...inside(() => dialog.close()));
  document.body.append(dialog);
  dialog.showModal();
}

/** The head of a column. @param {string} name */
export const head = (name) => h("th", { scope: "col" }, name || h("span", { class: "hidden" }, "Do"));

/** A desk's ticket, as a link where that is one of the web. @param {Ticket | undefined} t */
export const ticketed = (t) => (!t ? h("span", { class: "faint" }, "no ticket") : /^https?:/.test(t.url) ? h("a", { href: t.url, rel: "noreferrer", target: "_blank" }, t.ref || t.desk) : h("span", null, t.ref || `ticket at ${t.desk}`));

/** Takes the address along. */
export const copy = () => h("button", { onclick: (event) => navigator.clipboard?.writeText(location.href).then(() => (event.target.textContent = "Copied")) }, "Copy link");

/** What is shown, as files and on paper. @param {string} what @param {() => Record<string, string>} query */
export const exports = (what, query) => [["csv", "json", "ndjson"].map((format) => h("a", { class: "plain", download: "", href: () => file(what, { ...query(), format }) }, format.toUpperCase())),
  h("button", { class: "plain", onclick: () => print() }, "Print")];

/** A name; one that is empty is said to be. @param {string} name @param {string} kind */
export const named = (name, kind) => name || `(no ${kind})`;

/** The last day of a site or a BMC in 48 parts. @param {import("../types.js").Strip} s */
function dayOf({ bmc, looks, total, worst, worst_at }) {
  const told = /** @type {string[]} */ ([]);
  const bars = [...looks.matchAll(/(.)\1*/g)].map(({ 0: all, 1: c = "", index: x }) => {
    const tall = bmc || c === "?" ? 11 : Number(c) + 1;
    const look = c === "0" ? "." : c > "0" && c <= "9" ? "P" : c;
    told.push(`${words(look)} ${span(all.length * 18e5)}`);
    const { class: name, style } = paint(look);
    return svg("rect", { x, y: 11 - tall, width: all.length, height: tall, class: `fill ${name}`.replace("code", ""), style });
  });
  return svg("svg", { class: "bar day", viewBox: "0 0 48 11", preserveAspectRatio: "none", role: "img" },
    svg("title", null, `24 h: ${bmc ? told.join(", ") : worst ? `at most ${number(worst)} of ${number(total)} failing, ${ago(worst_at ?? "", now.peek())} ago` : looks.includes("?") ? "none failed, some were unknown" : "none failed"}`), ...bars);
}

/** Gives each day of what is asked for, by site or BMC, each minute anew, once all else is shown. @param {Record<string, string>} [query] */
export function days(query) {
  const minute = computed(() => !then() && fleet() && Math.floor(now() / 6e4));
  const all = signal(/** @type {import("../types.js").Strip[]} */ ([]));
  effect(() => {
    if (minute()) setTimeout(() => get("/strips", query).then((/** @type {any} */ { items }) => all.set(items), () => {}), 400);
  });
  return (/** @type {string} */ key) => {
    const one = all().find(({ site, bmc }) => key === (bmc ?? site));
    return one && dayOf(one);
  };
}
