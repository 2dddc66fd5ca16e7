// The console begins here: a frame that stays, with where one can go, whether what is seen is current, and the line that says so when it is not;
// and a page that follows the address.

import * as act from "./act.js";
import { answered, fleet, heard, held, link, start as listen, pause, paused, returned, tick } from "./feed.js";
import * as keys from "./keys.js";
import { page as fleetPage } from "./pages/fleet.js";
import { plural } from "./model.js";
import { checked, trouble } from "./parts.js";
import { at, go, look, pageOf, route, start, to } from "./route.js";
import { ahead, clock, knows, now, span, zone } from "./time.js";
import { computed, effect, h, signal } from "./view.js";

const LOST = "NO FEED";

/** The feed in a few words. @returns {{ kind: string, text: string }} */
function chip() {
  const { state, since } = link();
  if (state === "refused") return { kind: "lost", text: "SIGNED OUT" };
  if (state === "lost") return { kind: "lost", text: heard() ? `${LOST} since ${clock(heard())}` : LOST };
  if (at()) return { kind: "paused", text: "As it was" };
  if (paused()) return { kind: "paused", text: `Paused (${plural(held(), "change")})` };
  if (state === "connecting") return { kind: "wait", text: `Connecting ${span(now() - since)}` };
  if (state === "catching up") return { kind: "wait", text: "Catching up" };
  return { kind: "live", text: `Live ${span(now() - heard())}` };
}

function search() {
  const field = h("input", { type: "search", name: "q", id: "search", placeholder: "BMC, serial, IP", "aria-label": "Search", autocomplete: "off",
    value: () => (route().path === "/search" ? (route().query.q ?? "") : "") });
  return h("form", { role: "search", class: "search", onsubmit: (event) => {
    event.preventDefault();
    if (field.value.trim()) go(to("/search", { q: field.value.trim() }));
  } }, field);
}

function header() {
  return h("header", { class: "top" },
    h("a", { class: "brand", href: () => to("/"), "aria-label": "Lamplighter, fleet" }, "Lamplighter"),
    h("nav", { class: "places", "aria-label": "pages" }, ["Incidents", "Silences", "Satellites", "Chain", "Inventory", "Audit"].map((name) => {
      const path = `/${name.toLowerCase()}`;
      return h("a", { href: () => to(path), "aria-current": () => (route().path === path ? "page" : null) }, name);
    })),
    search(),
    h("div", { class: "status" },
      h("select", { "aria-label": "Times are shown in", onchange: (event) => zone.set(event.target.value) }, h("option", { value: "UTC" }, "UTC"), h("option", { value: "local" }, "local time"),
        () => Object.entries(act.me()?.zones ?? {}).filter(([, value]) => knows(value)).map(([site, value]) => h("option", { value }, `${site}: ${value}`))),
      h("span", { class: "faint checked", title: "how old the newest check is" }, () => checked()),
      h("span", { class: () => `chip ${chip().kind}`, role: "status", "aria-live": "off", id: "feed" }, () => chip().text),
      () => act.me()?.token && h("button", { title: act.me()?.name, onclick: act.signOut }, "Sign out"),
      h("button", { class: "plain", "aria-pressed": () => String(paused()), title: "hold what comes back (p)", onclick: () => pause(!paused.peek()) },
        () => (paused() ? "Resume" : "Pause"))));
}

/** Where a person shows a token. */
function sign() {
  if (!isSecureContext) return h("p", null, "Signing in needs HTTPS: a browser keeps no token of a page that others can read on the way.");
  const token = h("input", { type: "password", name: "token", autocomplete: "current-password", placeholder: "lamp_…", "aria-label": "Token", required: true });
  const wrong = h("p", { role: "alert" });
  return h("form", { onsubmit: async (event) => {
    event.preventDefault();
    await act.signIn(token.value).catch((err) => (wrong.textContent = err.message));
  } }, token, h("button", { type: "submit" }, "Sign in"), wrong);
}

/** The bar that cannot be overlooked. */
const banner = () => h("div", { class: "banners" }, () => {
  const { state, why } = link();
  if (state === "refused") return h("div", { class: "banner", role: "alert" }, h("strong", null, "SIGNED OUT. "), why, fleet() && " What is shown is last known.", sign());
  if (state === "lost") {
    return h("div", { class: "banner", role: "alert" }, h("strong", null, `${LOST}. `),
      () => (heard() ? `Nothing was heard from the server since ${clock(heard())} (${span(now() - heard())}).` : why || "The server does not answer."), " All below is last known. Trying again by itself.");
  }
  if (at()) {
    return h("div", { class: "note then", role: "status" }, h("strong", null, `As it was at ${clock(at())}. `), "Places and facts are those of now. ", h("span", { class: "wrong" }, why), " ",
      h("input", { type: "datetime-local", step: 1, "aria-label": "Another moment (UTC)", value: at().replace("Z", ""), onchange: (event) => event.target.value && look(`${event.target.value}Z`) }), "UTC",
      h("button", { onclick: () => look(undefined) }, "Back to now"));
  }
  if (state === "connecting" && why && !fleet()) return h("div", { class: "note", role: "status" }, why, " Trying again by itself.");
  if (returned()) return h("div", { class: "note", role: "status" }, returned());
  if (Math.abs(ahead()) > 60_000) {
    return h("div", { class: "note", role: "status" }, `This machine's clock is ${span(Math.abs(ahead()))} ${ahead() > 0 ? "behind" : "ahead of"} the server's; times shown are the server's.`);
  }
  return null;
});

/** What stands above what is printed: from where, and when. */
const printed = () => h("p", { class: "printed" }, () => route() && `${location.href} ${clock(now())}`);

/** The tab says it too. @param {HTMLLinkElement | null} icon */
function tab(icon) {
  const base = icon?.getAttribute("href")?.replace(/[^/]*$/, "") ?? "";
  effect(() => {
    const { state } = link();
    tick();
    const failed = fleet()?.failed() ?? 0;
    const lost = state === "lost" || state === "refused";
    document.title = `${lost ? `${LOST} · ` : failed ? `(${failed}) ` : ""}Lamplighter`;
    icon?.setAttribute("href", `${base}icon${lost ? "-lost" : failed ? "-bad" : ""}.svg`);
    document.body.classList.toggle("lost", lost);
  });
}

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
  "/": { page: fleetPage, by: [] },
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
void act.start();
listen();
await new Promise((show) => { // what comes at once is drawn once, and not first as what is not there
  setTimeout(show, 400);
  effect(() => void (fleet() && answered() && show(null)));
});
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
  if (wall && returned()) location.reload(); // the server may be another version
});
tab(document.querySelector("link[rel=icon]"));
keys.start();
setTimeout(() => rest.forEach((look) => void look()), 2000);
