// @ts-check
// Elements, components and the values that they show: Preact, htm and signals as one.
import { h, options, render } from "./vendor/preact.js";
import { useEffect, useState } from "./vendor/hooks.js";
import { effect } from "./vendor/signals.js";
import htm from "./vendor/htm.js";

export { h } from "./vendor/preact.js";
export { useEffect, useErrorBoundary, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { batch, computed, effect, signal } from "./vendor/signals.js";

/** Elements, as a tagged template. Components whose properties are to be checked go through `h`. */
export const html = htm.bind(h);

// Nothing is drawn more often than the screen is, and nothing at all while nobody sees it.
options.debounceRendering = (draw) => requestAnimationFrame(() => draw());

/**
 * The value of a signal; the component is drawn again when it changes.
 * @template T
 * @param {{value: T, peek(): T}} source
 * @returns {T}
 */
export function useSignal(source) {
  const [, changed] = useState(source.peek());
  useEffect(() => effect(() => { const value = source.value; changed(() => value); }), [source]);
  return source.peek();
}

/**
 * A component that is drawn again only when one of its properties is another one.
 * @template P
 * @param {(props: P) => any} View
 */
export function memo(View) {
  const differ = (/** @type {any} */ one, /** @type {any} */ other) => Object.keys({ ...one, ...other }).some((name) => one[name] !== other[name]);
  return /** @this {any} @param {P} props */ function Memo(props) {
    this.shouldComponentUpdate = (/** @type {any} */ next) => differ(this.props, next);
    return h(/** @type {any} */ (View), props);
  };
}

/** The time, again every few seconds, so that ages move; it stands still while `frozen`. */
export function useNow(seconds = 5, frozen = false) {
  const [now, tick] = useState(Date.now());
  useEffect(() => {
    if (frozen) return undefined;
    const timer = setInterval(() => tick(Date.now()), seconds * 1000);
    return () => clearInterval(timer);
  }, [seconds, frozen]);
  return frozen ? now : Math.max(now, Date.now());
}

/** @param {Element} place @param {any} view */
export function mount(place, view) {
  place.replaceChildren();
  render(view, place);
}
