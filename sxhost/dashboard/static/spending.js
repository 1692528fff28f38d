// @ts-check
// What agents have used: as they tell it, or as unknown. Nothing here is computed from prices.
import { Figures, useSamples } from "./figures.js";
import { h, html, useNow, useSignal, useState } from "./dom.js";
import { titleOf } from "./board.js";
import { age, count, dollars, oneLine } from "./format.js";
import { me, sessions } from "./state.js";

/** Rows of a table; minutes that are "now". */
const MOST = 50, RECENT = 15;

/** @typedef {{name: string, to: string, sessions: number, input: number, output: number, cost: number, toldTokens: number, toldCost: number}} Sum of some sessions: what was told, and of how many */

/** @type {Record<string, [string, (session: any) => string[]]>} */
const BY = {
  session: ["session", (session) => [session.id]],
  agent: ["agent", ({ agent, kind }) => [agent || kind]],
  model: ["model", ({ model }) => [model || "not told"]],
  project: ["project", ({ project }) => [project || "none"]],
  label: ["label", ({ labels }) => Object.entries(labels).map(([name, value]) => `${name}:${value}`)],
};

/** What sessions have used, together by what they share; those that used most come first. @param {Iterable<any>} all @param {string} by @returns {Sum[]} */
function sums(all, by) {
  /** @type {Map<string, Sum>} */
  const found = new Map();
  for (const session of all) {
    for (const name of BY[by][1](session)) {
      const sum = found.get(name) || { name: by === "session" ? titleOf(session) : name, to: by === "session" ? `#/s/${encodeURIComponent(session.id)}/usage` : "", sessions: 0, input: 0, output: 0, cost: 0, toldTokens: 0, toldCost: 0 };
      found.set(name, sum);
      add(sum, session);
    }
  }
  return [...found.values()].sort((a, b) => b.cost - a.cost || b.input + b.output - a.input - a.output || a.name.localeCompare(b.name));
}

/** @param {Sum} sum @param {any} session */
function add(sum, session) {
  sum.sessions += 1;
  sum.input += session.input_tokens || 0;
  sum.output += session.output_tokens || 0;
  sum.cost += session.cost_usd || 0;
  if (session.input_tokens !== null || session.output_tokens !== null) sum.toldTokens += 1;
  if (session.cost_usd !== null) sum.toldCost += 1;
}

/** A figure with of how many sessions it is not known. @param {{value: string, told: number, of: number}} props */
function Told({ value, told, of }) {
  if (!told) return html`<span class="dim">unknown</span>`;
  return html`${value}${told < of && html` <span class="dim">+ ${of - told} unknown</span>`}`;
}

export function Spending() {
  const identity = useSignal(me);
  const all = useSignal(sessions);
  const [by, setBy] = useState("agent");
  useNow(60);
  if (!identity) return null;
  const found = sums(all.values(), by);
  return html`<section class="spending"><h1>Usage</h1>
    <p class="dim">What agents tell of themselves, since each session began, of the sessions that are kept. Where an agent tells no cost it is unknown; nothing is reckoned from prices.</p>
    ${!identity.session && h(Now, null)}
    <div class="decisions"><label>By <select aria-label="By" value=${by} onChange=${(/** @type {any} */ event) => setBy(event.target.value)}>${Object.entries(BY).map(([name, [words]]) => html`<option key=${name} value=${name}>${words}</option>`)}</select></label></div>
    ${found.length === 0 ? html`<p class="empty">${by === "label" ? "No session has a label." : "No agent has been here yet."}</p>` : h(Table, { by, found })}
    ${!identity.session && h(Figures, { only: USAGE })}</section>`;
}

const USAGE = ["Tokens", "Cost"];

/** @param {{by: string, found: Sum[]}} props */
function Table({ by, found }) {
  const whole = found.reduce((sum, each) => ({ ...sum, sessions: sum.sessions + each.sessions, input: sum.input + each.input, output: sum.output + each.output, cost: sum.cost + each.cost, toldTokens: sum.toldTokens + each.toldTokens, toldCost: sum.toldCost + each.toldCost }), { ...found[0], name: "all", to: "", sessions: 0, input: 0, output: 0, cost: 0, toldTokens: 0, toldCost: 0 });
  const row = (/** @type {Sum} */ sum) => html`
    ${by !== "session" && html`<td class="wide">${sum.sessions}</td>`}<td>${h(Told, { value: count(sum.input), told: sum.toldTokens, of: sum.sessions })}</td>
    <td>${sum.toldTokens ? count(sum.output) : ""}</td><td>${h(Told, { value: dollars(sum.cost), told: sum.toldCost, of: sum.sessions })}</td>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label="What was used"><table class="sums">
    <thead><tr><th>${BY[by][0]}</th>${by !== "session" && html`<th class="wide">sessions</th>`}<th>tokens in</th><th>tokens out</th><th>cost</th></tr></thead>
    <tbody>${found.slice(0, MOST).map((sum) => html`<tr key=${sum.to || sum.name}><th scope="row">${sum.to ? html`<a href=${sum.to}>${oneLine(sum.name, 80)}</a>` : oneLine(sum.name, 80)}</th>${row(sum)}</tr>`)}</tbody>
    ${by !== "label" && html`<tfoot><tr><th scope="row">all</th>${row(whole)}</tr></tfoot>`}</table></div>
    ${found.length > MOST && html`<p class="dim">and ${found.length - MOST} more, which used less</p>`}`;
}

/** What is being used now: tokens and dollars a minute. */
function Now() {
  const samples = useSamples().slice(-RECENT - 1);
  if (samples.length < 2) return html`<p class="dim">What is used a minute is told once the host runs for two.</p>`;
  const first = samples[0], last = samples[samples.length - 1];
  const minutes = (last.at_ms - first.at_ms) / 60_000;
  const tokens = (last.tokens - first.tokens) / minutes, cost = (last.cost_usd - first.cost_usd) / minutes;
  return html`<dl class="facts"><dt>in the last ${age(1000 * Math.round((last.at_ms - first.at_ms) / 1000))}</dt><dd>${count(tokens)} tokens a minute${cost > 0 ? `, ${dollars(cost)} a minute` : tokens > 0 ? "; no cost was told" : ""}</dd>
    <dt>since the host's start</dt><dd>${count(last.tokens)} tokens${last.cost_usd > 0 ? `, ${dollars(last.cost_usd)} as far as agents tell` : ""}</dd></dl>`;
}
