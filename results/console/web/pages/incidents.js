// Incidents: what is new, whose is it, who is on it? And one: what is it about, why, since when, who is on it, what happened? Its address
// is what tickets have; it opens after the end, too.

import { ackIncident, button, note } from "../act.js";
import { file, get, keep, kept, send } from "../api.js";
import { forEach, picks, recheck, tick, tickAll } from "../bulk.js";
import { lookOf } from "../chain.js";
import { marked, steps } from "../codes.js";
import { fleet, on } from "../feed.js";
import { number, plural } from "../model.js";
import { age, code, copy, exports, moment, path, ticketed, trouble } from "../parts.js";
import { ask, bmcURL, incidentURL, rackURL, route, siteURL, to } from "../route.js";
import { quoted, scopeOf, silence, where } from "../silence.js";
import { causes, owners } from "../tables.js";
import { clock, later } from "../time.js";
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
      if (mine === asked) keep(wrong, err);
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
  const value = () => route().query[name] ?? "";
  /** @type {HTMLSelectElement} */
  const field = h("select", { id: `by-${name}`, onchange: () => ask({ [name]: field.value || undefined }) }, h("option", { value: "" }, "any"), () => [...new Set([...values(), value()])].filter(Boolean).map((one) => h("option", { value: one }, one)));
  effect(() => {
    values(); // the options were made anew
    field.value = value();
  });
  return h("span", { class: "by" }, h("label", { for: `by-${name}` }, name), field);
}

/** @param {Incident} i */
const who = (i) => [i.ack ? `acknowledged: ${i.ack.who}` : i.status === "closed" ? h("span", { class: "faint" }, i.closed || "closed") : h("b", null, "nobody yet"), i.silenced && h("span", { class: "faint" }, ` ${i.silenced.kind} until ${clock(i.silenced.until)}`)];

/** @param {() => Incident} item @param {ReturnType<typeof picks>} picked @param {() => string[]} order */
const line = (item, picked, order) => h("li", null,
  tick(picked, () => item().id, () => item().title, order),
  h("span", { class: "letter" }, () => code(marked(item()))),
  h("div", { class: "what" }, h("a", { href: incidentURL(item().id) }, () => item().title), h("span", { class: "faint" }, () => ` ${item().counted}, ${item().owner}`)),
  h("span", { class: "size" }, () => `${number(item().failing)} of ${number(item().total)}`),
  h("span", { class: "age" }, () => (item().closed_at ? moment(item().closed_at) : age(item().since))),
  h("span", { class: "who" }, () => who(item())), h("span", { class: "ticket" }, () => (item().tickets.length ? item().tickets.map(ticketed) : ticketed(undefined))));

/** Acknowledges what is selected, one by one; those that failed stay selected. @param {Incident[]} chosen @param {ReturnType<typeof picks>} picked */
function ackChosen(chosen, picked) {
  const failing = chosen.reduce((sum, i) => sum + i.failing, 0);
  note(`Acknowledge ${plural(chosen.length, "incident")} with ${plural(failing, "failing BMC")}`, (body) => forEach(chosen, async ({ id }) => {
    await send("PUT", `/incidents/${encodeURIComponent(id)}/ack`, body);
    picked.set(id, false);
  }, ({ title }) => title));
}

/** Acknowledges all that the filters ask for, as many as were counted before. @param {(err: unknown) => void} tell */
async function ackAll(tell) {
  const query = new URLSearchParams({ ...filters(), status: "open" });
  try {
    const { matched, failing } = await send("POST", `/incidents/ack?${query}`, { note: "how many?", who: "nobody", dry_run: true });
    note(`Acknowledge all ${plural(matched, "incident")} that match, with ${plural(failing, "failing BMC")}`, (body) => send("POST", `/incidents/ack?${query}`, { ...body, expect: matched }));
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
      chosen().length > 0 && button(`Ack ${plural(chosen().length, "incident")}`, () => ackChosen(chosen(), picked), { "data-key": "a", class: "main" }),
      picked.all().size > 0 && h("button", { onclick: picked.clear }, "Clear selection"),
      !picked.all().size && tab() === "open" && rows().length > 0 && button("Ack all that match", () => void ackAll(tell), { "data-key": "a" }),
    ]);
}


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
    h("div", { class: "bar-of-buttons" }, tabs.map((status) => h("button", { "aria-pressed": () => String(tab() === status), onclick: () => ask({ status: status === "open" ? undefined : status }) }, status, () => count(status))),
      choice("cause", () => causes), choice("owner", () => owners), choice("site", sites), exports("incidents", () => ({ ...filters(), status: tab() }))),
    () => (wrong() ? trouble(wrong(), look) : null),
    acts({ pages, rows, picked, tell: wrong.set }),
    () => (pages() && !rows().length ? h("p", { class: "empty" }, Object.keys(filters()).length ? ["None matches. ", h("a", { href: "/incidents" }, "Clear filter")] : `None is ${tab()}.`) : null),
    h("section", { class: "incidents pick", "aria-label": "Incidents" }, list(h("ol", null), rows, (i) => i.id, (item) => line(item, picked, order))),
    () => (pages()?.[tab()]?.next ? h("button", { onclick: more }, "More") : null),
  ];
}

