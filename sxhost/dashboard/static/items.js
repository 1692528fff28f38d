// @ts-check
// The items of a conversation, as elements.
import { Approval } from "./approval.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock, duration, oneLine } from "./format.js";
import { approvals } from "./state.js";
import { Block, Diff, Growing, Words, written } from "./text.js";

/** @param {{item: any}} props */
export function Item({ item }) {
  const element = KINDS[item.kind] || KINDS.event;
  return html`<div class=${`item ${item.kind}${item.parent ? " inner" : ""}`} id=${`e${item.seq}`} data-seq=${item.seq}>
    <a class="at dim" href=${`#/s/${encodeURIComponent(item.session || "")}`} title=${`event ${item.seq}`} onClick=${(/** @type {Event} */ event) => event.preventDefault()}>${clock(item.ts_ms)}</a>
    <div class="body">${element(item)}</div></div>`;
}

/** @type {Record<string, (item: any) => any>} */
const KINDS = {
  user: (item) => html`<div class="said">${h(Words, { text: item.text || "" })}</div>`,
  message: (item) => html`${item.status === "running" ? h(Growing, { text: item.text || "" }) : h(Prose, { text: item.text || "" })}
    ${item.status === "cut" && html`<p class="dim">cut off here</p>`}`,
  thinking: (item) => html`<details class="reasoning"><summary>Thinking${item.status === "running" ? "…" : ""} <span class="dim">${oneLine(item.text || "", 80)}</span></summary>${h(Block, { text: item.text || "" })}</details>`,
  tool: (item) => h(Tool, { item }),
  plan: (item) => html`<ul class="plan">${(item.entries || []).map((/** @type {any} */ entry, /** @type {number} */ at) => html`<li key=${at} class=${entry.status}>${MARKS[entry.status] || "☐"} ${h(Words, { text: String(entry.content ?? "") })}</li>`)}</ul>`,
  diff: (item) => html`<details><summary>Changes ${item.path}</summary>${h(Diff, { diff: item.diff || "" })}</details>`,
  approval: (item) => h(Question, { item }),
  compact: () => html`<p class="mark">The conversation was shortened here.</p>`,
  end: (item) => html`<p class=${`mark ${item.status}`}>${ENDS[item.status || "completed"] || item.status}${item.text && html`: ${h(Words, { text: item.text })}`}</p>`,
  note: (item) => html`<p class="mark">${item.title} ${item.text && h(Words, { text: item.text })}</p>`,
  event: (item) => html`<p class="mark">${item.title || item.kind} ${item.text && h(Words, { text: oneLine(item.text, 300) })}</p>`,
};

const MARKS = /** @type {Record<string, string>} */ ({ completed: "☑", in_progress: "▶", inProgress: "▶" });
const ENDS = /** @type {Record<string, string>} */ ({ completed: "Turn complete", failed: "Turn failed", interrupted: "Turn interrupted", cut: "Turn cut off" });
const SIGNS = /** @type {Record<string, string>} */ ({ running: "▶", completed: "✓", failed: "✗", declined: "⊘", cut: "…", interrupted: "■" });

/** Prose, as Markdown once that part of the page has come. @param {{text: string}} props */
function Prose({ text }) {
  const [Markdown, set] = useState(() => loaded);
  useEffect(() => { if (!Markdown) markdown().then((found) => set(() => found)); }, [Markdown]);
  return Markdown ? h(Markdown, { text }) : html`<div class="unset">${h(Words, { text })}</div>`;
}

/** @type {any} */
let loaded = null;
const markdown = async () => (loaded = (await import("./markdown.js")).Markdown);

/** @param {{item: any}} props */
function Tool({ item }) {
  const given = item.input && Object.keys(item.input).length ? item.input : null;
  const took = item.end_ms && item.status !== "running" ? duration(item.end_ms - item.ts_ms) : "";
  const status = item.status || "completed";
  return html`<details class="call" data-tool><summary><span class=${`sign ${status}`}>${SIGNS[status] || ""}</span>
      <span>${oneLine(item.title || item.tool || "a tool", 200)}</span><span class="dim">${item.exit_code ? `exit ${item.exit_code} ` : ""}${took}</span></summary>
    ${given && h(Block, { text: given.command && Object.keys(given).length === 1 ? written(given.command) : written(given) })}
    ${item.diff && h(Diff, { diff: item.diff })}
    ${item.text && h(Block, { text: item.text })}</details>`;
}

/** @param {{item: any}} props */
function Question({ item }) {
  const asked = item.approval;
  const open = asked && approvals.value.find((each) => each.id === asked.id && each.session === asked.session);
  if (open) return h(Approval, { approval: open });
  const { decision = item.status, by = "", reason = "" } = asked?.resolution || {};
  return html`<p class="mark">Asked: ${oneLine(item.title || asked?.title || "", 160)} · <b>${decision}</b>${by && ` by ${by === "own" ? "you" : by}`}${reason && `: ${oneLine(reason, 200)}`}</p>`;
}
