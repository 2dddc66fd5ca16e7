// Incidents: what is new, whose is it, who is on it?

import { button, note } from "../act.js";
import { get, send } from "../api.js";
import { forEach, picks, tick, tickAll } from "../bulk.js";
import { fleet, on } from "../feed.js";
import { later } from "../later.js";
import { number } from "../model.js";
import { age, code, moment, path, ticketed, trouble } from "../parts.js";
import { ask, incidentURL, route } from "../route.js";
import { causes, owners } from "../tables.js";
import { clock } from "../time.js";
import { cleanup, effect, h, list, signal } from "../view.js";

const tabs = /** @type {const} */ (["open", "acknowledged", "closed"]);
const MOST = { open: 500, acknowledged: 500, closed: 100 };

/** What the address asks for, as the API takes it. @returns {Record<string, string>} */
function filters() {
  const { cause, owner, site, where } = route().query;
  return Object.fromEntries(Object.entries({ cause, owner, site, where }).flatMap(([name, value]) => (value ? [[name, value]] : [])));
}

const tab = () => tabs.find((one) => one === route().query.status) ?? "open";

function watched() {
  const pages = signal(/** @type {Record<string, IncidentPage> | null} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  let asked = 0;
  const look = async () => {
    const [mine, of] = [++asked, filters()];
    try {
      const all = await Promise.all(tabs.map((status) => get("/incidents", { ...of, status, limit: String(MOST[status]) })));
      if (mine !== asked) return;
      pages.set(Object.fromEntries(tabs.map((status, n) => [status, all[n]])));
      wrong.set(null);
    } catch (err) {
      if (mine === asked) wrong.set(err);
    }
  };
  const more = async () => {
    const [status, of, now] = [tab(), filters(), pages.peek()];
    const page = /** @type {IncidentPage} */ (await get("/incidents", { ...of, status, limit: "500", cursor: now?.[status]?.next ?? "" }).catch(wrong.set));
    if (page && now) pages.set({ ...now, [status]: { items: [...(now[status]?.items ?? []), ...page.items], next: page.next } });
  };
  const soon = later(look);
  effect(() => {
    filters();
    void look();
  });
  for (const event of ["hello", "resync", "incident", "silence"]) cleanup(on(event, () => soon(400)));
  return { pages, wrong, look, more };
}

/** A filter that stands in the address. @param {string} name @param {() => readonly string[]} values */
function choice(name, values) {
  /** @type {HTMLSelectElement} */
  const field = h("select", { id: `by-${name}`, onchange: () => ask({ [name]: field.value || undefined }) }, h("option", { value: "" }, "any"), () => values().map((value) => h("option", { value }, value)));
  effect(() => {
    const value = route().query[name] ?? "";
    if (value && !values().includes(value)) field.append(h("option", { value }, value));
    field.value = value;
  });
  return h("span", { class: "by" }, h("label", { for: `by-${name}` }, name), field);
}

/** @param {Incident} i */
const who = (i) => [i.ack ? `acknowledged: ${i.ack.who}` : i.status === "closed" ? h("span", { class: "faint" }, i.closed || "closed") : h("b", null, "nobody yet"), i.silenced && h("span", { class: "faint" }, ` ${i.silenced.kind} until ${clock(i.silenced.until)}`)];

/** @param {() => Incident} item @param {ReturnType<typeof picks>} picked @param {() => string[]} order */
const line = (item, picked, order) => h("li", null,
  tick(picked, () => item().id, () => item().title, order),
  h("span", { class: "letter" }, () => code(item().code + (item().ack ? "a" : "") + (item().silenced?.kind === "silence" ? "z" : ""))),
  h("div", { class: "what" }, h("a", { href: incidentURL(item().id) }, () => item().title), h("span", { class: "faint" }, () => ` ${item().counted}, ${item().owner}`)),
  h("span", { class: "size" }, () => `${number(item().failing)} of ${number(item().total)}`),
  h("span", { class: "age" }, () => (item().closed_at ? moment(item().closed_at) : age(item().since))),
  h("span", { class: "who" }, () => who(item())), h("span", { class: "ticket" }, () => (item().tickets.length ? item().tickets.map(ticketed) : ticketed(undefined))));

/** @param {number} n */
const many = (n) => `${number(n)} ${n === 1 ? "incident" : "incidents"}`;

