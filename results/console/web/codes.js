// What a state looks like: letter, shape, border and colour, from the one table (tables.js).

import { codes, overlays } from "./tables.js";

/** @type {Map<string, Code>} */
const byLetter = new Map(codes.map((code) => [code.code, code]));

/** The code of a look, which is a letter and marks after it. @param {string} look @returns {Code} */
export const codeOf = (look) => byLetter.get(look[0] ?? "?") ?? /** @type {Code} */ (byLetter.get("?"));

/** The groups that people count in, worst first. */
export const groups = /** @type {const} */ ([
  { name: "failed", letters: "PTLW", words: "failing", look: "P", where: "health=unavailable" },
  { name: "unknown", letters: "?S", words: "unknown", look: "?", where: "health=unknown" },
  { name: "degraded", letters: "!", words: "degraded", look: "!", where: "health=degraded" },
  { name: "maintenance", letters: "m", words: "in maintenance", look: "m", where: "maintenance" },
  { name: "available", letters: ".", words: "available", look: ".", where: "health=available" },
  { name: "none", letters: "-", words: "not monitored", look: "-", where: "" },
]);

/** What failed, in words, by the letter. @type {Record<string, string>} */
export const steps = { P: "ping", T: "tls", L: "login", W: "power" };

/** A look: the letter of a state, and marks of what else there is to it. @param {{ code: string, flapping?: object | null, ack?: object | null, silenced?: { kind: string } | null }} of */
export const marked = ({ code, flapping, ack, silenced }) => code + (flapping ? "~" : "") + (ack ? "a" : "") + (silenced?.kind === "silence" ? "z" : "");

/** A look in words: "failed at ping, flapping". @param {string} look */
export function words(look) {
  const [state = "", what = ""] = codeOf(look).meaning.split(": ");
  const marks = [...look.slice(1)].map((mark) => overlays[/** @type {keyof typeof overlays} */ (mark)]?.split(":")[0] ?? mark);
  return [state === "unavailable" ? what : state, ...marks].join(", ");
}

/** The classes and colours of a look, for an element. @param {string} look */
export function paint(look) {
  const { shape, light, dark } = codeOf(look);
  return {
    class: `code ${shape}`,
    style: { "--fill": `light-dark(${light.fill}, ${dark.fill})`, "--ink": `light-dark(${light.ink}, ${dark.ink})` },
  };
}
