// Keeping quiet: which BMCs a silence is for, the dialog that says what it will do before it does, and the page of all: what is kept quiet,
// by whom, why, and for how long still?

import { button, name } from "./act.js";
import { get, kept, send } from "./api.js";
import { on } from "./feed.js";
import { number, plural } from "./model.js";
import { modal, moment, path, trouble } from "./parts.js";
import { ask, route, to } from "./route.js";
import { ahead, clock, everywhere, later, now, span, zone } from "./time.js";
import { cleanup, effect, h, list, root, signal } from "./view.js";

/** A text as filters write it. @param {string} text */
export const quoted = (text) => `"${text.replace(/["\\]/g, "\\$&")}"`;

/** @param {Record<string, string>} of names and values; those without a value are left out */
export const where = (of) => Object.entries(of).filter(([, value]) => value).map(([name, value]) => `${name}=${quoted(value)}`).join(" and ");

/** The same, where what has no name is one of its own. @param {{ site: string, room: string, row: string, rack: string }} of */
export const exactly = ({ site, room, row, rack }) => Object.entries({ site, room, row, rack }).map(([name, value]) => `${name}=${quoted(value)}`).join(" and ");

/** So many BMCs a filter names one by one. */
const MOST = 100;

/** Which BMCs an incident is about, as a filter of what stays the same. @param {Incident} i @param {Member[]} members */
export function scopeOf(i, members) {
  const { site, room, row, rack, cause } = i;
  if (cause.kind === "rack" && rack) return where({ site, room, row, rack });
  if (cause.kind === "row" && row) return where({ site, room, row });
  if (cause.kind === "room" && room) return where({ site, room });
  if (cause.kind === "site" && site) return where({ site });
  if (cause.kind === "subnet") return [where({ site }), `address=${cause.key}`].filter(Boolean).join(" and ");
  const failing = members.filter(({ left }) => !left).map(({ bmc }) => bmc);
  const ids = failing.length ? failing : members.map(({ bmc }) => bmc);
  if (ids.length === 1) return where({ bmc: ids[0] ?? "" });
  if (ids.length && ids.length <= MOST) return `bmc in (${ids.map(quoted).join(", ")})`;
  return where({ site, room, row, rack });
}

const ends = { "30m": "30 minutes", "1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours", "1d": "1 day", "3d": "3 days", "7d": "7 days", "30d": "30 days (maintenance)" };

/** What it reaches now, asked again while it is written. @param {() => { kind: string, where: string, for: string, from?: string }} body */
function preview(body) {
  const reach = signal(/** @type {{ matched: number, failing: number } | null} */ (null));
  const wrong = signal("");
  let asked = 0;
  const look = async () => {
    const mine = ++asked;
    try {
      const found = await send("POST", "/silences", { ...body(), reason: "what would it reach?", who: "nobody", dry_run: true });
      if (mine === asked) [reach, wrong].forEach((one, n) => void one.set(n ? "" : found));
    } catch (err) {
      if (mine !== asked) return;
      reach.set(null);
      wrong.set(String(err));
    }
  };
  return { reach, wrong, look, soon: later(look) };
}

/**
 * Asks how long and why, and shows how many BMCs that is now.
 * @param {"silence" | "maintenance"} kind @param {string} which a filter
 */
export const silence = (kind, which) => root((stop) => {
  const kinds = h("select", null, h("option", { value: "silence" }, "Silence: it is noise"), h("option", { value: "maintenance" }, "Maintenance: somebody works there"));
  const filter = h("textarea", { rows: 2, required: true, spellcheck: "false" });
  const end = h("select", { required: true }, Object.entries(ends).map(([value, text]) => h("option", { value }, text)));
  const begin = h("input", { type: "datetime-local" });
  const reason = h("textarea", { rows: 2, maxlength: 1000, required: true });
  const ticket = h("input", { maxlength: 200 });
  const who = name();
  [kinds.value, filter.value, end.value] = [kind, which, "2h"];
  const body = () => ({ kind: kinds.value, where: filter.value, for: end.value, ...(begin.value ? { from: new Date(zone.peek() === "local" ? begin.value : `${begin.value}Z`).toISOString() } : {}) });
  const { reach, wrong, look, soon } = preview(body);
  const failed = signal("");
  modal("Keep quiet", (close) => [h("form", { onsubmit: async (event) => {
    event.preventDefault();
    try {
      await send("POST", "/silences", { ...body(), reason: reason.value, ...(ticket.value ? { ticket: ticket.value } : {}), ...who.said(), expect: reach.peek()?.matched });
      close();
    } catch (err) {
      failed.set(String(err));
      void look();
    }
  } },
  h("p", { class: "faint" }, "Nobody is woken and no ticket is opened. Checks go on."),
  h("label", null, "Kind", kinds), h("label", null, "Which BMCs, as a filter", filter),
  h("p", { class: "reach", role: "status" }, () => (wrong() ? h("span", { class: "wrong" }, wrong()) : reach() ? [h("strong", null, plural(reach()?.matched ?? 0, "BMC")), ` now, ${number(reach()?.failing ?? 0)} of them fail.`] : "Counting …")),
  h("label", null, `Begins (${zone.peek() === "local" ? "local time" : "UTC"}; empty: now)`, begin), h("label", null, "For how long", end), h("label", null, "Reason", reason),
  h("label", null, "Ticket or work order (may be empty)", ticket), who.field,
  h("p", { class: "wrong", role: "alert" }, failed),
  h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, () => (reach() ? `Keep ${number(reach()?.matched ?? 0)} quiet` : "Keep quiet")), h("button", { onclick: close }, "Cancel")))], stop);
  for (const field of [kinds, filter, begin, end]) field.addEventListener("input", () => soon(300));
  effect(() => void look());
  reason.focus();
});

