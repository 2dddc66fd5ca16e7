// A proxy before the console, as those that stand before real ones: it passes on, answers 502 in the server's place, or holds back what is
// streamed until there is more of it than ever comes.

import { createServer, request } from "node:http";

/** @typedef {"passes" | "answers 502" | "holds back"} Mode */

/** @param {string} to */
export async function proxy(to) {
  const { hostname, port } = new URL(to);
  let mode = /** @type {Mode} */ ("passes");
  /** @type {Set<import("node:http").ServerResponse>} */
  const streams = new Set();
  const server = createServer((asked, answer) => {
    if (mode === "answers 502" && asked.url?.startsWith("/api/")) {
      answer.writeHead(502, { "Content-Type": "text/html" });
      answer.end("<html><h1>502 Bad Gateway</h1></html>");
      return;
    }
    const up = request({ hostname, port, path: asked.url, method: asked.method, headers: asked.headers }, (got) => {
      if (mode === "holds back" && asked.url?.includes("/stream")) {
        got.resume();
        return;
      }
      answer.writeHead(got.statusCode ?? 500, got.headers);
      got.pipe(answer);
    });
    if (asked.url?.includes("/stream")) streams.add(answer);
    up.on("error", () => answer.destroy());
    answer.on("close", () => {
      streams.delete(answer);
      up.destroy();
    });
    asked.pipe(up);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(null)));
  return {
    url: `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`,
    /** From now on; streams that run are cut. @param {Mode} next */
    become(next) {
      mode = next;
      for (const one of streams) one.destroy();
    },
    close: () => void server.close().closeAllConnections(),
  };
}
