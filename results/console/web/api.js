// Asking the API. What goes wrong comes as a Problem: what was asked, since when, the request's ID.

import { at } from "./route.js";
import { signal } from "./view.js";

/** An answer that is an error. */
export class Problem extends Error {
  /** @param {string} title @param {string} detail @param {number} status @param {string} id */
  constructor(title, detail, status, id) {
    super(`${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.status = status;
    this.id = id;
    this.at = Date.now();
  }

  /** As a line under what went wrong. */
  toString() {
    return `${this.message}${this.id ? ` (request ${this.id})` : ""}`;
  }
}

const base = "/api/v1";

/** @param {Response} response */
async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const detail = body.detail ?? (response.status >= 502 ? "what stands between us and the server answers in its place" : "no more is said");
  return new Problem(body.title ?? `HTTP ${response.status}`, detail, response.status, body.id ?? response.headers.get("X-Request-Id") ?? "");
}

/** @param {string} path @param {RequestInit} [init] */
export async function call(path, init) {
  let response;
  try {
    response = await fetch(base + path, { ...init, headers: { Accept: "application/json", ...init?.headers, ...(init?.body ? { "Content-Type": "application/json" } : {}) } });
  } catch (err) {
    if (/** @type {Error} */ (err).name === "AbortError") throw err;
    throw new Problem("No answer", "the server cannot be reached", 0, "");
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** What asks for the moment that is looked at. */
const then = () => at() && { at: at() };

/** The address of what is shown as a file. @param {string} what @param {Record<string, string>} query */
export const file = (what, query) => `${base}/export/${what}?${new URLSearchParams({ ...query, ...then() })}`;

/**
 * @template T
 * @param {string} path @param {Record<string, string>} [query] @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function get(path, query, signal) {
  const text = new URLSearchParams({ ...query, ...(/^\/(map|bmcs|elevation|summary|groups|changes|incidents(?!\/))/.test(path) && then()) });
  return (await call(path + (text.size ? (path.includes("?") ? "&" : "?") + text : ""), signal ? { signal } : {})).json();
}

/** @param {"PUT" | "POST" | "DELETE"} method @param {string} path @param {unknown} [body] */
export async function send(method, path, body) {
  const response = await call(path, { method, body: method === "DELETE" ? null : JSON.stringify(body ?? {}) });
  return response.status === 204 ? null : response.json();
}

/**
 * Reads an answer line by line, as the lines come.
 * @param {Response} response @param {(line: string) => void} each
 */
export async function lines(response, each) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const all = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = all.pop() ?? "";
    for (const line of all) each(line);
  }
  if (rest) each(rest);
}

/** Keeps what is wrong, and since when: since the first of those that came one after the other. @param {ReturnType<typeof signal<any>>} wrong @param {any} err */
export const keep = (wrong, err) => wrong.set(Object.assign(err, wrong.peek() && { at: wrong.peek().at }));

/** What is asked for, kept; look asks again. @template T @param {() => Promise<T>} ask */
export function kept(ask) {
  const value = signal(/** @type {T | null} */ (null));
  const wrong = signal(/** @type {unknown} */ (null));
  const look = async () => {
    try {
      value.set(await ask());
      wrong.set(null);
    } catch (err) {
      keep(wrong, err);
    }
  };
  return { value, wrong, look };
}

/** @param {string} id */
export const pathOf = (id) => `/bmcs/${encodeURIComponent(id)}`;