/* One of them. */

/** @param {string} id */
function watchedOne(id) {
  const { value: detail, wrong, look } = kept(() => /** @type {Promise<IncidentDetail>} */ (get(`/incidents/${encodeURIComponent(id)}`)));
  const soon = later(look);
  void look();
  for (const event of ["hello", "resync", "incident", "ack", "silence"]) cleanup(on(event, () => soon(300)));
  return { detail, wrong, look };
}

const ended = { recovered: "its BMCs work again", merged: "it was found to be a part of another", left: "its BMCs are in the inventory no more" };

/** @param {IncidentDetail} i */
function state(i) {
  return h("ul", { class: "asides" },
    h("li", null, h("strong", { class: "status-word" }, i.status), i.reopened > 0 && `, opened again ${i.reopened} ${i.reopened === 1 ? "time" : "times"}`, ", since ", moment(i.since),
      i.closed_at && [". Closed ", moment(i.closed_at), i.closed && `: ${ended[i.closed]}`], "."),
    i.into && h("li", null, "It is a part of ", h("a", { href: incidentURL(i.into) }, `incident ${i.into}`), "."),
    i.from && h("li", null, "Its BMCs were left of ", h("a", { href: incidentURL(i.from) }, `incident ${i.from}`), "."),
    i.ack ? h("li", null, h("strong", null, `${i.ack.who} is on it`), i.ack.note && `: ${i.ack.note}`, " (", moment(i.ack.at), ") ", i.status !== "closed" && button("Take back", () => void send("DELETE", `/incidents/${encodeURIComponent(i.id)}/ack`)))
      : i.status !== "closed" && h("li", null, h("strong", null, "Nobody is on it yet.")),
    i.silenced && h("li", null, `${i.silenced.kind === "maintenance" ? "In maintenance" : "Silenced"} until `, moment(i.silenced.until), ". ", h("a", { href: "/silences" }, "Silences")),
    h("li", null, "Tickets: ", i.tickets.length ? i.tickets.map((t, n) => [n > 0 && ", ", ticketed(t),
      h("span", { class: "faint" }, ` (${t.ref ? `${t.desk}, ` : ""}${t.in ? "listed in the ticket of a storm" : t.open ? "open" : "closed"})`), t.error && h("span", { class: "wrong" }, ` ${t.error}`)]) : ticketed(undefined)));
}

/** @param {IncidentDetail} i */
const advice = (i) => h("section", { class: "hint" },
  h("p", null, h("strong", null, i.counted)), h("p", null, "Next: ", i.next_step || "-", ". ", h("span", { class: "faint" }, `Owner: ${i.owner || "-"}`)),
  (i.evidence ?? []).length > 0 && h("ul", { class: "evidence-lines", "aria-label": "Evidence" }, i.evidence.map((text) => h("li", null, h("code", null, text)))));

/** A rack of it: where all are in one its page, else those of that name. @param {IncidentDetail} i @param {Member} m */
const rackOf = (i, m) => (m.rack ? h("a", { href: i.rack === m.rack ? rackURL(i) : to("/search", { where: where({ site: i.site, rack: m.rack }) }) }, m.rack) : "-");

/** @param {() => IncidentDetail | null} detail */
const members = (detail) => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "its BMCs" }, h("table", null,
  h("thead", null, h("tr", null, ["BMC", "Rack", "Unit", "Failed at", "Reason", "Broke", "Now"].map((name) => h("th", { scope: "col" }, name)))),
  list(h("tbody", null), () => (detail()?.members ?? []).slice(0, 200), (m) => m.bmc, (m) => h("tr", { class: () => (m().left ? "" : "bad") },
    h("td", null, h("a", { href: bmcURL(m().bmc) }, m().bmc)), h("td", null, () => rackOf(/** @type {IncidentDetail} */ (detail()), m())), h("td", null, () => (m().unit ? `U${m().unit}` : "-")),
    h("td", null, () => steps[lookOf(/** @type {any} */ ({ health: "unavailable", failed: m().failed }))] ?? (m().failed || "-")), h("td", null, () => m().reason || "-"), h("td", { class: "nowrap" }, () => [age(m().since), " ago"]),
    h("td", null, () => (m().left ? ["left ", age(m().left), " ago"] : h("b", null, "fails")))))));

