// The console begins here: a frame that stays, and a page that follows the address.

import * as act from "./act.js";
import * as feed from "./feed.js";
import { banner, header, tab } from "./frame.js";
import * as incidents from "./incidents.js";
import * as keys from "./keys.js";
import { page as bmc } from "./pages/bmc.js";
import { page as fleet } from "./pages/fleet.js";
import { page as incident } from "./pages/incident.js";
import { page as incidentList } from "./pages/incidents.js";
import { audit, chain, inventory, satellites } from "./pages/ourselves.js";
import { page as rack } from "./pages/rack.js";
import { page as search } from "./pages/search.js";
import { page as silences } from "./pages/silences.js";
import { page as site } from "./pages/site.js";
import { pageOf, route, start } from "./route.js";
import { computed, effect, h } from "./view.js";

/** The pages, and what of the address makes one another page. @type {Record<string, { page: () => Child, by: string[] }>} */
const pages = {
  "/": { page: fleet, by: [] },
  "/site": { page: site, by: ["site"] },
  "/rack": { page: rack, by: ["site", "room", "row", "rack"] },
  "/bmc": { page: bmc, by: ["id"] },
  "/incidents": { page: incidentList, by: [] },
  "/incidents/{id}": { page: incident, by: [] },
  "/silences": { page: silences, by: [] },
  "/satellites": { page: satellites, by: [] },
  "/chain": { page: chain, by: [] },
  "/inventory": { page: inventory, by: [] },
  "/audit": { page: audit, by: [] },
  "/search": { page: search, by: ["q", "where"] },
};

start();
const shown = computed(() => {
  const { path, query } = route();
  return JSON.stringify([path, ...(pages[pageOf(path)]?.by ?? []).map((name) => query[name] ?? null)]);
});
const main = h("main", { id: "main", tabindex: -1 }, () => {
  const [path] = JSON.parse(shown());
  return pages[pageOf(path)]?.page() ?? h("h1", { class: "sentence" }, "There is no such page.");
});
document.body.append(h("a", { class: "skip", href: "#main" }, "To the content"), header(), banner(), main, h("footer", null, keys.hint()));
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
