// A site as a picture: a column per rack, a cell per BMC, rows of racks as they stand. Arrow keys go from cell to cell; the site's page
// has the same as links and as a table.

import { get } from "./api.js";
import { words } from "./codes.js";
import { codes } from "./tables.js";
import { fleet, tick } from "./feed.js";
import { later } from "./later.js";
import { bmcURL, go, rackURL } from "./route.js";
import { ago } from "./time.js";
import { cleanup, effect, h, signal } from "./view.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Racks of a row stand together; rows follow each other, and break where the line is full. @param {Rack[]} racks @param {number} w @param {number} h @param {number} width @returns {Layout} */
function place(racks, w, h, width) {
  /** @type {Column[]} */
  const columns = [];
  let x = 0;
  let y = 0;
  let tall = 0;
  let row = "";
  for (const rack of racks) {
    const here = `${rack.room}\n${rack.row}`;
    if (row !== here && x > 0) x += w;
    row = here;
    if (x + w > width) [x, y, tall] = [0, y + tall + 6, 0];
    columns.push({ x, y, rack });
    x += w + 2;
    tall = Math.max(tall, (rack.to - rack.from) * h);
  }
  return { w, h, height: y + tall, columns };
}

/** The largest cells that fit. @param {Rack[]} racks @param {number} width @param {number} most @returns {Layout} */
export function layout(racks, width, most) {
  const widest = Math.max(48, Math.min(160, Math.floor(width / racks.length) - 2));
  for (let h = 8; h >= 2; h--) {
    for (let w = widest; w >= Math.max(2, h - 2); w--) {
      const found = place(racks, w, h, width);
      if (found.height <= most) return found;
    }
  }
  return place(racks, 2, 2, width);
}

/** @param {string} color #rrggbb @returns {number} as ImageData has it on machines with the lowest byte first */
const pixel = (color) => (0xff000000 | (parseInt(color.slice(5, 7), 16) << 16) | (parseInt(color.slice(3, 5), 16) << 8) | parseInt(color.slice(1, 3), 16)) >>> 0;

/** A cell of each code, as pixels. @param {number} w @param {number} h @returns {Map<number, Uint32Array>} */
function sprites(w, h) {
  return new Map(codes.map(({ code, shape, light, dark: night }) => {
    const paint = dark.matches ? night : light;
    const [fill, ink] = [pixel(paint.fill), pixel(paint.ink)];
    const cell = new Uint32Array(w * h);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const edge = x === 0 || y === 0 || x === w - 1 || y === h - 1;
        const inner = x >= w / 4 && x < w - w / 4 && y >= h / 4 && y < h - h / 4;
        let at = fill;
        if (shape === "border" && edge) at = ink;
        if (shape === "dashed") at = edge && (x + y) % 4 < 2 ? ink : 0;
        if (shape === "outline") at = edge && (x + y) % 2 ? ink : 0;
        if (shape === "hatch" && (x + y) % 4 === 0) at = ink;
        if (shape === "quiet" && !inner && Math.min(w, h) > 3) at = (fill & 0x00ffffff) | 0x80000000;
        cell[y * w + x] = at;
      }
    }
    return [code.charCodeAt(0), cell];
  }));
}

/** @param {HTMLCanvasElement} canvas @param {Layout} l @param {number} width */
function draw(canvas, l, width) {
  const now = fleet.peek();
  const brush = canvas.getContext("2d");
  if (!now || !brush || width < 8) return;
  const scale = Math.min(2, Math.max(1, Math.round(devicePixelRatio)));
  canvas.width = width * scale;
  canvas.height = Math.max(1, l.height) * scale;
  canvas.style.height = `${l.height}px`;
  const [w, h] = [l.w * scale, Math.max(1, (l.h - (l.h > 3 ? 1 : 0)) * scale)];
  const cells = sprites(w, h);
  const image = brush.createImageData(canvas.width, canvas.height);
  const pixels = new Uint32Array(image.data.buffer);
  for (const { x, y, rack } of l.columns) {
    for (let n = rack.from; n < rack.to; n++) {
      const cell = cells.get(now.letters[n] ?? 63);
      if (!cell) continue;
      let at = (y + (n - rack.from) * l.h) * scale * canvas.width + x * scale;
      for (let line = 0; line < h; line++, at += canvas.width) pixels.set(cell.subarray(line * w, line * w + w), at);
    }
  }
  brush.putImageData(image, 0, 0);
}

