// What is done with many at once: those that are ticked, or all that a filter finds. What is ticked are keys, not rows, so that it
// survives what comes live, filters and pages.

import { barred, button, lastName, note } from "./act.js";
import { call, get, lines, Problem, send } from "./api.js";
import { number, plural } from "./model.js";
import { modal } from "./parts.js";
import { ask, route } from "./route.js";
import { quoted, silence } from "./silence.js";
import { span } from "./time.js";
import { effect, h, signal } from "./view.js";

export function picks() {
  const all = signal(/** @type {ReadonlySet<string>} */ (new Set()));
  /** How many all are that match, where all of them are meant; 0 where only those that are ticked. */
  const every = signal(0);
  let last = "";
  /** @param {Iterable<string>} keys @param {boolean} on */
  const many = (keys, on) => {
    const next = new Set(all.peek());
    for (const key of keys) on ? next.add(key) : next.delete(key);
    every.set(0);
    all.set(next);
  };
  return {
    all,
    every,
    many,
    has: (/** @type {string} */ key) => every() > 0 || all().has(key),
    /** One, or with a range all from the last one to this. @param {string} key @param {boolean} on @param {string[]} [range] all keys as they stand */
    set(key, on, range) {
      const [a, b] = range ? [range.indexOf(last), range.indexOf(key)] : [-1, -1];
      many(range && a >= 0 && b >= 0 ? range.slice(Math.min(a, b), Math.max(a, b) + 1) : [key], on);
      last = key;
    },
    clear: () => many(all.peek(), false),
  };
}

/** The BMCs that are ticked, on whatever page. */
export const bmcs = picks();

/** A box to tick. @param {Picks} picked @param {() => string} key @param {() => string} name @param {() => string[]} order */
export const tick = (picked, key, name, order) => h("label", { class: "tick" }, h("input", { type: "checkbox", "aria-label": () => `Select ${name()}`, checked: () => picked.has(key()),
  onclick: (event) => picked.set(key(), event.target.checked, event.shiftKey ? order() : undefined) }));

/** A box for all that are shown. @param {Picks} picked @param {() => string[]} order */
export const tickAll = (picked, order) => h("label", { class: "plain-label" }, h("input", { type: "checkbox", checked: () => order().length > 0 && order().every(picked.has),
  onclick: (event) => picked.many(order(), event.target.checked) }), " all shown");

/**
 * Does something for each, one after the other. Those that failed stay in the list, are told by name, and can be tried again.
 * @template T
 * @param {T[]} rest @param {(one: T) => Promise<unknown>} act @param {(one: T) => string} nameOf
 */
export async function forEach(rest, act, nameOf) {
  const failed = [];
  const { length } = rest;
  for (const one of [...rest]) {
    try {
      await act(one);
      rest.splice(rest.indexOf(one), 1);
    } catch (err) {
      failed.push(`${nameOf(one)} (${err instanceof Problem ? err.detail : err})`);
    }
  }
  if (failed.length) throw new Problem(`${failed.length} of ${length} failed and stay selected`, failed.join("; "), 0, "");
}

/**
 * Filters of what is chosen, each as long as an address bears.
 * @param {string[]} keys @param {(keys: string[]) => string} where
 */
export function parts(keys, where) {
  const all = /** @type {Part[]} */ ([]);
  for (const key of keys) {
    const last = all.at(-1);
    const longer = last && where([...last.keys, key]);
    if (last && longer && encodeURIComponent(longer).length <= 3900) Object.assign(last, { keys: [...last.keys, key], where: longer });
    else all.push({ keys: [key], where: where([key]) });
  }
  return all;
}

/** @param {string[]} ids */
export const ofBMCs = (ids) => (ids.length === 1 ? `bmc=${quoted(ids[0] ?? "")}` : `bmc in (${ids.map(quoted).join(", ")})`);

/** @param {Part} part */
const nameOf = ({ keys, where }) => keys.join(", ") || where;
const query = (/** @type {Part} */ { where }) => `?${new URLSearchParams({ where })}`;

/** Asks the server what a part is now. @param {"PUT /acks" | "POST /rechecks"} what @param {Part} part */
async function asked(what, part) {
  const [method = "", path] = what.split(" ");
  const body = what === "PUT /acks" ? { note: "how many?", dry_run: true } : { dry_run: true };
  return JSON.parse(await (await call(path + query(part), { method, body: JSON.stringify(body) })).text());
}

/** Acknowledges; a part where it failed stays ticked. @param {Part[]} of @param {Picks} picked */
async function ack(of, picked) {
  const counts = new Map(await Promise.all(of.map(async (part) => /** @type {const} */ ([part, await asked("PUT /acks", part)]))));
  const sum = (/** @type {string} */ name) => [...counts.values()].reduce((all, one) => all + one[name], 0);
  note(`Acknowledge ${plural(sum("count"), "BMC")}: of ${number(sum("matched"))} those that are not available`, (body) => forEach(of, async (part) => {
    await send("PUT", `/acks${query(part)}`, { ...body, expect: counts.get(part).count });
    picked.many(part.keys, false);
  }, nameOf));
}

