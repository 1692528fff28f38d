// @ts-check
// What a session has used, turn by turn.
import { get, path } from "./api.js";
import { html, useEffect, useState } from "./dom.js";
import { clock, count, dollars } from "./format.js";

const HEIGHT = 120, BAR = 14, MOST = 80;

/** @param {{id: string, newest: number}} props */
export function Usage({ id, newest }) {
  const [events, setEvents] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    const timer = setTimeout(() => get(`${path`sessions/${id}/events`}?after=0&types=usage&limit=10000`).then(setEvents, () => setEvents([])), 300);
    return () => clearTimeout(timer);
  }, [id, newest]);
  if (!events) return html`<p class="empty">Looking for what it has used…</p>`;
  const last = events.at(-1)?.data;
  if (!last) return html`<p class="empty">Its agent has not said what it uses.</p>`;
  const filled = last.message?.input_tokens || 0;
  const context = last.context_window ? filled / last.context_window : 0;
  return html`<div class="log" tabindex="0"><dl class="facts">
      ${Object.entries(NAMES).filter(([name]) => typeof last[name] === "number").map(([name, words]) => html`<dt>${words}</dt><dd>${name === "cost_usd" ? dollars(last[name]) : count(last[name])}</dd>`)}
      ${context > 0 && html`<dt>context</dt><dd><meter min="0" max="1" low="0.7" high="0.9" optimum="0" value=${context}></meter> ${Math.round(100 * context)} % of ${count(last.context_window)}</dd>`}</dl>
    <${Bars} steps=${steps(events)} /></div>`;
}

const NAMES = /** @type {Record<string, string>} */ ({
  input_tokens: "tokens in", cached_tokens: "of these from its cache", output_tokens: "tokens out", reasoning_tokens: "of these for thinking", total_tokens: "tokens", cost_usd: "cost",
});

/** What each report adds to the one before. @param {any[]} events */
function steps(events) {
  let before = 0;
  return events.map((event) => {
    const { input_tokens: given, output_tokens: made, total_tokens: all } = event.data || {};
    const now = all || (given || 0) + (made || 0);
    const added = now - before;
    before = now;
    return { at: event.ts_ms, added };
  }).filter(({ added }) => added > 0).slice(-MOST);
}

/** @param {{steps: {at: number, added: number}[]}} props */
function Bars({ steps: bars }) {
  if (bars.length < 2) return null;
  const most = Math.max(...bars.map(({ added }) => added));
  return html`<figure><svg class="bars" role="img" aria-label=${`Tokens of each report, ${count(most)} at the most`} width=${bars.length * BAR} height=${HEIGHT}>
      ${bars.map(({ at, added }, place) => {
        const height = Math.max(1, (HEIGHT * added) / most);
        return html`<rect key=${at} x=${place * BAR} y=${HEIGHT - height} width=${BAR - 3} height=${height}><title>${`${clock(at)}: ${count(added)} tokens`}</title></rect>`;
      })}</svg><figcaption class="dim">tokens of each report of its agent; the highest bar is ${count(most)}</figcaption></figure>`;
}
