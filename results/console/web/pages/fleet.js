// Fleet: is anything on fire, and where?

import { ackIncident, button } from "../act.js";
import { carpet } from "../carpet.js";
import { groups } from "../codes.js";
import { again, answered, fleet, fresh, incidents, open, tick, wrong } from "../feed.js";
import { common, number, sentence, tile, weight } from "../model.js";
import { age, checked, code, days, inWords, named, ticketed, trouble } from "../parts.js";
import { incidentURL, siteURL, to } from "../route.js";
import { computed, h, list } from "../view.js";

/** Counters that are links to what they count. */
const counters = () => h("nav", { class: "counters", "aria-label": "BMCs by state" }, () => {
  tick();
  const count = fleet()?.count();
  return groups.map(({ name, words, look, where }) => {
    const inside = [code(look, { "aria-hidden": "true", role: null }), h("b", null, count ? number(count[name]) : "…"), h("span", null, words)];
    const props = { class: `counter ${count?.[name] ? "" : "zero"}` };
    return where ? h("a", { ...props, href: to("/search", { where }) }, inside) : h("span", props, inside);
  });
});

/** @param {() => Incident} item */
function incident(item) {
  return h("li", null, () => {
    const i = item();
    return [
      code(i.code),
      h("div", { class: "what" }, h("a", { href: incidentURL(i.id) }, i.title),
        h("span", { class: "faint" }, ` ${i.counted}, ${i.owner}`)),
      h("span", { class: "size" }, `${number(i.failing)} of ${number(i.total)}`),
      h("span", { class: "age" }, age(i.since)),
      h("span", { class: "who" }, i.ack ? `acknowledged: ${i.ack.who}` : i.silenced ? null : h("b", null, "nobody yet"), i.silenced && ` ${i.silenced.kind}`),
      h("span", { class: "ticket" }, ticketed(i.tickets[0])),
      i.ack ? null : button("Ack", () => ackIncident(i), { "aria-label": `Ack ${i.title}` }),
    ];
  });
}

const top = () => h("section", { class: "incidents", "aria-labelledby": "incidents" },
  h("h2", { id: "incidents" }, h("a", { href: to("/incidents") }, "Incidents"), " ", () => h("span", { class: "faint" }, open() === null ? "" : `${number(open() ?? 0)} open, `), h("a", { href: to("/incidents", { status: "acknowledged" }) }, "who is on which")),
  () => (wrong() ? trouble(wrong(), again) : null),
  () => (incidents()?.length === 0 ? h("p", { class: "empty" }, "None is open.") : incidents() === null ? h("p", { class: "empty" }, "Asking …") : null),
  list(h("ol", null), () => (incidents() ?? []).slice(0, 5), (i) => i.id, incident));

/** @param {() => Site} item @param {ReturnType<typeof days>} day */
function card(item, day) {
  const site = item();
  const count = computed(() => {
    tick();
    return /** @type {Fleet} */ (fleet()).count(item().from, item().to);
  });
  const name = named(site.site, "site");
  return h("section", { class: () => `card${fresh(item().from, item().to)}`, "aria-label": () => `site ${name}: ${inWords(count())}` },
    h("h3", null, h("a", { href: siteURL(site.site) }, name), () => {
      const now = count();
      const { letter } = common(now);
      return h("span", { class: "tally" }, now.failed ? [code(letter), ` ${number(now.failed)} of ${number(now.total)}`] : now.unknown ? [code("?"), ` ${number(now.unknown)} of ${number(now.total)}`]
        : [code(tile(now).look), ` ${number(now.total)}`]);
    }),
    carpet(site, `map of ${name}: arrow keys go from BMC to BMC, Enter opens`),
    h("div", { class: "days-of" }, "24 h ", () => day(site.site)),
    h("p", { class: "faint" }, () => checked(site.site), ` ${number(site.racks.length)} racks`));
}

/** Sites, the worst first. A page has room for so many. */
const MOST = 60;

export function page() {
  const day = days();
  const sites = () => {
    const all = fleet();
    if (!all) return [];
    return all.sites().map((site) => ({ ...site, weight: weight(all.count(site.from, site.to)), map: all.name })).sort((a, b) => b.weight - a.weight).slice(0, MOST);
  };
  return [
    h("h1", { class: "sentence" }, () => {
      tick();
      const now = fleet();
      return now ? sentence(now, open()) : "Loading the fleet …";
    }),
    counters(),
    top(),
    () => answered() && h("section", { "aria-labelledby": "sites" }, h("h2", { id: "sites" }, "Sites"), // before, what comes above would move it
      () => (fleet()?.size === 0 ? h("p", { class: "empty" }, "No inventory yet: start lamplighter with an inventory, or wait for the first verdicts.") : null),
      list(h("div", { class: "cards" }), sites, (site) => `${site.map} ${site.site}`, (item) => card(item, day)),
      () => {
        const more = (fleet()?.sites().length ?? 0) - MOST;
        return more > 0 && h("p", { class: "faint" }, `and ${number(more)} more sites in which less fails; search finds them`);
      }),
  ];
}
