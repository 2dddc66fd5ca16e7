// BMC: why, since when, what was tried?

import { ack, barred, button, recheck } from "../act.js";
import { get, kept, pathOf, send } from "../api.js";
import { chain, notReached, strip, took } from "../chain.js";
import { marked, words } from "../codes.js";
import { on, tick } from "../feed.js";
import { age, code, copy, moment, named, path, ticketed, trouble } from "../parts.js";
import { incidentURL, rackURL, route, siteURL } from "../route.js";
import { silence, where } from "../silence.js";
import { ago, clock, later, span } from "../time.js";
import { cleanup, effect, h, signal } from "../view.js";

/** @param {string} id */
function watched(id) {
  const past = signal(/** @type {{ from: string, to: string, spans: Span[] } | null} */ (null));
  const changes = signal(/** @type {Change[]} */ ([]));
  const { value: detail, wrong, look } = kept(async () => {
    const [d, p, c] = await Promise.all([get(pathOf(id)), get(`${pathOf(id)}/history`), get("/changes", { where: where({ bmc: id }), from: "now-30d", limit: "20" })]);
    past.set(p);
    changes.set(c.items);
    return /** @type {Detail} */ (d);
  });
  const soon = later(look);
  effect(() => {
    tick(); // whatever changes: it may be this one, and its newest round is news, too
    soon(detail.peek() ? 1500 : 0);
  });
  for (const event of ["ack", "incident", "silence", "hb"]) cleanup(on(event, () => soon(300)));
  return { detail, past, changes, wrong, look };
}

/** @param {Detail} d */
function headline({ state: s, code: letter, ack, silence: silenced }) {
  const since = s.since ? [" since ", moment(s.since)] : null;
  return h("h1", { class: "sentence" }, code(marked({ code: letter, flapping: s.flapping, ack, silenced })), " ", h("span", { class: "id" }, s.bmc), " ",
    words(letter), !s.reason && s.soft && `, probably ${s.soft.health}: ${s.soft.reason || "nothing is wrong"} (${s.soft.attempts} of ${s.soft.of} rounds)`, s.reason && [": ", h("code", null, s.reason)], since);
}

/** What else is to be known of the state. @param {Detail} d */
function asides({ state: s, ack: acked, incident, silence }) {
  return h("ul", { class: "asides" },
    s.soft && s.reason && h("li", null, `Not believed yet: ${s.soft.health}${s.soft.reason ? ` (${s.soft.reason})` : ""}, ${s.soft.attempts} of ${s.soft.of} rounds said so.`),
    s.last_known && h("li", null, `Last known: ${s.last_known.health}${s.last_known.reason ? ` (${s.last_known.reason})` : ""}, `, moment(s.last_known.at), "."),
    s.never_seen && h("li", null, "It was never seen to work: finish its provisioning."),
    s.flapping && h("li", null, `Flapping: ${s.flapping.share} % of its newest rounds changed, since `, moment(s.flapping.since), "."),
    acked && h("li", null, `${acked.who} is on it`, acked.note && `: ${acked.note}`, " (", moment(acked.at), ") ", button("Take back", () => void send("DELETE", `${pathOf(s.bmc)}/ack`))),
    silence && h("li", null, `${silence.kind === "maintenance" ? "In maintenance" : "Silenced"} until `, moment(silence.until), "."),
    incident && h("li", null, "Incident: ", h("a", { href: incidentURL(incident.id) }, incident.title), ` (${incident.failing} of ${incident.total}). `,
      ticketed(incident.tickets[0])));
}

/** @param {Detail} d */
function advice({ state: s, meaning, verdict: v }) {
  const next = s.next_step || v?.next_step;
  if (!next) return null;
  return h("section", { class: "hint" }, h("p", null, h("strong", null, meaning ? `${meaning[0]?.toUpperCase()}${meaning.slice(1)}. ` : "")), h("p", null, "Next: ", next, ". ", h("span", { class: "faint" }, `Owner: ${s.owner || v?.owner || "-"}`)));
}

/** @param {Detail} d */
const protocolOf = (d) => d.facts.find(({ name }) => name === "protocol")?.value ?? d.labels?.protocol ?? "";