/** Checks again, and shows how far it is. Those that could not be checked can be tried again. @param {Part[]} of */
export async function recheck(of) {
  const planned = await Promise.all(of.map((part) => asked("POST /rechecks", part)));
  const sum = (/** @type {any[]} */ all, /** @type {string} */ name) => all.reduce((n, one) => n + one[name], 0);
  const total = sum(planned, "count");
  const said = signal(`4 at a time of each satellite, about ${span(sum(planned, "estimate_s") * 1000)}.`);
  const failed = signal(/** @type {{ bmc: string, text: string }[]} */ ([]));
  const state = signal(/** @type {"asked" | "runs" | "done"} */ ("asked"));
  const stop = new AbortController();
  const wrong = signal("");
  const run = async () => {
    if (barred() || state.peek() !== "asked") return;
    state.set("runs");
    let [before, work] = [0, 0];
    try {
      for (const [n, part] of of.entries()) {
        const answer = await call(`/rechecks${query(part)}`, { method: "POST", body: JSON.stringify({ ...lastName(), expect: planned[n].count }), signal: stop.signal });
        await lines(answer, (line) => {
          const step = JSON.parse(line);
          if (step.text) failed.set([...failed.peek(), step]);
          if (step.health && step.health !== "available") work++;
          const done = before + step.count - step.left;
          said.set(`${number(done)} of ${number(total)} checked, ${number(work)} of them not available${done < total ? `; about ${span(step.estimate_s * 1000)} left` : ""}.`);
        });
        before += planned[n].count;
      }
    } catch (err) {
      if (!stop.signal.aborted) wrong.set(String(err));
    }
    state.set("done");
  };
  modal(`Recheck ${plural(total, "BMC")}`, (close) => [
    h("p", { role: "status" }, said), h("p", { class: "wrong", role: "alert" }, wrong), h("ul", { class: "evidence-lines" }, () => failed().map(({ bmc, text }) => h("li", null, h("b", null, bmc), ` ${text}`))),
    h("div", { class: "buttons" }, () => [state() === "asked" && button("Recheck", () => void run(), { class: "main" }),
      state() === "done" && failed().length > 0 && button(`Try ${number(failed().length)} again`, () => {
        close();
        void recheck(parts(failed().map(({ bmc }) => bmc), ofBMCs));
      }, { class: "main" }),
      h("button", { onclick: close }, () => (state() === "runs" ? "Stop" : "Close"))]),
  ], () => stop.abort());
}

/** What an address says of those that are ticked; "" where it does not bear that: characters of others count as the address writes them. @param {Iterable<string>} ids */
export function inOne(ids) {
  const all = [...ids].filter((id) => !id.includes(",")).join(",");
  return encodeURIComponent(all).length < 1500 ? all : "";
}

/** Has the address say which BMCs are ticked, as long as it bears that, and ticks those that it says. */
function inAddress() {
  const said = () => route.peek().query.sel ?? "";
  if (said()) bmcs.many(said().split(","), true);
  effect(() => {
    const sel = inOne(bmcs.all());
    if (sel !== said()) ask({ sel: sel || undefined });
  });
}

/**
 * What is done with what is chosen in a table: of BMCs, or of what has BMCs in it.
 * @param {{ picked: Picks, order: () => string[], where?: (keys: string[]) => string, all: () => string, what?: string, tell: (err: unknown) => void }} of
 */
export function bar({ picked, order, where = ofBMCs, all, what = "", tell }) {
  const chosen = () => (picked.every.peek() ? [{ keys: [], where: all() }] : parts([...picked.all.peek()], where));
  const act = (/** @type {(of: Part[]) => unknown} */ run) => () => void Promise.resolve(run(chosen())).catch(tell);
  const quiet = (/** @type {"silence" | "maintenance"} */ kind) => act((of) => {
    if (of.length > 1) throw new Problem("Too many one by one", "a silence has one filter, and it would be too long: select less, or all that match", 0, "");
    silence(kind, of[0]?.where ?? "");
  });
  const count = async () => picked.every.set((await get("/summary", { where: all() })).total);
  const away = () => [...picked.all()].filter((key) => !order().includes(key)).length;
  if (picked === bmcs) inAddress();
  return h("div", { class: "bar-of-buttons thumb bulk" }, tickAll(picked, order),
    h("span", { role: "status", class: "faint" }, () => (picked.every() ? `all ${number(picked.every())} that match` : `${number(picked.all().size)}${what} selected${away() ? `, ${number(away())} of them not on this page` : ""}`)),
    () => (picked.every() || picked.all().size > 0 ? [
      button("Ack", act((of) => ack(of, picked)), { "data-key": "a", class: "main" }), button("Silence", quiet("silence"), { "data-key": "s" }), button("Maintenance", quiet("maintenance")),
      button("Recheck", act(recheck), { "data-key": "r" }), h("button", { onclick: picked.clear }, "Clear selection")] : null),
    () => (picked.every() || !order().length ? null : h("button", { onclick: () => void count().catch(tell) }, "All that match")));
}
