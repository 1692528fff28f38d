// @ts-check
// The host over time: what happened, who worked, what was spent.
import { get } from "./api.js";
import { h, html, useEffect, useState } from "./dom.js";
import { age, clock, count, dollars } from "./format.js";
import { Plot } from "./plot.js";

/** Bars of a plot, and milliseconds between two looks. */
const BARS = 60, AGAIN = 60_000;

/** @typedef {{at_ms: number, events: number, sessions: number, working: number, waiting: number, tokens: number, cost_usd: number}} Sample */

/** The host's samples, again each minute. */
export function useSamples() {
  const [samples, setSamples] = useState(/** @type {Sample[]} */ ([]));
  useEffect(() => {
    const look = () => get("history").then((found) => setSamples(found.samples), () => {});
    look();
    const timer = setInterval(look, AGAIN);
    return () => clearInterval(timer);
  }, []);
  return samples;
}

/** @param {{only?: string[]}} props the plots that are wanted, else all */
export function Figures({ only }) {
  const samples = useSamples();
  if (samples.length < 2) return html`<h2>Over time</h2><p class="dim">The host takes a sample each minute; plots come once there are two.</p>`;
  const spans = together(samples);
  const since = `since ${clock(spans[0].from)}, ${age(1000 * Math.round((spans[spans.length - 1].until - spans[spans.length - 1].from) / 1000))} a bar`;
  const last = samples[samples.length - 1];
  /** @type {(words: string, value: (span: Span) => number, say: (value: number) => string, sum: string) => any} */
  const plot = (words, value, say, sum) => (!only || only.includes(words)) && h(Plot, {
    label: `${words}, ${since}: ${sum}`, caption: html`<b>${words}</b> ${sum}`,
    bars: spans.map((span) => ({ key: span.from, value: value(span), words: `${clock(span.from)}: ${say(value(span))}` })),
  });
  const events = sumOf(spans, ({ events: added }) => added), tokens = sumOf(spans, ({ tokens: added }) => added);
  return html`<h2>Over time <span class="dim">${since}</span></h2><div class="plots">
    ${plot("Events", (span) => span.events, (value) => `${count(value)} events`, `${count(events)} in all`)}
    ${plot("Sessions at work", (span) => span.working, (value) => `${value} worked at once`, `${last.working} now, of ${last.sessions}`)}
    ${plot("Sessions that waited", (span) => span.waiting, (value) => `${value} waited at once`, `${last.waiting} now`)}
    ${tokens > 0 && plot("Tokens", (span) => span.tokens, (value) => `${count(value)} tokens`, `${count(tokens)} in all`)}
    ${last.cost_usd > samples[0].cost_usd && plot("Cost", (span) => span.cost, dollars, `${dollars(sumOf(spans, ({ cost }) => cost))} in all, as far as agents tell`)}</div>`;
}

/** @typedef {{from: number, until: number, events: number, working: number, waiting: number, tokens: number, cost: number}} Span what was added in a while, and the most that there was */

/** Samples as spans of the same length, of which a plot has room for all. @param {Sample[]} samples @returns {Span[]} */
function together(samples) {
  const each = Math.ceil((samples.length - 1) / BARS);
  const spans = [];
  for (let at = samples.length - 1; at > 0; at -= each) {
    const within = samples.slice(Math.max(0, at - each), at + 1);
    const first = within[0], last = within[within.length - 1];
    spans.unshift({
      from: first.at_ms, until: last.at_ms,
      events: last.events - first.events, tokens: last.tokens - first.tokens, cost: last.cost_usd - first.cost_usd,
      working: Math.max(...within.slice(1).map(({ working }) => working)), waiting: Math.max(...within.slice(1).map(({ waiting }) => waiting)),
    });
  }
  return spans;
}

/** @param {Span[]} spans @param {(span: Span) => number} value */
const sumOf = (spans, value) => spans.reduce((sum, span) => sum + value(span), 0);
