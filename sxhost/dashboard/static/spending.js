// @ts-check
// What agents have used, as the host's ledger has it: told by them, estimated from prices, or unknown.
import { get } from "./api.js";
import { sentence } from "./approval.js";
import { Figures, useSamples } from "./figures.js";
import { h, html, useEffect, useSignal, useState } from "./dom.js";
import { age, count, dollars, oneLine } from "./format.js";
import { me } from "./state.js";

/** Rows of a table, minutes that are "now", and milliseconds between two looks. */
const MOST = 50, RECENT = 15, AGAIN = 30_000, DAY = 86_400_000;

const BY = ["session", "project", "model", "agent", "day"];

/** Since when: as a person says it, and in milliseconds. @type {Record<string, () => number>} */
const SINCE = {
  "today": () => new Date().setHours(0, 0, 0, 0),
  "seven days": () => Date.now() - 7 * DAY,
  "thirty days": () => Date.now() - 30 * DAY,
  "all that is kept": () => 0,
};

/** @typedef {{name: string, title: string, input_tokens: number, cached_tokens: number, cache_write_tokens: number, output_tokens: number, total_tokens: number, cost_usd: string | null, estimated_usd: string, unpriced_tokens: number}} Group what some entries have used together */

/** What was used, again every while. @param {string} by @param {string} since @returns {[any, string]} the report, and why there is none */
function useReport(by, since) {
  const [report, setReport] = useState(/** @type {any} */ (null));
  const [why, setWhy] = useState("");
  useEffect(() => {
    let wanted = true;
    const look = () => get(`usage?by=${by}&since_ms=${SINCE[since]()}&limit=${MOST}`).then((found) => wanted && setReport(found), (error) => wanted && setWhy(sentence(error)));
    look();
    const timer = setInterval(look, AGAIN);
    return () => { wanted = false; clearInterval(timer); };
  }, [by, since]);
  return [report, why];
}

export function Spending() {
  const identity = useSignal(me);
  if (!identity) return null;
  if (identity.session) return html`<section class="spending"><h1>Usage</h1><p>This login is for one session: <a href=${`#/s/${encodeURIComponent(identity.session)}/usage`}>what it has used</a>.</p></section>`;
  return html`<section class="spending"><h1>Usage</h1>${h(Now, null)}${h(Report, null)}${h(Figures, { only: USAGE })}</section>`;
}

const USAGE = ["Tokens", "Cost"];

/** @param {{name: string, value: string, of: string[], change: (value: string) => void}} props */
function Choice({ name, value, of, change }) {
  return html`<label>${name} <select aria-label=${name} value=${value} onChange=${(/** @type {any} */ event) => change(event.target.value)}>${of.map((each) => html`<option key=${each} value=${each}>${each}</option>`)}</select></label>`;
}

function Report() {
  const [by, setBy] = useState("agent");
  const [since, setSince] = useState("seven days");
  const [report, why] = useReport(by, since);
  return html`<div class="decisions">${h(Choice, { name: "By", value: by, of: BY, change: setBy })} ${h(Choice, { name: "Since", value: since, of: Object.keys(SINCE), change: setSince })}</div>
    ${!report ? html`<p class="empty">${why || "Looking for what was used…"}</p>`
    : report.groups.length === 0 ? html`<p class="empty">No agent has told of anything it used.</p>`
    : h(Table, { report })}`;
}

/** What something costs: told, estimated (~), or unknown. @param {{group: Group}} props */
function Cost({ group }) {
  const { cost_usd: cost, estimated_usd: estimated, unpriced_tokens: unpriced } = group;
  if (cost === null) return html`<span class="dim">unknown</span>`;
  return html`${Number(estimated) > 0 && "~"}${dollars(Number(cost))}${unpriced > 0 && html` <span class="dim">+ ${count(unpriced)} tokens without a price</span>`}`;
}

/** @param {{report: {by: string, groups: Group[], omitted: number, total: Group, unpriced_models: string[], prices: string}}} props */
function Table({ report }) {
  const { by, groups, omitted, total, unpriced_models: unpriced, prices } = report;
  const cells = (/** @type {Group} */ group) => html`<td>${count(group.input_tokens + group.cached_tokens + group.cache_write_tokens)}</td><td>${count(group.output_tokens)}</td><td>${h(Cost, { group })}</td>`;
  const named = (/** @type {Group} */ { name, title }) => (by === "session" && name ? html`<a href=${`#/s/${encodeURIComponent(name)}/usage`}>${oneLine(title || name, 80)}</a>` : oneLine(name, 80) || "not told");
  return html`<div class="scrolls" tabindex="0" role="region" aria-label="What was used"><table class="sums">
    <thead><tr><th>${by}</th><th>tokens in</th><th>tokens out</th><th>cost</th></tr></thead>
    <tbody>${groups.map((group) => html`<tr key=${group.name}><th scope="row">${named(group)}</th>${cells(group)}</tr>`)}</tbody>
    <tfoot><tr><th scope="row">all</th>${cells(total)}</tr></tfoot></table></div>
    ${omitted > 0 && html`<p class="dim">and ${omitted} more, which are in the sum</p>`}
    ${Number(total.estimated_usd) > 0 && html`<p class="dim">~ by the prices of ${oneLine(prices, 200)}</p>`}
    ${unpriced.length > 0 && html`<p class="dim">Without a price, so unknown: ${unpriced.map((name) => oneLine(name, 60)).join(", ")}</p>`}`;
}

/** What is being used now: tokens a minute. */
function Now() {
  const samples = useSamples().slice(-RECENT - 1);
  if (samples.length < 2) return html`<p class="dim">What is used a minute is told once the host runs for two.</p>`;
  const first = samples[0], last = samples[samples.length - 1];
  const lasted = last.at_ms - first.at_ms;
  return html`<p><b>${count((60_000 * (last.tokens - first.tokens)) / lasted)}</b> tokens a minute <span class="dim">in the last ${age(1000 * Math.round(lasted / 1000)).replace(/^1 /, "")}</span></p>`;
}
