// The incidents that are not closed, most important first, kept current by the stream.

import { get } from "./api.js";
import { on } from "./feed.js";
import { later } from "./later.js";
import { at } from "./route.js";
import { effect, signal } from "./view.js";

/** null: not known yet */
export const incidents = signal(/** @type {Incident[] | null} */ (null));
/** How many there are. */
export const open = signal(/** @type {number | null} */ (null));
/** Whether the first question is answered, or failed. */
export const answered = signal(false);

const look = later(async () => {
  try {
    const page = await get("/incidents?limit=50"); // shell.html asks for it ahead
    incidents.set(page.items);
    open.set(page.total);
  } catch {
    look(5000); // what is wrong says the feed
  }
  answered.set(true);
});

export function start() {
  effect(() => {
    at();
    look(0);
  });
  for (const event of ["hello", "resync", "incident", "ack", "silence"]) on(event, () => look(250));
}
