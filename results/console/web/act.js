// What people do: acknowledge, and check again. Who may not is told why.

import { call, get, lines, pathOf, Problem, send } from "./api.js";
import { plural } from "./model.js";
import { modal } from "./parts.js";
import { at, route } from "./route.js";
import { h, signal } from "./view.js";

export const me = signal(/** @type {Me | null} */ (null));

export async function start() {
  me.set(await get("/me").catch(({ status }) => {
    if (status !== 401) setTimeout(start, 5000);
    return null;
  }));
}

/** Signs in: the browser keeps the token where no script can read it. @param {string} token */
export async function signIn(token) {
  await call("/session", { method: "POST", headers: { Authorization: `Bearer ${token.trim()}` } });
  location.reload();
}

/** Signs out: the browser forgets the token. */
export const signOut = () => send("DELETE", "/session").then(() => location.reload());

/** Why one may not act; "" where one may. */
export function barred() {
  const who = me();
  if (route().query.kiosk) return "This is a wall display.";
  if (at()) return "This is as it was: go back to now to do something.";
  if (!who) return "It is not known yet who you are.";
  return who.scope === "operator" ? "" : `${who.name} is a ${who.scope}: this wants an operator.`;
}

/** A button that acts, or says why it does not. @param {string} text @param {() => void} act @param {Record<string, any>} [props] */
export function button(text, act, props = {}) {
  return h("button", { ...props, "aria-disabled": () => (barred() ? "true" : null), title: () => barred() || props.title || null, onclick: () => barred() || act() }, text);
}

const remembered = "lamplighter.name";

/** Where whoever needs no token says who they are; those who showed one are known. */
export function name() {
  if (!me.peek()?.local) return { field: null, said: () => ({}) };
  const field = h("input", { name: "who", required: true, maxlength: 100, value: localStorage.getItem(remembered) ?? "" });
  return { field: h("label", null, "Your name", field), said: () => {
    localStorage.setItem(remembered, field.value);
    return { who: field.value };
  } };
}

/** The name that was said last, for what asks for none. */
export const lastName = () => (me.peek()?.local ? { who: localStorage.getItem(remembered) || "local" } : {});

/**
 * Asks for a note, and says what will happen before it does.
 * @param {string} what @param {(body: { note: string, who?: string, until?: string }) => Promise<unknown>} act @param {string} [verb]
 */
export function note(what, act, verb = "Acknowledge") {
  const text = h("textarea", { name: "note", rows: 3, maxlength: 1000, required: true });
  const who = name();
  const wrong = h("p", { class: "wrong", role: "alert" });
  modal(what, (close) => [
    h("form", { onsubmit: async (event) => {
      event.preventDefault();
      try {
        await act({ note: text.value, ...who.said() });
        close();
      } catch (err) {
        wrong.textContent = String(err);
      }
    } },
    h("label", null, "Note", text), who.field, wrong,
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "main" }, verb), h("button", { onclick: close }, "Cancel")))]);
  text.focus();
}

/** @param {string} id a BMC */
export const ack = (id) => note(`Acknowledge ${id}: it ends by itself when the BMC is healthy again`, (body) => send("PUT", `${pathOf(id)}/ack`, body));
/** @param {Incident} i */
export const ackIncident = (i) => note(`Acknowledge "${i.title}" with its ${plural(i.failing, "failing BMC")}`, (body) => send("PUT", `/incidents/${encodeURIComponent(i.id)}/ack`, body));

/**
 * A check of a BMC that a person asked for, step by step.
 * @param {string} id @param {(now: Recheck) => void} tell
 */
export async function recheck(id, tell) {
  const now = /** @type {Recheck} */ ({ asked: Date.now(), steps: [], ended: false, wrong: "" });
  tell({ ...now });
  try {
    await lines(await call(`${pathOf(id)}/recheck`, { method: "POST", body: "{}" }), (line) => {
      const step = /** @type {Step} */ (JSON.parse(line));
      now.steps = [...now.steps, step];
      if (step.kind === "error") now.wrong = step.text ?? "it broke off";
      tell({ ...now });
    });
  } catch (err) {
    now.wrong = err instanceof Problem ? String(err) : "the connection broke off; the round goes on without us";
  }
  tell({ ...now, ended: true });
}