/** What happened, newest first. @param {IncidentDetail} i */
function past(i) {
  const done = /** @type {Record<string, string>} */ ({ ack: "acknowledged it", unack: "took the acknowledgement back" });
  const all = [
    { at: i.since, what: [h("b", null, "The first BMC broke")] },
    { at: i.opened_at, what: [h("b", null, "It became an incident"), " ", h("a", { href: to("/", { at: i.opened_at }) }, "the fleet then")] },
    ...(i.closed_at ? [{ at: i.closed_at, what: [h("b", null, "Closed"), i.closed ? `: ${ended[i.closed]}` : ""] }] : []),
    ...i.tickets.flatMap((t) => (t.opened_at ? [{ at: t.opened_at, what: [h("b", null, `Ticket ${t.ref || t.desk}`), " was opened"] }] : [])),
    ...i.acts.map((a) => ({ at: a.at, what: [h("b", null, a.who), ` ${done[a.do] ?? a.do}${a.note ? `: ${a.note}` : ""}`] })),
    ...i.changes.map((c) => ({ at: c.at, what: [h("a", { href: bmcURL(c.bmc) }, c.bmc), `: ${c.from.health} → ${c.to.health}${c.to.reason ? ` (${c.to.reason})` : ""}`] })),
  ].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return [h("ol", { class: "changes" }, all.slice(0, 100).map(({ at, what }) => h("li", null, moment(at), " ", what))), all.length > 100 && h("p", { class: "faint" }, `and ${number(all.length - 100)} before`)];
}

/** @param {IncidentDetail} i */
const place = (i) => path([["Fleet", "/"], ["Incidents", "/incidents"], ...(i.site ? [/** @type {[string, string]} */ ([i.site, siteURL(i.site)])] : []), ...(i.rack ? [/** @type {[string, string]} */ ([i.rack, rackURL(i)])] : []), [i.id, null]]);

export function one() {
  const id = decodeURIComponent(route.peek().path.slice("/incidents/".length));
  const { detail, wrong, look } = watchedOne(id);
  const own = `incident=${quoted(id)}`;
  const quiet = (/** @type {"silence" | "maintenance"} */ kind) => {
    const i = detail.peek();
    if (i) silence(kind, scopeOf(i, i.members));
  };
  return [
    () => (detail() ? place(/** @type {IncidentDetail} */ (detail())) : path([["Fleet", "/"], ["Incidents", "/incidents"], [id, null]])),
    h("h1", { class: "sentence" }, () => {
      const i = detail();
      return i ? [code(marked(i)), ` ${i.title}`, h("span", { class: "faint" }, ` ${number(i.failing)} of ${number(i.total)} fail`)] : wrong() ? "This incident is not known." : "Loading the incident …";
    }),
    () => (wrong() ? trouble(wrong(), look) : null),
    h("div", { class: "bar-of-buttons thumb" }, () => {
      const i = detail();
      return i && [
        i.status === "closed" ? null : button(i.ack ? "Ack again" : "Ack", () => ackIncident(i), { "data-key": "a", class: "main" }),
        button("Silence", () => quiet("silence"), { "data-key": "s" }),
        i.failing > 0 && button(`Recheck ${number(i.failing)}`, () => void recheck([{ keys: [], where: own }]).catch(wrong.set), { "data-key": "r" }),
        button("Maintenance", () => quiet("maintenance")), copy(),
        i.failing > 0 && h("a", { class: "plain", download: "", href: file("bmcs", { where: own, format: "csv" }) }, "BMCs as CSV"),
      ];
    }),
    () => {
      const i = detail();
      return i && [state(i), advice(i)];
    },
    h("h2", null, "BMCs ", () => h("span", { class: "faint" }, detail() ? `${number(detail()?.total ?? 0)}${(detail()?.members.length ?? 0) > 200 ? ", the first 200" : ""}` : "")),
    members(detail),
    h("h2", null, "What happened"), () => {
      const i = detail();
      return i && past(i);
    },
  ];
}
