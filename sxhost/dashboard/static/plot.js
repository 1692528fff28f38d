// @ts-check
// Figures as bars: one drawing for all plots of the page, which says in words what it shows.
import { html } from "./dom.js";

/** Pixels of a plot's height, of a bar with the gap beside it, and bars at the most. */
const HEIGHT = 96, STEP = 10, GAP = 2, MOST = 120;
/** Bars for which there is room at the least: few are as narrow as many. */
const LEAST = 30;

/** @typedef {{key: string | number, value: number, words: string}} Bar a bar, and what it says when it is pointed at */

/**
 * Bars from left to right, the newest last; those that are too many are left out at the left.
 * @param {{bars: Bar[], label: string, caption: any, top?: number}} props `top` is the value of a full bar: else the greatest one
 */
export function Plot({ bars, label, caption, top = 0 }) {
  const shown = bars.slice(-MOST);
  const most = top || Math.max(...shown.map(({ value }) => value), 0);
  const width = Math.max(shown.length, LEAST) * STEP;
  return html`<figure><svg class="bars" role="img" aria-label=${label} viewBox=${`0 0 ${width} ${HEIGHT}`} width=${width} height=${HEIGHT} preserveAspectRatio="none">
      <rect class="ground" x="0" y="0" width=${width} height=${HEIGHT}></rect>${shown.map(({ key, value, words }, place) => {
        const height = most > 0 && value > 0 ? Math.max(1, (HEIGHT * value) / most) : 0;
        return html`<g key=${key}><rect class="ground" x=${place * STEP} y="0" width=${STEP} height=${HEIGHT}></rect><rect x=${place * STEP} y=${HEIGHT - height} width=${STEP - GAP} height=${height}></rect><title>${words}</title></g>`;
      })}</svg><figcaption class="dim">${caption}</figcaption></figure>`;
}
