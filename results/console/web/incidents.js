// The incidents that are not closed, most important first, kept current by the stream.

import { get, kept } from "./api.js";
import { on } from "./feed.js";
import { at } from "./route.js";
import { later } from "./time.js";
import { effect, signal } from "./view.js";

/** How many there are. */
export const open = signal(/** @type {number | null} */ (null));
/** Whether the first question is answered, or failed. */
export const answered = signal(false);

/** They: null where they are not known yet. */
export const { value: incidents, wrong, look: again } = kept(async () => {
  const page = await get("/incidents?limit=50"); // shell.html asks for it ahead
  open.set(page.total);
  return /** @type {Incident[]} */ (page.items);
});

const look = later(async () => {
  await again();
  if (wrong.peek()) look(5000);
  answered.set(true);
});

export function start() {
  effect(() => {
    at();
    look(0);
  });
  for (const event of ["hello", "resync", "incident", "ack", "silence"]) on(event, () => look(250));
}
