// The chain of one round: each check with how long it took, what it found, and where it broke.

import { paint, words } from "./codes.js";
import { checks } from "./tables.js";
import { clock, span } from "./time.js";
import { h, svg } from "./view.js";

/**
 * The checks that were to come: those of the other protocol are not.
 * @param {Result[]} trail @param {string} protocol redfish, ipmi, or "" where it is not known
 * @returns {string[]}
 */
export function notReached(trail, protocol) {
  const ran = trail.map(({ check }) => check);
  const ipmi = ran.includes("ipmi-login") || (protocol === "ipmi" && !ran.includes("redfish-login"));
  const others = ipmi ? ["tls", "redfish-login"] : ["ipmi-login"];
  const last = checks.indexOf(ran.at(-1) ?? "");
  return checks.filter((check, i) => i > last && !ran.includes(check) && !others.includes(check));
}

/** @param {number} ms */
export const took = (ms) => (ms < 1 ? "< 1 ms" : ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(2)} s`);

const look = { ok: ["ok", "."], failed: ["FAIL", "P"], unknown: ["unknown", "?"] };

/** @param {Result} r @param {number} from ms @param {number} total ms */
function step(r, from, total) {
  const notes = r.notes ?? [];
  const [text] = look[r.outcome] ?? look.unknown;
  const facts = Object.entries(r.facts ?? {});
  return h("li", { class: `step ${r.outcome}${notes.length ? " noted" : ""}` },
    h("b", { class: "check" }, r.check),
    h("span", { class: "outcome" }, text, notes.length ? " !" : ""),
    h("span", { class: "took" }, r.age_s > 0 ? `carried, ${span(r.age_s * 1000)} old` : took(r.took_ms)),
    h("span", { class: "track", "aria-hidden": "true" }, r.age_s > 0 ? null : h("i", { style: { left: `${(from / total) * 100}%`, width: `${Math.max(0.6, (r.took_ms / total) * 100)}%` } })),
    h("div", { class: "evidence" },
      r.reason && h("code", null, r.reason), r.error && h("span", { class: "error" }, ` ${r.error}`),
      notes.map((note) => h("code", null, ` ${note}`)),
      facts.length > 0 && h("details", null, h("summary", null, `${facts.length} ${facts.length === 1 ? "fact" : "facts"}`), h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])))));
}

/** @param {Result[]} trail @param {string} protocol @param {string[]} [running] checks that are still to come in a round that runs */
export function chain(trail, protocol, running) {
  const fresh = trail.filter(({ age_s }) => !(age_s > 0));
  const total = Math.max(1, fresh.reduce((sum, r) => sum + r.took_ms, 0));
  let from = 0;
  const broke = trail.some(({ outcome }) => outcome !== "ok");
  return h("ol", { class: "chain" },
    trail.map((r) => {
      const at = from;
      if (!(r.age_s > 0)) from += r.took_ms;
      return step(r, at, total);
    }),
    (running ?? (broke ? notReached(trail, protocol) : [])).map((check) => h("li", { class: "step skipped" },
      h("b", { class: "check" }, check), h("span", { class: "outcome" }, running ? "waits" : "not reached"), h("span", { class: "took" }, "-"))));
}

// A day of one BMC: runs of equal rounds, each with its letter.

/** @type {Record<string, string>} */
const letters = { ping: "P", tls: "T", "redfish-login": "L", "ipmi-login": "L", power: "W" };

/** @param {Span} s */
export const lookOf = (s) => (s.health === "available" ? "." : s.health === "degraded" ? "!" : s.health === "unknown" ? "?" : (letters[s.failed] ?? "?"));

/** @param {Span[]} spans @param {string} from @param {string} to */
export function strip(spans, from, to) {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  const at = (/** @type {string} */ time) => Math.max(0, Math.min(1000, ((Date.parse(time) - start) / (end - start)) * 1000));
  const runs = spans.map((s) => {
    const x = at(s.since);
    const width = Math.max(1.5, at(s.open ? to : s.until) - x);
    const look = lookOf(s);
    const { class: name, style } = paint(look);
    return svg("g", { class: name, style }, svg("title", null, `${words(look)}${s.reason ? `, ${s.reason}` : ""}: ${clock(s.since)}, ${span(Date.parse(s.open ? to : s.until) - Date.parse(s.since))}, ${s.rounds} rounds`),
      svg("rect", { x, y: 0, width, height: 24 }), width > 16 && look !== "." ? svg("text", { x: x + width / 2, y: 17 }, look) : null);
  });
  return h("figure", { class: "strip" },
    svg("svg", { viewBox: "0 0 1000 24", preserveAspectRatio: "none", role: "img", "aria-label": spans.length ? spans.map((s) => `${words(lookOf(s))} since ${clock(s.since)}`).join("; ") : "nothing is known of this time" }, ...runs),
    h("figcaption", null, h("span", null, () => clock(from)), h("span", null, () => clock(to))));
}
