// The console begins here: a frame that stays, and a page that follows the address.

import * as act from "./act.js";
import * as feed from "./feed.js";
import { banner, header, printed, tab } from "./frame.js";
import * as incidents from "./incidents.js";
import * as keys from "./keys.js";
import { page as fleet } from "./pages/fleet.js";
import { trouble } from "./parts.js";
import { at, pageOf, route, start } from "./route.js";
import { computed, effect, h, signal } from "./view.js";

/** @type {(() => void)[]} */
const rest = [];

/** A page of a module that is fetched when it is first opened; or before, for a time when the server does not answer. @param {string} file @param {string} [part] */
function fetched(file, part = "page") {
  const page = signal(/** @type {(() => Child) | null} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  const look = () => void (page.peek() ?? import(file).then((module) => page.set(module[part]), wrong.set));
  rest.push(look);
  return () => {
    look();
    return () => page()?.() ?? (wrong() ? trouble(wrong(), () => location.reload()) : h("h1", { class: "sentence" }, "Loading …"));
  };
}

/** The pages, and what of the address makes one another page. @type {Record<string, { page: () => Child, by: string[] }>} */
const pages = {
  "/": { page: fleet, by: [] },
  "/site": { page: fetched("./pages/site.js"), by: ["site"] },
  "/rack": { page: fetched("./pages/rack.js"), by: ["site", "room", "row", "rack"] },
  "/bmc": { page: fetched("./pages/bmc.js"), by: ["id"] },
  "/incidents": { page: fetched("./pages/incidents.js"), by: [] },
  "/incidents/{id}": { page: fetched("./pages/incidents.js", "one"), by: [] },
  "/silences": { page: fetched("./silence.js"), by: [] },
  "/satellites": { page: fetched("./pages/ourselves.js", "satellites"), by: [] },
  "/chain": { page: fetched("./pages/ourselves.js", "chain"), by: [] },
  "/inventory": { page: fetched("./pages/ourselves.js", "inventory"), by: [] },
  "/audit": { page: fetched("./pages/ourselves.js", "audit"), by: [] },
  "/search": { page: fetched("./pages/search.js"), by: ["q", "where"] },
};

start();
const shown = computed(() => {
  const { path, query } = route();
  return JSON.stringify([path, at(), ...(pages[pageOf(path)]?.by ?? []).map((name) => query[name] ?? null)]);
});
const main = h("main", { id: "main", tabindex: -1 }, () => {
  const [path] = JSON.parse(shown());
  return pages[pageOf(path)]?.page() ?? h("h1", { class: "sentence" }, "There is no such page.");
});
document.body.replaceChildren(h("a", { class: "skip", href: "#main" }, "To the content"), header(), printed(), banner(), main, h("footer", null, keys.hint()));
effect(() => {
  const wall = Boolean(route().query.kiosk);
  document.body.classList.toggle("kiosk", wall);
  if (wall && feed.returned()) location.reload(); // the server may be another version
});
tab(document.querySelector("link[rel=icon]"));
keys.start();
incidents.start();
void act.start();
feed.start();
setTimeout(() => rest.forEach((look) => void look()), 2000);