/* The page of all. */

function watched() {
  const { value: rows, wrong, look } = kept(async () => /** @type {Silence[]} */ ((await get("/silences", { status: "all" })).items));
  const soon = later(look);
  void look();
  for (const event of ["hello", "resync", "silence"]) cleanup(on(event, () => soon(250)));
  cleanup(on("hb", () => soon(4000))); // what they reach changes, too
  return { rows, wrong, look };
}

/** How long it still holds. @param {Silence} s */
function left(s) {
  if (s.status === "over") return h("span", { class: "faint" }, s.ended_at ? ["ended by ", s.ended_by, " ", moment(s.ended_at)] : ["over since ", moment(s.until)]);
  if (s.status === "waits") return ["begins ", h("time", { datetime: s.from, title: everywhere(s.from) }, clock(s.from))];
  return () => {
    const ms = Date.parse(s.until) - now() - ahead();
    return h("time", { datetime: s.until, title: everywhere(s.until) }, ms < 900_000 ? h("b", null, `ends in ${span(ms)}`) : `${span(ms)} left`, h("span", { class: "faint" }, ` until ${clock(s.until)}`));
  };
}

/** @param {Silence} s @param {(err: unknown) => void} tell */
const end = (s, tell) => button("End it", () => void send("DELETE", `/silences/${encodeURIComponent(s.id)}`).catch(tell), { "aria-label": `End it: the ${s.kind} of ${s.where}` });

/** @param {() => Silence} item @param {(err: unknown) => void} tell */
const line = (item, tell) => h("li", { class: () => (item().idle ? "idle" : "") }, () => {
  const s = item();
  return [
    h("b", { class: "kind" }, s.kind),
    h("div", { class: "what" }, h("a", { href: to("/search", { where: s.where }) }, h("code", null, s.where)), h("span", { class: "faint" }, ` ${s.reason}${s.ticket ? `, ${s.ticket}` : ""}`),
      s.idle && h("strong", { class: "wrong" }, " Matched nothing for a day: it is written wrongly, or what it was for is gone.")),
    h("span", { class: "size" }, s.status === "over" ? "-" : `${plural(s.matched, "BMC")}, ${number(s.failing)} fail`),
    h("span", { class: "who" }, s.who),
    h("span", { class: "left" }, left(s)),
    s.status === "over" ? null : end(s, tell),
  ];
});

export function page() {
  const { rows, wrong, look } = watched();
  const over = () => route().query.status === "over";
  const shown = () => (rows() ?? []).filter(({ status }) => (status === "over") === over());
  const count = (/** @type {boolean} */ is) => (rows() === null ? "" : ` ${(rows() ?? []).filter(({ status }) => (status === "over") === is).length}`);
  const refused = signal("");
  const tell = (/** @type {unknown} */ err) => refused.set(String(err));
  effect(() => void (rows() && refused.set("")));
  const which = route.peek().query.where ?? "";
  return [
    path([["Fleet", "/"], ["Silences", null]]),
    h("h1", { class: "sentence" }, () => {
      const all = (rows() ?? []).filter(({ status }) => status === "holds");
      const idle = all.filter((s) => s.idle).length;
      return rows() === null ? (wrong() ? "Silences: not known." : "Silences: loading …") : all.length ? `${all.length} kept quiet now: ${plural(all.reduce((sum, s) => sum + s.matched, 0), "BMC")}, ${number(all.reduce((sum, s) => sum + s.failing, 0))} of them fail.${idle ? ` ${idle} matched nothing for a day.` : ""}` : "Nothing is kept quiet.";
    }),
    h("div", { class: "bar-of-buttons" },
      [["Now", ""], ["Over (last day)", "over"]].map(([text, value]) => h("button", { "aria-pressed": () => String(over() === (value === "over")), onclick: () => ask({ status: value || undefined }) }, text, () => count(value === "over"))),
      button("New silence", () => silence("silence", which), { "data-key": "s" }), button("New maintenance", () => silence("maintenance", which))),
    () => (wrong() ? trouble(wrong(), look) : null),
    h("p", { class: "wrong", role: "alert" }, () => refused()),
    () => (rows() && !shown().length ? h("p", { class: "empty" }, over() ? "None ended in the last day." : "None holds and none waits. A silence keeps an incident quiet until an end that you say; checks go on.") : null),
    h("section", { class: "incidents silences", "aria-label": "Silences" }, list(h("ol", null), shown, (s) => s.id, (item) => line(item, tell))),
  ];
}
