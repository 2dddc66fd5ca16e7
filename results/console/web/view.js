// The view: values that tell who depends on them, elements, and lists by key. All that the console shows is made with it.

let watching = /** @type {Watcher | null} */ (null);
let owner = /** @type {Stop[] | null} */ (null);
/** @type {Set<Watcher>} */
const waiting = new Set();
let flushing = false;

/** Runs what depends on values that changed. It happens by itself soon after; tests do not wait. */
export function flush() {
  for (let turns = 0; waiting.size > 0; turns++) {
    if (turns > 100) throw new Error("view: values change each other without end");
    const now = [...waiting];
    waiting.clear();
    for (const w of now) if (w.queued) w.run();
  }
  flushing = false;
}

/** @param {Set<Watcher>} watchers */
function tell(watchers) {
  for (const w of watchers) {
    w.queued = true;
    waiting.add(w);
  }
  if (waiting.size > 0 && !flushing) {
    flushing = true;
    queueMicrotask(flush);
  }
}

/** A value. Called it gives the value, and whoever asks while being watched depends on it from then on. @template T @param {T} value */
export function signal(value) {
  /** @type {Set<Watcher>} */
  const watchers = new Set();
  const get = () => {
    if (watching) {
      watchers.add(watching);
      watching.from.add(watchers);
    }
    return value;
  };
  /** @param {T} next */
  get.set = (next) => {
    if (Object.is(value, next)) return;
    value = next;
    tell(watchers);
  };
  get.peek = () => value;
  return get;
}

/** @param {Stop[]} own */
function end(own) {
  for (const stop of own.splice(0).reverse()) stop();
}

/** @param {Stop} stop what is to be done when what is being made now is taken away */
export function cleanup(stop) {
  owner?.push(stop);
}

/** Makes something that ends as a whole. @template T @param {(stop: Stop) => T} make */
export function root(make) {
  const own = /** @type {Stop[]} */ ([]);
  const [before, watched] = [owner, watching];
  [owner, watching] = [own, null];
  try {
    return make(() => end(own));
  } finally {
    [owner, watching] = [before, watched];
  }
}

/** Does something now, and again whenever a value that it asked for changed. @param {() => void} run */
export function effect(run) {
  /** @type {Watcher} */
  const me = { run: () => {}, from: new Set(), own: [], queued: false };
  const forget = () => {
    for (const watchers of me.from) watchers.delete(me);
    me.from.clear();
    me.queued = false;
    end(me.own);
  };
  me.run = () => {
    forget();
    const [before, watched] = [owner, watching];
    [owner, watching] = [me.own, me];
    try {
      run();
    } finally {
      [owner, watching] = [before, watched];
    }
  };
  cleanup(forget);
  me.run();
}

/** A value made of others. @template T @param {() => T} make */
export function computed(make) {
  const value = signal(/** @type {T} */ (/** @type {unknown} */ (undefined)));
  effect(() => value.set(make()));
  return value;
}

/** @param {Child} child @returns {Node[]} */
function nodes(child) {
  if (child === null || child === undefined || child === false || child === "") return [];
  if (Array.isArray(child)) return child.flatMap(nodes);
  if (typeof child === "function") return live(child);
  return [child instanceof Node ? child : document.createTextNode(String(child))];
}

/** @param {() => Child} make what stands here for the time being @returns {Node[]} */
function live(make) {
  const [first, last] = [document.createTextNode(""), document.createTextNode("")];
  let shown = /** @type {Node[]} */ ([]);
  effect(() => {
    shown = nodes(make());
    if (!last.parentNode) return; // the first time: who asked puts it there
    while (first.nextSibling && first.nextSibling !== last) first.nextSibling.remove();
    last.before(.../** @type {ChildNode[]} */ (shown));
  });
  return [first, ...shown, last];
}

/** @param {Element} element @param {string} name @param {any} value */
function put(element, name, value) {
  if (name === "class") element.setAttribute("class", value || "");
  else if (name === "value" || name === "checked" || name === "indeterminate") Object.assign(element, { [name]: value });
  else if (name === "style") for (const [key, one] of Object.entries(value)) /** @type {HTMLElement} */ (element).style.setProperty(key, String(one));
  else if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "" : String(value));
}

/**
 * An element. A property that is a function follows its values; on… is what happens at an event. Text is always text.
 * @template {Element} E
 * @param {E} element @param {Props | null} props @param {Child[]} children
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (typeof value === "function") effect(() => put(element, name, value()));
    else put(element, name, value);
  }
  element.append(...nodes(children));
  return element;
}

/** A button submits nothing, unless it says so. @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {Props | null} [props] @param {...Child} children */
export const h = (tag, props, ...children) => fill(document.createElement(tag), tag === "button" ? { type: "button", ...props } : (props ?? null), children);

/** @param {string} tag @param {Props | null} [props] @param {...Child} children */
export const svg = (tag, props, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props ?? null, children);

/**
 * A list. An item with a key that was there before keeps its elements, and what is focused in them; its value changes.
 * @template T
 * @param {Element} parent @param {() => T[]} items @param {(item: T) => string | number} keyOf @param {(item: () => T) => Element} make
 */
export function list(parent, items, keyOf, make) {
  /** @type {Map<string | number, { value: ReturnType<typeof signal<T>>, element: Element, stop: Stop }>} */
  let held = new Map();
  effect(() => {
    const next = new Map();
    for (const item of items()) {
      const key = keyOf(item);
      if (next.has(key)) continue;
      const was = held.get(key);
      was?.value.set(item);
      next.set(key, was ?? root((stop) => {
        const value = signal(item);
        return { value, element: make(value), stop };
      }));
    }
    for (const [key, one] of held) {
      if (next.has(key)) continue;
      one.element.remove();
      one.stop();
    }
    let at = parent.firstElementChild;
    for (const one of next.values()) {
      if (at && one.element === at) at = at.nextElementSibling;
      else parent.insertBefore(one.element, at);
    }
    held = next;
  });
  cleanup(() => void [...held.values()].forEach(({ stop }) => void stop()));
  return parent;
}