/** @param {Detail} d @param {() => Recheck | null} run */
function rounds(d, run) {
  const v = d.verdict;
  return h("section", { "aria-labelledby": "chain" },
    () => {
      const now = run();
      if (!now) return null;
      const trail = now.steps.flatMap(({ result }) => (result ? [result] : []));
      const done = now.steps.some(({ kind }) => kind === "verdict");
      const accepted = now.steps.find(({ satellite }) => satellite);
      return h("div", { class: "running", role: "status" },
        h("h2", null, now.wrong ? "The recheck did not end well" : now.ended || done ? "Rechecked" : "Checking now", " ",
          h("span", { class: "faint" }, accepted ? `by ${accepted.satellite}` : "asking the site …")),
        now.wrong && h("p", { class: "wrong" }, now.wrong),
        chain(trail, protocolOf(d), now.ended || done || now.wrong ? undefined : notReached(trail, protocolOf(d))));
    },
    h("h2", { id: "chain" }, () => (run() ? "Newest round" : "Chain"), " ", v && h("span", { class: "faint" }, () => [`${clock(v.at)} (${ago(v.at)} ago) by ${v.satellite}, `, `${took(v.trail.reduce((sum, r) => sum + (r.age_s > 0 ? 0 : r.took_ms), 0))} in all`])),
    v ? chain(v.trail, protocolOf(d)) : h("p", { class: "empty" }, "No round of it is kept yet."));
}

/** @param {Change} c */
const change = (c) => h("li", null, moment(c.at), ` ${c.kind}: `, h("b", null, c.from.health), c.from.reason && ` (${c.from.reason})`, " → ", h("b", null, c.to.health), c.to.reason && ` (${c.to.reason})`);

/** @param {Detail} d */
const facts = (d) => h("section", null, h("h2", null, "Facts"), d.facts.length ? h("dl", { class: "facts" }, d.facts.map((f) => [
  h("dt", null, f.name), h("dd", { class: f.stale ? "faint" : "" }, f.value, h("span", { class: "faint" }, " ", age(f.at), " old", f.stale && ", not confirmed lately"))])) : h("p", { class: "empty" }, "Nothing was learned of it yet."));

/** @param {State} s */
const place = (s) => path([["Fleet", "/"], [named(s.site, "site"), siteURL(s.site)], [[s.room, s.row && `row ${s.row}`].filter(Boolean).join(", ") || "no row", siteURL(s.site)], [named(s.rack, "rack"), rackURL(s)], [s.unit ? `U${s.unit}` : s.bmc, null]]);

/** Its own web page. @param {string} address */
const web = (address) => /^[\da-f.:]+$/.test(address) && h("a", { class: "plain", href: `https://${address.includes(":") ? `[${address}]` : address}/`, rel: "noreferrer", target: "_blank" }, "Open BMC");

export function page() {
  const id = route.peek().query.id ?? "";
  const { detail, past, changes, wrong, look } = watched(id);
  const run = signal(/** @type {Recheck | null} */ (null));
  const again = () => {
    const now = run.peek();
    if (barred() || (now && !now.ended)) return; // a second press shows the one that runs
    void recheck(id, (step) => run.set(step)).then(look);
  };
  const raw = () => h("details", { class: "raw" }, h("summary", null, "Raw JSON"), h("pre", { tabindex: 0 }, () => JSON.stringify(detail(), null, 2)));
  return [
    () => (detail() ? place(/** @type {Detail} */ (detail()).state) : path([["Fleet", "/"], [id, null]])),
    () => {
      const d = detail();
      return d ? headline(d) : h("h1", { class: "sentence" }, wrong() ? `${id}: not known.` : `${id}: loading …`);
    },
    () => (wrong() ? trouble(wrong(), look) : null),
    h("div", { class: "bar-of-buttons thumb" }, button("Recheck", again, { "data-key": "r", class: "main" }), button("Ack", () => ack(id), { "data-key": "a" }), button("Silence", () => silence("silence", where({ bmc: id })), { "data-key": "s" }),
      copy(),
      () => web(detail()?.state.address ?? ""),
      () => (run() && !run()?.ended ? h("span", { class: "faint" }, () => `running for ${span(Date.now() - (run()?.asked ?? 0))}`) : null)),
    () => {
      const d = detail();
      return d && [
        asides(d), advice(d), rounds(d, run),
        h("section", null, h("h2", null, "24 h"), () => {
          const p = past();
          return p && strip(p.spans, p.from, p.to);
        }),
        h("p", { class: "faint ids" }, [d.state.vendor, d.state.model, d.state.address].filter(Boolean).join(" · ")),
        facts(d),
        h("section", null, h("h2", null, "Changes ", h("span", { class: "faint" }, () => `${changes().length} in 30 d`)), h("ol", { class: "changes" }, () => changes().map(change))),
        raw(),
      ];
    },
  ];
}
