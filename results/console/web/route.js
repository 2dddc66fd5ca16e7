// The address is the state: a page, and what is asked of it. Back works, and a copied address shows the same.

import { signal } from "./view.js";

/** @param {string} url a path with its query @returns {Route} */
export function parse(url) {
  const { pathname, searchParams } = new URL(url, "http://console");
  return { path: pathname, query: Object.fromEntries(searchParams) };
}

/** The address of a route. What is empty is left out, except where a place has no name. @param {string} path @param {Record<string, string | undefined>} [query] */
export function to(path, query = {}) {
  const all = new URLSearchParams();
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
export const incidentURL = (id) => `/incidents/${encodeURIComponent(id)}`;

/** The page of a path: of those that name something in it, the pattern. @param {string} path */
export const pageOf = (path) => path.replace(/^\/incidents\/[^/]+$/, "/incidents/{id}");

/** Where we are. */
export const route = signal(/** @type {Route} */ ({ path: "/", query: {} }));

const here = () => parse(location.pathname + location.search);

/** Goes to an address; replace leaves no step for Back. @param {string} url @param {boolean} [replace] */
export function go(url, replace = false) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  route.set(here());
}

/** Changes some of what is asked of this page. @param {Record<string, string | undefined>} query */
export function ask(query) {
  const { path, query: now } = route.peek();
  go(to(path, { ...now, ...query }), true);
}

/** Takes over from the browser: links of ours, Back and Forward. */
export function start() {
  route.set(here());
  addEventListener("popstate", () => route.set(here()));
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.origin !== location.origin || link.target || link.hasAttribute("download") || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    go(link.pathname + link.search);
    scrollTo(0, 0);
  });
}
