// @ts-check
// What a session has used, turn by turn, and how full its context was.
import { get, path } from "./api.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock, count, dollars } from "./format.js";
import { Plot } from "./plot.js";

/** @param {{id: string, newest: number}} props */
export function Usage({ id, newest }) {
  const [events, setEvents] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    const timer = setTimeout(() => get(`${path`sessions/${id}/events`}?after=0&types=usage,complete,error&limit=10000`).then(setEvents, () => setEvents([])), 300);
    return () => clearTimeout(timer);
  }, [id, newest]);
  if (!events) return html`<p class="empty">Looking for what it has used…</p>`;
  const reports = events.filter(({ event }) => event === "usage");
  const last = reports.at(-1)?.data;
  if (!last) return html`<p class="empty">Its agent has not said what it uses.</p>`;
  const filled = last.message?.input_tokens || 0;
  const context = last.context_window ? filled / last.context_window : 0;
  return html`<div class="log" tabindex="0"><dl class="facts">
      ${Object.entries(NAMES).filter(([name]) => typeof last[name] === "number").map(([name, words]) => html`<dt>${words}</dt><dd>${name === "cost_usd" ? dollars(last[name]) : count(last[name])}</dd>`)}
      ${context > 0 && html`<dt>context</dt><dd><meter min="0" max="1" low="0.7" high="0.9" optimum="0" value=${context}></meter> ${Math.round(100 * context)} % of ${count(last.context_window)}</dd>`}</dl>
    ${h(Turns, { turns: turnsOf(events) })}${h(Context, { reports })}</div>`;
}

const NAMES = /** @type {Record<string, string>} */ ({
  input_tokens: "tokens in", cached_tokens: "of these from its cache", output_tokens: "tokens out", reasoning_tokens: "of these for thinking", total_tokens: "tokens", cost_usd: "cost",
});

/** @typedef {{at: number, tokens: number, cost: number}} Turn when it ended, and what it added to what was used */

/** What each turn has used, the one that runs included. @param {any[]} events @returns {Turn[]} */
function turnsOf(events) {
  /** @type {Turn[]} */
  const turns = [];
  let before = { tokens: 0, cost: 0 }, turn = /** @type {Turn | null} */ (null);
  for (const { event, ts_ms: at, data } of events) {
    if (event !== "usage") { turn = null; continue; }  // a turn is over
    if (!turn) turns.push(turn = { at, tokens: 0, cost: 0 });
    const now = { tokens: number(data?.total_tokens) || number(data?.input_tokens) + number(data?.output_tokens), cost: number(data?.cost_usd) };
    turn.at = at;
    turn.tokens += Math.max(0, now.tokens - before.tokens);
    turn.cost += Math.max(0, now.cost - before.cost);
    before = now;
  }
  return turns.filter(({ tokens, cost }) => tokens || cost);
}

/** Attached agents say any. @param {unknown} value */
const number = (value) => (typeof value === "number" ? value : 0);

/** @param {{turns: Turn[]}} props */
function Turns({ turns }) {
  if (turns.length < 2) return null;
  /** @type {(words: string, value: (turn: Turn) => number, say: (value: number) => string) => any} */
  const plot = (words, value, say) => {
    const most = `${say(Math.max(...turns.map(value)))} at the most`;
    return h(Plot, { label: `${words}, ${most}`, caption: html`<b>${words}</b>, ${most}`, bars: turns.map((turn, at) => ({ key: `${turn.at} ${at}`, value: value(turn), words: `${clock(turn.at)}: ${say(value(turn))}` })) });
  };
  return html`<div class="plots">${plot("Tokens a turn", (turn) => turn.tokens, (value) => `${count(value)} tokens`)}
    ${turns.some(({ cost }) => cost > 0) && plot("Cost a turn", (turn) => turn.cost, dollars)}</div>`;
}

/** How full the context was at each report. @param {{reports: any[]}} props */
function Context({ reports }) {
  const known = reports.filter(({ data }) => number(data?.context_window) > 0 && number(data?.message?.input_tokens) > 0);
  if (known.length < 2) return null;
  const share = (/** @type {any} */ { data }) => data.message.input_tokens / data.context_window;
  const most = `${Math.round(100 * Math.max(...known.map(share)))} % at the most`;
  return h(Plot, { top: 1, label: `How full its context was, ${most}`, caption: html`<b>How full its context was</b>, ${most}`, bars: known.map((report) => ({ key: report.seq, value: share(report), words: `${clock(report.ts_ms)}: ${Math.round(100 * share(report))} %` })) });
}
