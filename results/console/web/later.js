// Doing something once for many requests.

import { cleanup } from "./view.js";

/**
 * Gives a function that has act done once, so many milliseconds after it is first called; while that is due more calls change nothing.
 * It ends with the page that made it.
 * @param {() => void} act
 * @returns {(ms: number) => void}
 */
export function later(act) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let due;
  cleanup(() => clearTimeout(due));
  return (ms) => {
    if (due !== undefined) return;
    due = setTimeout(() => {
      due = undefined;
      act();
    }, ms);
  };
}
