// What is on every page: where one can go, whether what is seen is current, and the line that says so when it is not.

import { me, signIn, signOut } from "./act.js";
import { at, go, look, route, to } from "./route.js";
import { fleet, heard, held, judged, link, pause, paused, returned, tick } from "./feed.js";
import { ago, ahead, clock, knows, now, span, zone } from "./time.js";
import { effect, h } from "./view.js";

const LOST = "NO FEED";

/** The feed in a few words. @returns {{ kind: string, text: string }} */
function chip() {
  const { state, since } = link();
  if (state === "refused") return { kind: "lost", text: "SIGNED OUT" };
  if (state === "lost") return { kind: "lost", text: heard() ? `${LOST} since ${clock(heard())}` : LOST };
  if (at()) return { kind: "paused", text: "As it was" };
  if (paused()) return { kind: "paused", text: `Paused (${held()} ${held() === 1 ? "change" : "changes"})` };
  if (state === "connecting") return { kind: "wait", text: `Connecting ${span(now() - since)}` };
  if (state === "catching up") return { kind: "wait", text: "Catching up" };
  return { kind: "live", text: `Live ${span(now() - heard())}` };
}

/** The newest round that was judged anywhere: how old what the server knows is. */
function checked() {
  const newest = Object.values(judged()).sort().at(-1);
  return at() ? "" : newest ? `checked ${ago(newest)} ago` : "no check yet";
}

function search() {
  const field = h("input", { type: "search", name: "q", id: "search", placeholder: "BMC, serial, IP", "aria-label": "Search", autocomplete: "off",
    value: () => (route().path === "/search" ? (route().query.q ?? "") : "") });
  return h("form", { role: "search", class: "search", onsubmit: (event) => {
    event.preventDefault();
    if (field.value.trim()) go(to("/search", { q: field.value.trim() }));
  } }, field);
}

export function header() {
  return h("header", { class: "top" },
    h("a", { class: "brand", href: () => to("/"), "aria-label": "Lamplighter, fleet" }, "Lamplighter"),
    h("nav", { class: "places", "aria-label": "pages" }, ["Incidents", "Silences", "Satellites", "Chain", "Inventory", "Audit"].map((name) => {
      const path = `/${name.toLowerCase()}`;
      return h("a", { href: () => to(path), "aria-current": () => (route().path === path ? "page" : null) }, name);
    })),
    search(),
    h("div", { class: "status" },
      h("select", { "aria-label": "Times are shown in", onchange: (event) => zone.set(event.target.value) }, h("option", { value: "UTC" }, "UTC"), h("option", { value: "local" }, "local time"),
        () => Object.entries(me()?.zones ?? {}).filter(([, value]) => knows(value)).map(([site, value]) => h("option", { value }, `${site}: ${value}`))),
      h("span", { class: "faint checked", title: "how old the newest check is" }, checked),
      h("span", { class: () => `chip ${chip().kind}`, role: "status", "aria-live": "off", id: "feed" }, () => chip().text),
      () => me()?.token && h("button", { title: me()?.name, onclick: signOut }, "Sign out"),
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
    await signIn(token.value).catch((err) => (wrong.textContent = err.message));
  } }, token, h("button", { type: "submit" }, "Sign in"), wrong);
}

/** The bar that cannot be overlooked. */
export const banner = () => h("div", { class: "banners" }, () => {
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
export const printed = () => h("p", { class: "printed" }, () => route() && `${location.href} ${clock(now())}`);

/** The tab says it too. @param {HTMLLinkElement | null} icon */
export function tab(icon) {
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
