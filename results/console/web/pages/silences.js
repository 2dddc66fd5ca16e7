// Silences: what is kept quiet, by whom, why, and for how long still?

import { button } from "../act.js";
import { get, kept, send } from "../api.js";
import { on } from "../feed.js";
import { later } from "../later.js";
import { number } from "../model.js";
import { moment, path, trouble } from "../parts.js";
import { ask, route, to } from "../route.js";
import { silence } from "../silence.js";
import { ahead, clock, everywhere, now, span } from "../time.js";
import { cleanup, effect, h, list, signal } from "../view.js";

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
    h("span", { class: "size" }, s.status === "over" ? "-" : `${number(s.matched)} BMCs, ${number(s.failing)} fail`),
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
      return rows() === null ? (wrong() ? "Silences: not known." : "Silences: loading …") : all.length ? `${all.length} kept quiet now: ${number(all.reduce((sum, s) => sum + s.matched, 0))} BMCs, ${number(all.reduce((sum, s) => sum + s.failing, 0))} of them fail.${idle ? ` ${idle} matched nothing for a day.` : ""}` : "Nothing is kept quiet.";
    }),
    h("div", { class: "bar-of-buttons" },
      [["Now", ""], ["Over (last day)", "over"]].map(([text, value]) => h("button", { type: "button", "aria-pressed": () => String(over() === (value === "over")), onclick: () => ask({ status: value || undefined }) }, text, () => count(value === "over"))),
      button("New silence", () => silence("silence", which), { "data-key": "s" }), button("New maintenance", () => silence("maintenance", which))),
    () => (wrong() ? trouble(wrong(), look) : null),
    h("p", { class: "wrong", role: "alert" }, () => refused()),
    () => (rows() && !shown().length ? h("p", { class: "empty" }, over() ? "None ended in the last day." : "None holds and none waits. A silence keeps an incident quiet until an end that you say; checks go on.") : null),
    h("section", { class: "incidents silences", "aria-label": "Silences" }, list(h("ol", null), shown, (s) => s.id, (item) => line(item, tell))),
  ];
}