/** Acknowledges what is selected, one by one; those that failed stay selected. @param {Incident[]} chosen @param {ReturnType<typeof picks>} picked */
function ackChosen(chosen, picked) {
  const failing = chosen.reduce((sum, i) => sum + i.failing, 0);
  note(`Acknowledge ${many(chosen.length)} with ${number(failing)} failing BMCs`, (body) => forEach(chosen, async ({ id }) => {
    await send("PUT", `/incidents/${encodeURIComponent(id)}/ack`, body);
    picked.set(id, false);
  }, ({ title }) => title));
}

/** Acknowledges all that the filters ask for, as many as were counted before. @param {(err: unknown) => void} tell */
async function ackAll(tell) {
  const query = new URLSearchParams({ ...filters(), status: "open" });
  try {
    const { matched, failing } = await send("POST", `/incidents/ack?${query}`, { note: "how many?", who: "nobody", dry_run: true });
    note(`Acknowledge all ${many(matched)} that match, with ${number(failing)} failing BMCs`, (body) => send("POST", `/incidents/ack?${query}`, { ...body, expect: matched }));
  } catch (err) {
    tell(err);
  }
}

/** What is done with the selection. @param {{ pages: () => Record<string, IncidentPage> | null, rows: () => Incident[], picked: ReturnType<typeof picks>, tell: (err: unknown) => void }} of */
function acts({ pages, rows, picked, tell }) {
  const known = () => Object.values(pages() ?? {}).flatMap(({ items }) => items);
  const chosen = () => known().filter((i) => picked.has(i.id) && i.status !== "closed");
  const text = () => `${number(picked.all().size)} selected, ${number(chosen().reduce((sum, i) => sum + i.failing, 0))} BMCs fail in them`;
  return h("div", { class: "bar-of-buttons thumb" },
    tickAll(picked, () => rows().map(({ id }) => id)),
    h("span", { role: "status", class: "faint" }, text),
    () => [
      chosen().length > 0 && button(`Ack ${many(chosen().length)}`, () => ackChosen(chosen(), picked), { "data-key": "a", class: "main" }),
      picked.all().size > 0 && h("button", { type: "button", onclick: picked.clear }, "Clear selection"),
      !picked.all().size && tab() === "open" && rows().length > 0 && button("Ack all that match", () => void ackAll(tell), { "data-key": "a" }),
    ]);
}

const exports = () => ["csv", "ndjson"].map((format) => h("a", { class: "plain", download: "", href: () => `/api/v1/export/incidents?${new URLSearchParams({ ...filters(), status: tab(), format })}` }, format.toUpperCase()));

export function page() {
  const { pages, wrong, look, more } = watched();
  const picked = picks();
  const rows = () => pages()?.[tab()]?.items ?? [];
  const count = (/** @type {string} */ status) => {
    const page = pages()?.[status];
    return page ? ` ${number(page.items.length)}${page.next ? "+" : ""}` : "";
  };
  const sites = () => fleet()?.sites().map(({ site }) => site).filter(Boolean) ?? [];
  const order = () => rows().map(({ id }) => id);
  return [
    path([["Fleet", "/"], ["Incidents", null]]),
    h("h1", { class: "sentence" }, () => (pages() ? `Incidents:${count("open")} open,${count("acknowledged")} acknowledged. ${number([...pages()?.open?.items ?? [], ...pages()?.acknowledged?.items ?? []].reduce((sum, i) => sum + i.failing, 0))} BMCs fail in them.` : wrong() ? "Incidents: not known." : "Incidents: loading …")),
    h("div", { class: "bar-of-buttons" }, tabs.map((status) => h("button", { type: "button", "aria-pressed": () => String(tab() === status), onclick: () => ask({ status: status === "open" ? undefined : status }) }, status, () => count(status))),
      choice("cause", () => causes), choice("owner", () => owners), choice("site", sites), exports()),
    () => (wrong() ? trouble(wrong(), look) : null),
    acts({ pages, rows, picked, tell: wrong.set }),
    () => (pages() && !rows().length ? h("p", { class: "empty" }, Object.keys(filters()).length ? ["None matches. ", h("a", { href: "/incidents" }, "Clear filter")] : `None is ${tab()}.`) : null),
    h("section", { class: "incidents pick", "aria-label": "Incidents" }, list(h("ol", null), rows, (i) => i.id, (item) => line(item, picked, order))),
    () => (pages()?.[tab()]?.next ? h("button", { type: "button", onclick: more }, "More") : null),
  ];
}