/**
 * One stop of Tab for the whole picture: arrow keys go from BMC to BMC, beginning with one that fails; which one it is is framed and told.
 * @param {HTMLCanvasElement} canvas @param {{ from: number, to: number }} site @param {() => Layout | null} layout
 */
function steered(canvas, site, layout) {
  const told = signal("");
  const ring = h("i", { class: "ring", hidden: true });
  let at = -1;
  let bmc = "";
  const column = () => layout()?.columns.findIndex(({ rack }) => at >= rack.from && at < rack.to) ?? -1;
  const ask = async () => {
    const [mine, rack] = [at, layout()?.columns[column()]?.rack];
    if (!rack) return;
    const { site, room, row, rack: name } = rack;
    const place = /** @type {Elevation} */ (await get("/elevation", { site, room, row, rack: name })).units[mine - rack.from];
    if (!place || mine !== at) return;
    bmc = place.bmc;
    told.set(`${site} ${name}${place.unit ? ` U${place.unit}` : ""} ${bmc}, ${words(place.look)}${place.since ? `, ${ago(place.since)}` : ""}`);
  };
  const soon = later(() => void ask().catch(() => {}));
  const move = (/** @type {number} */ to) => {
    const now = fleet.peek();
    at = Math.min(site.to - 1, Math.max(site.from, to));
    const [l, here] = [layout(), layout()?.columns[column()]];
    if (!now || !l || !here) return;
    bmc = "";
    told.set(`${here.rack.site} ${here.rack.rack}, ${words(now.look(at))}`);
    Object.assign(ring.style, { left: `${here.x}px`, top: `${here.y + (at - here.rack.from) * l.h}px`, width: `${l.w}px`, height: `${l.h}px` });
    ring.hidden = false;
    soon(200);
  };
  const aside = (/** @type {number} */ by) => {
    const [from, to] = [layout()?.columns[column()], layout()?.columns[column() + by]];
    if (from && to) move(Math.min(to.rack.to - 1, to.rack.from + at - from.rack.from));
  };
  const keys = /** @type {Record<string, () => unknown>} */ ({
    ArrowUp: () => move(at - 1), ArrowDown: () => move(at + 1), ArrowLeft: () => aside(-1), ArrowRight: () => aside(1),
    Enter: async () => {
      if (!bmc) await ask();
      if (bmc) go(bmcURL(bmc));
    },
  });
  canvas.addEventListener("focus", () => {
    const letters = fleet.peek()?.letters.subarray(site.from, site.to);
    const failing = letters?.findIndex((letter) => "PTLW".includes(String.fromCharCode(letter))) ?? -1;
    move(at < 0 ? site.from + Math.max(0, failing) : at);
  });
  canvas.addEventListener("blur", () => ring.toggleAttribute("hidden", true));
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });
  return h("div", { class: "picture" }, canvas, ring, h("p", { class: "faint", role: "status" }, told));
}

/**
 * @param {{ racks: Rack[], from: number, to: number }} site it is of the fleet as it is now
 * @param {string | null} label null: beside it stands the same in words, and keys do not go there
 * @param {number} [most] how high it may be
 */
export function carpet(site, label, most = 176) {
  const canvas = h("canvas", label ? { class: "carpet", role: "application", tabindex: 0, "aria-label": label } : { class: "carpet", "aria-hidden": "true" });
  let l = /** @type {Layout | null} */ (null);
  let drawn = /** @type {Uint8Array | null} */ (null);
  let asked = 0;
  const again = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      const letters = fleet.peek()?.letters.subarray(site.from, site.to);
      if (!letters || (drawn && l && drawn.every((letter, i) => letter === letters[i]))) return;
      const width = Math.floor(canvas.clientWidth);
      l ??= layout(site.racks, width, most);
      drawn = letters.slice();
      draw(canvas, l, width);
    });
  };
  const anew = () => {
    l = null;
    drawn = null;
    again();
  };
  const size = new ResizeObserver(anew);
  size.observe(canvas);
  dark.addEventListener("change", anew);
  cleanup(() => {
    size.disconnect();
    dark.removeEventListener("change", anew);
    cancelAnimationFrame(asked);
  });
  effect(() => {
    tick();
    again();
  });
  canvas.addEventListener("click", (event) => {
    const hit = l?.columns.find(({ x, y, rack }) => event.offsetX >= x && event.offsetX < x + (l?.w ?? 0) + 2 && event.offsetY >= y && event.offsetY < y + (rack.to - rack.from) * (l?.h ?? 0));
    if (!hit) return;
    event.preventDefault();
    go(rackURL(hit.rack));
  });
  return label ? steered(canvas, site, () => l) : canvas;
}
