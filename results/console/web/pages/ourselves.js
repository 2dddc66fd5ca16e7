// Ourselves: are we blind somewhere; is the fleet slower, and what breaks next; is the list of BMCs right, and what waits for a person; is a
// verdict missing, and who did what?

import { button, note } from "../act.js";
import { get, keep, send } from "../api.js";
import { took } from "../chain.js";
import { on } from "../feed.js";
import { number } from "../model.js";
import { age, moment, named, path, trouble } from "../parts.js";
import { ask, bmcURL, incidentURL, route, siteURL, to } from "../route.js";
import { quoted, where } from "../silence.js";
import { acts, checks } from "../tables.js";
import { clock, later, span } from "../time.js";
import { cleanup, computed, effect, h, list, signal } from "../view.js";

/** @typedef {[string, (row: () => any) => Child, ((row: any) => number)?]} Told a title, a cell, and by what to sort */
/** @typedef {import("../../types.js").Inventory} Inventory */

/** What the API says, asked again as long as it is looked at. @param {() => string} of */
export function asked(of) {
  const got = signal(/** @type {any} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  const look = async () => {
    const path = of();
    try {
      const answer = await get(path);
      if (path !== of()) return; // something else is asked by now
      got.set(answer);
      wrong.set(null);
    } catch (err) {
      keep(wrong, err);
    }
  };
  const soon = later(look);
  effect(() => void look());
  for (const event of ["hello", "resync", "hb"]) cleanup(on(event, () => soon(4000)));
  return { got, look, wrong: () => (wrong() ? trouble(wrong(), look) : null) };
}

/** A part with a table; ?sort= is a title, and the most comes first. @param {Child} title @param {string} label @param {() => any[]} rows @param {(row: any) => string} key @param {Told[]} columns @param {...Child} more */
export function table(title, label, rows, key, columns, ...more) {
  const by = () => columns.find(([name, , sort]) => sort && name === route().query.sort);
  const sorted = () => {
    const weight = by()?.[2];
    return weight ? [...rows()].sort((a, b) => weight(b) - weight(a)) : rows();
  };
  return h("section", null, h("h2", null, title), h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, h("table", null,
    h("thead", null, h("tr", null, columns.map(([name, , sort]) => {
      const is = () => by()?.[0] === name;
      return h("th", { scope: "col", "aria-sort": () => (is() ? "descending" : null) }, sort ? h("button", { onclick: () => ask({ sort: is() ? undefined : name }) }, name, () => (is() ? " ▾" : "")) : name);
    }))),
    list(h("tbody", null), sorted, key, (row) => h("tr", null, columns.map(([, cell, sort]) => h("td", { class: sort ? "number" : "" }, cell(row))))))), more);
}

/** @param {string} name @param {() => Child} text @param {...Child} more */
const page = (name, text, ...more) => [path([["Fleet", "/"], [name, null]]), h("h1", { class: "sentence" }, text), more];
/** @param {() => string} href @param {() => Child} text */
export const link = (href, text) => h("a", { href }, text);
/** @param {string} filter */
const found = (filter) => to("/search", { where: filter });
const faint = (/** @type {Child} */ text) => h("p", { class: "faint" }, text);
/** A column of a number. @param {string} name @param {(row: any) => number} of @param {(n: number, row: any) => Child} [as] @returns {Told} */
export const count = (name, of, as = number) => [name, (row) => () => as(of(row()), row()), of];
/** @param {number | null | undefined} v */
const ms = (v) => (v == null ? "-" : took(Math.round(v)));
/** @param {string} name @param {(row: any) => number | null | undefined} of */
const lasts = (name, of) => count(name, (row) => of(row) ?? -1, (_, row) => ms(of(row)));
/** @param {number} n @param {number} of */
export const share = (n, of) => number(n) + (n && of ? ` (${((100 * n) / of).toFixed(1)} %)` : "");
/** @param {number} n @param {string} what */
const some = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;
/** @param {any[]} all @param {(one: any) => number} of */
const sum = (all, of) => all.reduce((n, one) => n + of(one), 0);
/** @type {Told} */
const site = ["Site", (s) => link(() => siteURL(s().site), () => named(s().site, "site"))];

/** @param {import("../../types.js").Satellites} a */
export function seen({ satellites, sites }) {
  const silent = satellites.filter((s) => !s.heard);
  const unseen = sum(satellites, (s) => sum(s.reasons, (r) => r.count));
  const alone = sum(sites, (s) => s.alone);
  return [
    silent.length ? `Silent: ${silent.slice(0, 3).map((s) => `${s.satellite} (${named(s.site, "site")})`).join(", ")}${silent.length > 3 ? ` and ${silent.length - 3} more` : ""}.` : "No satellite is silent.",
    unseen ? `Of ${some(unseen, "BMC")} nothing is known through our fault.` : "", alone ? `${some(alone, "BMC")} with no second satellite.` : "",
  ].filter(Boolean).join(" ");
}

/** What can be said of a clock by the shortest way of a verdict. @param {number | null} way */
export const clockWords = (way) => (way === null ? "-" : way < 0 ? `${took(-way)} ahead` : `≤ ${took(Math.max(1, way))} behind`);

export function satellites() {
  const { got, wrong } = asked(() => "/satellites");
  /** @param {any} s @param {string} [reason] */
  const of = ({ site, satellite }, reason = "") => found(where({ site, satellite, reason }));
  return page("Satellites", () => (got() ? seen(got()) : "Satellites: loading …"), wrong,
    table("Sites", "sites", () => got()?.sites ?? [], (s) => s.site, [
      site, count("BMCs", (s) => s.bmcs), count("Satellites heard", (s) => s.satellites), count("No second satellite", (s) => s.alone, (n, s) => share(n, s.bmcs)),
      count("Seen by a second only", (s) => s.disputed, (n, s) => (n ? h("a", { href: found(where({ site: s.site, reason: "self.path" })) }, number(n)) : 0))]),
    table("Satellites", "satellites", () => got()?.satellites ?? [], (s) => `${s.site}/${s.satellite}`, [
      site, ["Satellite", (s) => link(() => of(s()), () => s().satellite)],
      ["Last heard", (s) => () => [s().heard ? null : h("b", { class: "wrong" }, "silent, "), age(s().last_at)]],
      count("BMCs it asked last", (s) => s.bmcs), count("Checks/s", (s) => s.checks_per_second), lasts("Rounds late, p95", (s) => s.late.p95_ms), lasts("On the way, p95", (s) => s.way.p95_ms),
      ["Its clock", (s) => () => clockWords(s().soonest_ms)], ["Version", (s) => () => s().version || "not told"],
      ["Not known, our fault", (s) => () => (s().reasons.length ? s().reasons.map((/** @type {any} */ r) => [h("a", { href: of(s(), r.reason) }, r.reason), ` ${number(r.count)} `]) : "-")]],
    faint(() => got() && `Counted since ${clock(got().from)}. Silent: for two intervals. Who owns a BMC is not told here: it is who asked it last. Whether a second satellite reaches it is tried when the first does not.`)));
}

/** @param {import("../../types.js").Chain} a */
export function pace({ checks: all }) {
  const worst = all.reduce((a, b) => (b.failed * (a.asked || 1) > a.failed * (b.asked || 1) ? b : a));
  const slow = all.filter((c) => c.before?.p95_ms && c.p95_ms && c.p95_ms > 1.5 * c.before.p95_ms && c.p95_ms > c.before.p95_ms + 20);
  return `${worst.failed ? `${worst.check} breaks most: ${share(worst.failed, worst.asked)} failed.` : "No check failed."} ${
    slow.length ? `Slower than an hour before: ${slow.map((c) => `${c.check} (p95 ${ms(c.before?.p95_ms)} → ${ms(c.p95_ms)})`).join(", ")}.` : all.some((c) => c.before) ? "None is slower than an hour before." : ""}`;
}

/** What was counted of a check. @param {(row: any) => string} filter of those that fail there @returns {Told[]} */
const counted = (filter) => [
  count("Asked", (c) => c.asked), count("Failed", (c) => c.failed, (n, c) => (n ? h("a", { href: found(filter(c)) }, share(n, c.asked)) : 0)), count("Our fault", (c) => c.unknown), count("Not reached", (c) => c.not_reached),
  lasts("p50", (c) => c.p50_ms), lasts("p95", (c) => c.p95_ms), lasts("p99", (c) => c.p99_ms),
];

/** As a filter. What is cut off, or no version, is only held. @param {string} name @param {string} text */
const is = (name, text) => name + (text && (text.length > 60 || name === "firmware" && !/\p{Nd}/u.test(text)) ? "~" : "=") + quoted(text);
/** The BMCs of a kind, as a filter. @param {any} g */
export const kind = (g) => (g.other ? "" : `${is("vendor", g.vendor)} and ${is("firmware", g.firmware)}`);

/** What breaks next. @param {import("../../types.js").Certificates} c */
function calendar({ days, over, later, none }) {
  /** @param {string} day */
  const after = (day) => new Date(Date.parse(day) + 864e5).toISOString().slice(0, 10);
  return h("section", null, h("h2", null, "What breaks next"),
    h("p", null, h("a", { href: found("cert_not_after>=now and cert_not_after<now+30d") }, `${some(sum(days, (d) => d.count), "certificate")} to end within 30 days`), ", ",
      h("a", { href: found("cert_not_after<now") }, `${number(over)} ended`), `, ${number(later)} later; of ${some(none, "BMC")} none is known.`),
    h("ol", { class: "days" }, days.map(({ day, count }, i) => {
      const date = new Date(day);
      const text = [`${date.toLocaleDateString("en", { weekday: "short", timeZone: "UTC" })} ${day.slice(5)}`, h("b", null, number(count))];
      return h("li", { style: i ? {} : { "grid-column-start": date.getUTCDay() || 7 } }, count ? h("a", { href: found(`cert_not_after>=${i ? day : "now"} and cert_not_after<${after(day)}`) }, text) : text);
    })));
}

export function chain() {
  const check = () => route().query.check ?? checks[0] ?? "";
  const { got, wrong } = asked(() => to("/chain", { check: check() }));
  const ends = asked(() => "/certificates");
  return page("Chain", () => (got() ? pace(got()) : "Chain: loading …"), wrong, ends.wrong,
    table("Checks", "checks", () => got()?.checks ?? [], (c) => c.check, [
      ["Check", (c) => h("a", { href: () => to("/chain", { ...route().query, check: c().check }), "aria-current": () => (c().check === check() ? "true" : null) }, () => c().check)],
      ...counted((c) => where({ failed: c.check })), lasts("p95 before", (c) => c.before?.p95_ms)],
    faint(() => got() && `${number(got().rounds)} rounds since ${clock(got().from)}. Durations of what went well, within 6.25 %; before: in the hour before. The link of a count lists what fails there now.`)),
    table(() => `${check()} by vendor and firmware`, "by vendor and firmware", () => got()?.groups ?? [], (g) => kind(g), [
      ["Vendor, firmware", (g) => link(() => found(kind(g())), () => (g().other ? "all others" : `${named(g().vendor, "vendor")}, ${named(g().firmware, "firmware known")}`))],
      ...counted((g) => [kind(g), where({ failed: g.check })].filter(Boolean).join(" and "))]),
    () => ends.got() && calendar(ends.got()));
}

/** @param {import("../../types.js").Rounds} a */
export function missing({ known, settle_s, sites }) {
  const [expected, lost, silent] = [sum(sites, (s) => s.expected), sum(sites, (s) => s.lost), sum(sites, (s) => s.silent)];
  if (!known) return "No inventory is known here, so it cannot be said which rounds are missing.";
  if (!expected) return `No round is judged yet: one is, ${span(settle_s * 1000)} after it was due.`;
  return `${lost ? some(lost, "round") : "No round"} of ${number(expected)} ${lost > 1 ? "are" : "is"} lost${silent ? `; ${some(silent, "BMC")} without a verdict for two intervals` : ""}.`;
}

export function audit() {
  const { got, wrong } = asked(() => "/audit/rounds");
  const done = asked(() => to("/audit", { limit: "200", do: route().query.do }));
  const sites = () => got()?.sites ?? [];
  const all = (/** @type {string} */ of) => sites().flatMap((/** @type {any} */ s) => s[of].map((/** @type {any} */ one) => ({ site: s.site, ...one })));
  /** @param {string} names @returns {Told[]} */
  const counts = (names) => names.split(" ").map((name) => count(name, (row) => row[name.toLowerCase()]));
  /** @type {Told} */
  const bmc = ["BMC", (l) => link(() => bmcURL(l().bmc), () => l().bmc)];
  return page("Audit", () => (got() ? missing(got()) : "Audit: loading …"), wrong, done.wrong,
    table("Rounds by site", "rounds by site", sites, (s) => s.site, [
      site, ["Due", (s) => () => (s().until > s().from ? `${clock(s().from)} to ${clock(s().until)}` : `from ${clock(s().from)}`)], ...counts("BMCs Expected Seen Merged Skipped Lost Late Silent Pending"), count("Twice", (s) => s.read.duplicates + s.read.twice)]),
    table("Rounds by tier", "rounds by tier", () => all("satellites"), (t) => `${t.site}/${t.satellite}`, [site, ["Satellite", (t) => () => t().satellite], ...counts("Started Judged Seen"), ["Reported", (t) => () => age(t().reported_at)]],
      faint("Started: the bus had it. Judged: its satellite had the verdict. Seen: the verdict is here. All in the last 24 h since this process began; lamplighter audit knows what was before.")),
    () => all("lost_rounds").length > 0 && table("Lost rounds", "lost rounds", () => all("lost_rounds"), (l) => l.round, [["Due", (l) => moment(l().due)], bmc, ["Where", (l) => () => l().where]]),
    () => all("silent_bmcs").length > 0 && table("No verdict for two intervals", "silent BMCs", () => all("silent_bmcs"), (s) => s.bmc, [bmc, ["Since", (s) => moment(s().since)]]),
    table("Who did what", "who did what", () => done.got()?.items ?? [], (a) => a.number, [
      ["When", (a) => moment(a().at)], ["Who", (a) => [a().who, a().via && h("span", { class: "faint" }, ` (says the ${a().via})`)]], ["Did", (a) => a().do],
      ["What to", (a) => {
        const { bmc, incident, where, silence, count, site: of, digest } = a();
        return [of, digest && ` ${digest} `, bmc && h("a", { href: bmcURL(bmc) }, bmc), incident && h("a", { href: incidentURL(incident) }, incident), " ", where ? h("a", { href: found(where) }, where) : silence, count && ` (${some(count, "BMC")})`];
      }], ["Note", (a) => a().note]],
    h("div", { class: "bar-of-buttons" }, ["", ...acts].map((act) => h("button", { "aria-pressed": () => String((route().query.do ?? "") === act), onclick: () => ask({ do: act || undefined }) }, act || "all"))),
    () => (done.got()?.items.length === 0 ? faint("Nobody did.") : done.got()?.next ? faint("The newest 200; the API has all.") : null)));
}

/** What is wrong with one, worst first; "" where nothing is. @param {Inventory} i */
export function wrongWith({ site: where, withheld, error, late, number: n, hindering }) {
  const what = withheld ? `withholds an answer: ${withheld.gone} of ${some(withheld.of, "BMC")} are missing` : error ? "cannot be synced" : late ? "is silent" : n === 0 ? "was never synced" : hindering ? `has ${some(hindering, "conflict")} that hinder${hindering > 1 ? "" : "s"}` : "";
  return what && `${named(where, "site")} ${what}`;
}

/** @param {import("../../types.js").Listing} l */
export function listed({ from, bmcs, items }) {
  if (from === "none") return "No inventory is known here: whoever has a verdict is listed. Name one: inventory: in the configuration.";
  if (from === "file") return `The list is a file with ${some(bmcs, "BMC")}; no CMDB is followed.`;
  if (!items.length) return `Nobody who syncs an inventory was heard of; ${bmcs ? `the last good copy with ${some(bmcs, "BMC")} holds` : "no BMC is listed"}. Start lamplighter inventory.`;
  const bad = items.map(wrongWith).filter(Boolean);
  const all = some(sum(items, (i) => i.bmcs), "BMC");
  return bad.length ? `${bad.slice(0, 3).join("; ")}${bad.length > 3 ? `; and ${bad.length - 3} more` : ""}. The last good list holds.` : `${all} of ${some(items.length, "inventory").replace("ys", "ies")}, all as ${items.length > 1 ? "their CMDBs say" : "the CMDB says"}.`;
}

/** How much was read. @param {{ read: number, of: number }} r */
const read = ({ read: n, of }) => (of ? [n < of && h("b", { class: "wrong" }, "short: "), `${number(n)} of ${number(of)}`] : "-");

/** @param {Inventory["last"]} c */
const changed = (c) => (c && /** @type {const} */ (["added", "removed", "moved", "changed"]).filter((what) => c[what]).map((what) => `${number(c[what])} ${what}`).join(", ")) || "-";

export function inventory() {
  const { got, wrong, look } = asked(() => "/inventory");
  const said = signal("");
  /** @type {() => Inventory[]} */
  const all = () => got()?.items ?? [];
  /** @param {Inventory} i @param {string} [digest] @param {object} [body] */
  const ask = async (i, digest, body) => {
    const { text } = await send("POST", `/inventory/${digest ? "approve" : "sync"}`, { site: i.site, digest, ...body });
    said.set(`${named(i.site, "site")}: ${text}.`);
    setTimeout(look, 1500);
  };
  /** @param {string} text @param {Inventory} i @param {() => void} act */
  const may = (text, i, act) => (i.barred ? h("button", { "aria-disabled": "true", title: i.barred }, text) : button(text, act));
  /** @param {Inventory & { withheld: NonNullable<Inventory["withheld"]> }} i */
  const held = (i) => {
    const { gone, of, first, since, until, added, moved, changed: other, digest } = i.withheld;
    const more = changed({ added, removed: 0, moved, changed: other });
    return h("div", { class: "hint" },
      h("p", null, h("b", { class: "wrong" }, `${named(i.site, "site")}: withheld. `), `${number(gone)} of ${some(of, "BMC")} are missing from the answer, the first is `, h("a", { href: bmcURL(first) }, first), `; it also says: ${more}. Nothing of it is believed.`),
      h("p", null, "Since ", moment(since), `. If the sources go on to say so it is believed by itself from ${clock(until)} on. Digest ${digest}.`),
      h("p", null, may("Approve", i, () => note(`Approve what ${named(i.site, "site")} withholds: ${some(gone, "BMC")} of ${number(of)} are no longer checked at once; also: ${more}`, (body) => ask(i, digest, body), "Approve")), i.barred && ` ${i.barred}`));
  };
  /** @param {"sources" | "waiting" | "listed"} of */
  const rows = (of) => all().flatMap((i) => (i[of] ?? []).map((/** @type {any} */ one, /** @type {number} */ n) => ({ site: i.site, n, ...one })));
  /** @param {{ site: string, n: number }} r */
  const key = (r) => `${r.site}/${r.n}`;
  /** Something as long as there are rows; it is not made anew with each answer. @param {() => any[]} all @param {() => Child} make */
  const when = (all, make) => {
    const any = computed(() => all().length > 0);
    return () => any() && make();
  };
  return page("Inventory", () => (got() ? listed(got()) : "Inventory: loading …"), wrong,
    h("p", { role: "status" }, said),
    list(h("div", null), () => all().filter((i) => i.withheld), (i) => JSON.stringify([i.site, i.withheld, i.barred]), (i) => held(/** @type {any} */ (i()))),
    when(all, () => table("By site", "inventories", all, (i) => i.site, [
      site, ["Snapshot", (i) => () => (i().number ? `${number(i().number)}, made ${clock(i().made)}` : "none yet")], count("BMCs", (i) => i.bmcs),
      ["Last good copy", (i) => () => [(i().late || i().error) && h("b", { class: "wrong" }, i().late ? "silent, " : "failed, "), age(i().synced ?? (i().number ? i().made : undefined))]], ["Read", (i) => () => read(i())],
      ["The last change", (i) => () => changed(i().last)], count("In quarantine", (i) => i.missing),
      count("Conflicts", (i) => i.conflicts, (n, i) => (i.hindering ? `${number(n)} (${number(i.hindering)} hinder)` : number(n))),
      ["Do", (i) => () => may("Sync now", i(), () => void ask(i()).catch((err) => said.set(`${err.title}: ${err.detail}`)))]])),
    when(() => rows("sources"), () => table("Sources", "sources", () => rows("sources"), key, [
      site, ["Source", (s) => () => s().name], ["Last good copy", (s) => () => age(s().synced)], count("BMCs", (s) => s.bmcs), ["Read", (s) => () => read(s())],
      ["Asked", (s) => () => age(s().tried)], ["What went wrong", (s) => () => (s().error ? h("b", { class: "wrong" }, s().error) : "nothing")]])),
    () => all().filter((i) => i.error && !i.sources?.some((s) => s.error)).map((i) => h("p", { class: "wrong" }, `${named(i.site, "site")}: ${i.error}`)),
    when(() => rows("waiting"), () => table("What waits", "what waits", () => rows("waiting"), key, [
      site, ["Change", (w) => () => w().change], ["BMC", (w) => link(() => bmcURL(w().bmc), () => w().bmc)], ["Was", (w) => () => w().was ?? "-"], ["Is", (w) => () => w().is ?? "-"],
      ["Missing since", (w) => () => (w().missing_since ? moment(w().missing_since) : "-")]],
      faint("Missing: no source names it any more; it is checked until its quarantine ends. All else is withheld. At most 100 of a site; lamplighter inventory diff has all."))),
    when(() => rows("listed"), () => table("Conflicts", "conflicts", () => rows("listed"), key, [
      site, ["Kind", (c) => () => c().kind], ["BMCs", (c) => () => (c().bmcs ?? []).slice(0, 3).map((/** @type {string} */ id) => [h("a", { href: bmcURL(id) }, id), " "])], ["What", (c) => () => c().text]],
      faint("A record that hinders is not taken: the BMC keeps the one that it had. same-place and no-rack hinder nobody. At most 100 of a site."))));
}
