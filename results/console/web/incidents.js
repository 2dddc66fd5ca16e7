// The incidents that are not closed, most important first, kept current by the stream.

import { get } from "./api.js";
import { on } from "./feed.js";
import { later } from "./later.js";
import { signal } from "./view.js";

/** @type {ReturnType<typeof signal<Incident[] | null>>} null: not known yet */
export const incidents = signal(/** @type {Incident[] | null} */ (null));
/** How many there are. */
export const open = signal(/** @type {number | null} */ (null));

const look = later(async () => {
  try {
    const [page, summary] = await Promise.all([get("/incidents", { limit: "50" }), get("/summary")]);
    incidents.set(page.items);
    open.set(summary.incidents.total);
  } catch {
    look(5000); // what is wrong says the feed
  }
});

export function start() {
  look(0);
  for (const event of ["hello", "resync", "incident", "ack", "silence"]) on(event, () => look(250));
}
