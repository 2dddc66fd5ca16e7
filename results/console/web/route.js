// The address is the state: a page, and what is asked of it. Back works, and a copied address shows the same.

import { signal } from "./view.js";

/** @param {string} url a path with its query @returns {Route} */
export function parse(url) {
  const { pathname, searchParams } = new URL(url, "http://console");
  return { path: pathname, query: Object.fromEntries(searchParams) };
}

/** The moment that is looked at; "" is now. Links lead to the same moment, but to pages that only know what is now. */
export const at = signal("");
const past = /^\/($|site$|rack$|bmc$|incidents$|search$)/;

/** The address of a route. What is empty is left out, except where a place has no name. @param {string} path @param {Record<string, string | undefined>} [query] */
export function to(path, query = {}) {
  const all = new URLSearchParams(at() && past.test(path) && !("at" in query) ? { at: at() } : {});
  for (const [name, value] of Object.entries(query)) if (value !== undefined) all.set(name, value);
  const text = all.toString();
  return path + (text ? `?${text}` : "");
}

/** @param {{ site: string, room: string, row: string, rack: string }} r */
export const rackURL = ({ site, room, row, rack }) => to("/rack", { site, room, row, rack });
/** @param {string} site */
export const siteURL = (site) => to("/site", { site });
/** @param {string} id */
export const bmcURL = (id) => to("/bmc", { id });

/** @param {string} id */
export const incidentURL = (id) => to(`/incidents/${encodeURIComponent(id)}`);

/** The page of a path: of those that name something in it, the pattern. @param {string} path */
export const pageOf = (path) => path.replace(/^\/incidents\/[^/]+$/, "/incidents/{id}");

/** Where we are. */
export const route = signal(/** @type {Route} */ ({ path: "/", query: {} }));

function here() {
  const now = parse(location.pathname + location.search);
  at.set((past.test(now.path) && !now.query.q && now.query.at) || "");
  route.set(now);
}

/** Goes to an address; replace leaves no step for Back. @param {string} url @param {boolean} [replace] */
export function go(url, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  here();
}

/** Changes some of what is asked of this page. @param {Record<string, string | undefined>} query */
export function ask(query) {
  const { path, query: now } = route.peek();
  go(to(path, { ...now, ...query }), true);
}

/** Shows a moment, of the fleet where this page only knows what is now. @param {string | undefined} moment */
export function look(moment) {
  const { path, query } = route.peek();
  go(past.test(path) ? to(path, { ...query, at: moment }) : to("/", { at: moment }));
}

/** Takes over from the browser: links of ours, Back and Forward. */
export function start() {
  here();
  addEventListener("popstate", here);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download") || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
    scrollTo(0, 0);
  });
}
