// @ts-check
// What happened in each session over the last hour, as small bars: the host has counted it.
import { get } from "./api.js";
import { html, signal, useSignal } from "./dom.js";
import { age } from "./format.js";

/** Pixels of a bar, and of all bars' height; milliseconds between two looks. */
const STEP = 5, HEIGHT = 16, AGAIN = 60_000;
/** Events of a bar at its full height: what is between them and none is drawn by its logarithm. */
const FULL = 500;

/** @typedef {{every_s: number, sessions: Record<string, number[]>}} Activity */

/** @type {{value: Activity, peek(): Activity}} */
const activity = signal({ every_s: 0, sessions: {} });

/** Look each minute, until what this returns is called. */
export function follow() {
  const look = () => document.hidden || get("activity").then((found) => { activity.value = found; }, () => {});
  look();
  const timer = setInterval(look, AGAIN);
  return () => clearInterval(timer);
}

/** @param {{id: string}} props */
export function Spark({ id }) {
  const { every_s: every, sessions } = useSignal(activity);
  const counts = sessions[id];
  if (!counts) return null;
  const words = `events of the last ${age(1000 * every * counts.length)}, ${age(1000 * every)} a bar: ${counts.join(", ")}`;
  const bars = counts.map((count, at) => {
    const height = count && Math.max(1, Math.round((HEIGHT * Math.log1p(Math.min(count, FULL))) / Math.log1p(FULL)));
    return `M${at * STEP} ${HEIGHT}h${STEP - 1}v${-height}h${1 - STEP}z`;
  });
  return html`<svg class="bars" role="img" aria-label=${words} viewBox=${`0 0 ${counts.length * STEP} ${HEIGHT}`} width=${counts.length * STEP} height=${HEIGHT}><title>${words}</title><path d=${bars.join("")} /></svg>`;
}
