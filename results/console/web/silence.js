// Keeping quiet: which BMCs a silence is for, and the dialog that says what it will do before it does.

import { name } from "./act.js";
import { send } from "./api.js";
import { later } from "./later.js";
import { number } from "./model.js";
import { modal } from "./parts.js";
import { zone } from "./time.js";
import { effect, h, root, signal } from "./view.js";

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
  const body = () => ({ kind: kinds.value, where: filter.value, for: end.value, ...(begin.value ? { from: new Date(zone.peek() === "UTC" ? `${begin.value}Z` : begin.value).toISOString() } : {}) });
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
  h("p", { class: "reach", role: "status" }, () => (wrong() ? h("span", { class: "wrong" }, wrong()) : reach() ? [h("strong", null, `${number(reach()?.matched ?? 0)} BMCs`), ` now, ${number(reach()?.failing ?? 0)} of them fail.`] : "Counting …")),
  h("label", null, `Begins (${zone.peek() === "UTC" ? "UTC" : "local time"}; empty: now)`, begin), h("label", null, "For how long", end), h("label", null, "Reason", reason),
  h("label", null, "Ticket or work order (may be empty)", ticket), who.field,
  h("p", { class: "wrong", role: "alert" }, failed),
  h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, () => (reach() ? `Keep ${number(reach()?.matched ?? 0)} quiet` : "Keep quiet")), h("button", { type: "button", onclick: close }, "Cancel")))], stop);
  for (const field of [kinds, filter, begin, end]) field.addEventListener("input", () => soon(300));
  effect(() => void look());
  reason.focus();
});
