// Incident: what is it about, why, since when, who is on it, what happened? The address that tickets have; it opens after the end, too.

import { ackIncident, button } from "../act.js";
import { get, kept, send } from "../api.js";
import { lookOf } from "../chain.js";
import { steps } from "../codes.js";
import { on } from "../feed.js";
import { later } from "../later.js";
import { number } from "../model.js";
import { age, code, moment, path, ticketed, trouble } from "../parts.js";
import { bmcURL, incidentURL, rackURL, route, siteURL, to } from "../route.js";
import { quoted, scopeOf, silence, where } from "../silence.js";
import { cleanup, h, list, } from "../view.js";

/** @param {string} id */
function watched(id) {
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
    { at: i.opened_at, what: [h("b", null, "It became an incident")] },
    ...(i.closed_at ? [{ at: i.closed_at, what: [h("b", null, "Closed"), i.closed ? `: ${ended[i.closed]}` : ""] }] : []),
    ...i.tickets.flatMap((t) => (t.opened_at ? [{ at: t.opened_at, what: [h("b", null, `Ticket ${t.ref || t.desk}`), " was opened"] }] : [])),
    ...i.acts.map((a) => ({ at: a.at, what: [h("b", null, a.who), ` ${done[a.do] ?? a.do}${a.note ? `: ${a.note}` : ""}`] })),
    ...i.changes.map((c) => ({ at: c.at, what: [h("a", { href: bmcURL(c.bmc) }, c.bmc), `: ${c.from.health} → ${c.to.health}${c.to.reason ? ` (${c.to.reason})` : ""}`] })),
  ].sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  return [h("ol", { class: "changes" }, all.slice(0, 100).map(({ at, what }) => h("li", null, moment(at), " ", what))), all.length > 100 && h("p", { class: "faint" }, `and ${number(all.length - 100)} before`)];
}

/** @param {IncidentDetail} i */
const place = (i) => path([["Fleet", "/"], ["Incidents", "/incidents"], ...(i.site ? [/** @type {[string, string]} */ ([i.site, siteURL(i.site)])] : []), ...(i.rack ? [/** @type {[string, string]} */ ([i.rack, rackURL(i)])] : []), [i.id, null]]);

export function page() {
  const id = decodeURIComponent(route.peek().path.slice("/incidents/".length));
  const { detail, wrong, look } = watched(id);
  const quiet = (/** @type {"silence" | "maintenance"} */ kind) => {
    const i = detail.peek();
    if (i) silence(kind, scopeOf(i, i.members));
  };
  return [
    () => (detail() ? place(/** @type {IncidentDetail} */ (detail())) : path([["Fleet", "/"], ["Incidents", "/incidents"], [id, null]])),
    h("h1", { class: "sentence" }, () => {
      const i = detail();
      return i ? [code(i.code + (i.ack ? "a" : "") + (i.silenced?.kind === "silence" ? "z" : "")), ` ${i.title}`, h("span", { class: "faint" }, ` ${number(i.failing)} of ${number(i.total)} fail`)] : wrong() ? "This incident is not known." : "Loading the incident …";
    }),
    () => (wrong() ? trouble(wrong(), look) : null),
    h("div", { class: "bar-of-buttons thumb" }, () => {
      const i = detail();
      return i && [
        i.status === "closed" ? null : button(i.ack ? "Ack again" : "Ack", () => ackIncident(i), { "data-key": "a", class: "main" }),
        button("Silence", () => quiet("silence"), { "data-key": "s" }), button("Maintenance", () => quiet("maintenance")),
        h("button", { type: "button", onclick: () => navigator.clipboard?.writeText(location.href) }, "Copy link"),
        i.failing > 0 && h("a", { class: "plain", download: "", href: `/api/v1/export/bmcs?${new URLSearchParams({ where: `incident=${quoted(i.id)}`, format: "csv" })}` }, "BMCs as CSV"),
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
