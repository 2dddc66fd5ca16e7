// A site as a picture: a column per rack, a cell per BMC, rows of racks as they stand. Arrow keys go from cell to cell; the site's page
// has the same as links and as a table.

import { get } from "./api.js";
import { words } from "./codes.js";
import { codes } from "./tables.js";
import { fleet, tick } from "./feed.js";
import { bmcURL, go, rackURL } from "./route.js";
import { ago, later } from "./time.js";
import { cleanup, effect, h, signal } from "./view.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * Puts racks where they stand: those of a row together, rows one after the other, broken where the line is full.
 * @param {Rack[]} racks @param {number} w of a rack @param {number} h of a BMC @param {number} width @param {number} most higher than this it gives up
 * @param {(x: number, y: number, rack: Rack) => void} [put]
 * @returns {number} how high all is
 */
function place(racks, w, h, width, most, put) {
  let [x, y, tall] = [0, 0, 0];
  let before = racks[0];
  for (const rack of racks) {
    if (x > 0 && (rack.row !== before?.row || rack.room !== before.room)) x += w;
    before = rack;
    if (x + w > width) [x, y, tall] = [0, y + tall + 6, 0];
    if (y > most) break;
    put?.(x, y, rack);
    x += w + 2;
    tall = Math.max(tall, (rack.to - rack.from) * h);
  }
  return y + tall;
}

/** The size of the largest cells that fit: the highest, and of those the widest, which is found by halving: what is narrower takes no more lines. @param {Rack[]} racks @param {number} width @param {number} most */
function largest(racks, width, most) {
  const widest = Math.max(48, Math.min(160, Math.floor(width / racks.length) - 2));
  for (let h = 8; h >= 2; h--) {
    const fits = (/** @type {number} */ w) => place(racks, w, h, width, most) <= most;
    let w = Math.max(2, h - 2);
    if (!fits(w)) continue;
    for (let over = widest + 1; over - w > 1; ) {
      const middle = (w + over) >> 1;
      if (fits(middle)) w = middle;
      else over = middle;
    }
    return { w, h };
  }
  return { w: 2, h: 2 };
}

/** @param {Rack[]} racks @param {number} width @param {number} most @returns {Layout} */
export function layout(racks, width, most) {
  const { w, h } = largest(racks, width, most);
  /** @type {Column[]} */
  const columns = [];
  const height = place(racks, w, h, width, Number.POSITIVE_INFINITY, (x, y, rack) => void columns.push({ x, y, rack }));
  return { w, h, height, columns };
}

/** @param {string} color #rrggbb @returns {number} as ImageData has it on machines with the lowest byte first */
const pixel = (color) => (0xff000000 | (parseInt(color.slice(5, 7), 16) << 16) | (parseInt(color.slice(3, 5), 16) << 8) | parseInt(color.slice(1, 3), 16)) >>> 0;

/** A cell of each code, as pixels, by the letter's character code. @param {number} w @param {number} h */
function sprites(w, h) {
  /** @type {Uint32Array[]} */
  const all = [];
  for (const { code, shape, light, dark: night } of codes) {
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
    all[code.charCodeAt(0)] = cell;
  }
  return all;
}

/** @param {HTMLCanvasElement} canvas @param {Layout} l @param {number} width @param {Uint8Array} letters of the fleet */
function draw(canvas, l, width, letters) {
  const scale = Math.min(2, Math.max(1, Math.round(devicePixelRatio)));
  const [wide, high] = [width * scale, Math.max(1, l.height) * scale];
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const [w, h] = [l.w * scale, Math.max(1, (l.h - (l.h > 3 ? 1 : 0)) * scale)];
  const cells = sprites(w, h);
  const image = new ImageData(wide, high);
  const pixels = new Uint32Array(image.data.buffer);
  for (const { x, y, rack } of l.columns) {
    let corner = (y * wide + x) * scale;
    for (let n = rack.from; n < rack.to; n++, corner += l.h * scale * wide) {
      const cell = cells[/** @type {number} */ (letters[n])] ?? /** @type {Uint32Array} */ (cells[63]); // a letter of a later version is unknown
      for (let line = 0, i = 0, at = corner; line < h; line++, at += wide) for (let right = 0; right < w; right++) pixels[at + right] = /** @type {number} */ (cell[i++]);
    }
  }
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** What a canvas shows. @type {WeakMap<Element, { sized: (width: number) => boolean, sight: (is: boolean) => void }>} */
const pictures = new WeakMap();

/** Those that the next frame draws. @type {Set<() => void>} */
const due = new Set();

function frame() {
  const all = [...due];
  due.clear();
  for (const draw of all) draw();
}

/** Tells widths once the page is laid out and before it is painted: to ask for them earlier would lay out each card by itself. */
const sizes = new ResizeObserver((all) => {
  const anew = all.filter(({ target, contentRect }) => pictures.get(target)?.sized(Math.floor(contentRect.width)));
  for (const { target } of anew) sizes.unobserve(target); // what is drawn has another height, which is nothing to be told of
  frame();
  requestAnimationFrame(() => {
    for (const { target } of anew) if (target.isConnected) sizes.observe(target);
  });
});
const sight = new IntersectionObserver((all) => {
  for (const { target, isIntersecting } of all) pictures.get(target)?.sight(isIntersecting);
}, { rootMargin: "25%" });

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
  let width = 0;
  let seen = false; // what is out of sight has no pixels: of 500,000 BMCs each site's take 5 MB
  const picture = () => {
    const all = fleet.peek()?.letters;
    if (!l || !all) return;
    canvas.style.height = `${l.height}px`;
    const letters = all.subarray(site.from, site.to);
    if (!seen) canvas.width = 0;
    if (!seen || (canvas.width && drawn?.every((letter, i) => letter === letters[i]))) return;
    drawn = letters.slice();
    draw(canvas, l, width, all);
  };
  const again = () => {
    if (!due.size) requestAnimationFrame(frame);
    due.add(picture);
  };
  const anew = () => {
    drawn = null;
    again();
  };
  const sized = (/** @type {number} */ now) => {
    if (now === width || now < 8) return false;
    width = now;
    l = layout(site.racks, width, most);
    seen ||= canvas.getBoundingClientRect().top < innerHeight * 1.25; // before the browser says it, which is frames later
    anew();
    return true;
  };
  /** Of one that was never in sight. */
  const laid = () => {
    if (!l) sized(Math.floor(canvas.clientWidth));
    return l;
  };
  const print = () => {
    seen = Boolean(laid());
    picture();
  };
  pictures.set(canvas, { sized, sight: (is) => {
    seen = is;
    again();
  } });
  sizes.observe(canvas);
  sight.observe(canvas);
  addEventListener("beforeprint", print);
  dark.addEventListener("change", anew);
  cleanup(() => {
    sizes.unobserve(canvas);
    sight.unobserve(canvas);
    removeEventListener("beforeprint", print);
    dark.removeEventListener("change", anew);
    due.delete(picture);
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
  return label ? steered(canvas, site, laid) : canvas;
}
