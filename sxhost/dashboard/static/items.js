// @ts-check
// The items of a conversation, as elements.
import { get, path } from "./api.js";
import { Approval } from "./approval.js";
import { Diff } from "./diff.js";
import { h, html, memo, useEffect, useSignal, useState } from "./dom.js";
import { clock, duration, oneLine } from "./format.js";
import { approvals } from "./state.js";
import { Block, Given, Growing, Words } from "./text.js";

/** One item; what its subagents did is under it. @param {{node: import("./steps.js").Node, aimed?: number}} props */
export const Item = memo(({ node, aimed = 0 }) => {
  const { item, inner, run } = node;
  const element = KINDS[item.kind] || KINDS.event;
  const here = aimed >= item.seq && aimed <= (item.last || item.seq);
  return html`<div class=${`item ${run ? "run" : item.kind}${item.parent ? " inner" : ""}${here ? " aimed" : ""}`} id=${`e${item.seq}`} data-seq=${item.seq}>
    <a class="at dim" href=${`#/s/${encodeURIComponent(item.session || "")}/e${item.seq}`} title=${`event ${item.seq}: a link to it`}>${clock(item.ts_ms)}</a>
    <div class="body">${run ? h(Run, { nodes: run, aimed }) : element(item)}${inner.length > 0 && h(Inner, { nodes: inner, aimed, open: item.status === "running" })}</div></div>`;
});

/** Finished tools, one after the other, as one line. @param {{nodes: import("./steps.js").Node[], aimed: number}} props */
function Run({ nodes, aimed }) {
  const [open, setOpen] = useState(nodes.some((node) => node.item.seq <= aimed && aimed <= (node.item.last || node.item.seq)));
  const bad = nodes.filter(({ item }) => item.status && item.status !== "completed").length;
  const first = nodes[0].item, last = nodes[nodes.length - 1].item;
  return html`<details class="call" data-tool open=${open} onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary>
      <span class=${`sign ${bad ? "failed" : "completed"}`}>${bad ? "✗" : "✓"}</span><span>${nodes.length} tools (${counted(nodes)})</span>
      <span class="dim">${bad > 0 && `${bad} failed · `}${lasted((last.end_ms || last.ts_ms) - first.ts_ms)}</span></summary>
    ${open && nodes.map((node) => h(Item, { key: node.item.seq, node, aimed }))}</details>`;
}

/** How long something took; nothing if that was no time at all. @param {number} ms */
const lasted = (ms) => (ms < 100 ? "" : duration(ms));

/** What a subagent did. @param {{nodes: import("./steps.js").Node[], aimed: number, open: boolean}} props */
function Inner({ nodes, aimed, open }) {
  const [shown, show] = useState(open || nodes.some(({ item }) => item.seq === aimed));
  const last = nodes[nodes.length - 1].item;
  return html`<details class="subagent" open=${shown} onToggle=${(/** @type {any} */ event) => { event.stopPropagation(); show(event.target.open); }}>
    <summary class="dim">its agent: ${nodes.length} ${nodes.length === 1 ? "step" : "steps"}, last ${oneLine(last.title || last.text || last.kind, 80)}</summary>
    ${shown && nodes.map((node) => h(Item, { key: node.item.seq, node, aimed }))}</details>`;
}

/** Which tools, and how often each. @param {import("./steps.js").Node[]} nodes */
function counted(nodes) {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const { item } of nodes) times.set(item.tool || "tool", (times.get(item.tool || "tool") || 0) + 1);
  return [...times].map(([tool, count]) => (count > 1 ? `${oneLine(tool, 30)} ${count}` : oneLine(tool, 30))).join(", ");
}

/** @type {Record<string, (item: any) => any>} */
const KINDS = {
  user: (item) => html`<div class="said">${h(Words, { text: item.images ? beside(item) : item.text || "" })}${item.images && h(Shown, { item })}</div>`,
  message: (item) => html`${item.status === "running" ? h(Growing, { text: item.text || "" }) : h(Prose, { text: item.text || "" })}
    ${item.images && h(Shown, { item })}
    ${item.status === "cut" && html`<p class="dim">cut off here</p>`}`,
  thinking: (item) => html`<details class="reasoning"><summary><b>Thinking</b>${item.status === "running" ? "…" : ""} <span class="dim">${oneLine(item.text || "", 80)}</span></summary>${h(Block, { text: item.text || "" })}</details>`,
  tool: (item) => h(Tool, { item }),
  plan: (item) => html`<ul class="plan">${(item.entries || []).map((/** @type {any} */ entry, /** @type {number} */ at) => html`<li key=${at} class=${entry.status}>${MARKS[entry.status] || "☐"} ${h(Words, { text: String(entry.content ?? "") })}</li>`)}</ul>`,
  diff: (item) => html`<details><summary>Changes ${item.path}</summary>${h(Diff, { diff: item.diff || "" })}</details>`,
  approval: (item) => h(Question, { item }),
  compact: () => html`<p class="mark">The conversation was shortened here.</p>`,
  gap: (item) => html`<p class="notice">Events ${item.seq} to ${item.last} are not kept any more: they went while this page had no link.</p>`,
  end: (item) => html`<p class=${`mark ${item.status}`}>${ENDS[item.status || "completed"] || item.status}${item.text && html`: ${h(Words, { text: item.text })}`}</p>`,
  note: (item) => html`<p class="mark">${item.title} ${item.text && h(Words, { text: item.text })}</p>`,
  event: (item) => html`<p class="mark">${item.title || item.kind} ${item.text && h(Words, { text: oneLine(item.text, 300) })}</p>`,
};

const MARKS = /** @type {Record<string, string>} */ ({ completed: "☑", in_progress: "▶", inProgress: "▶" });
const ENDS = /** @type {Record<string, string>} */ ({ completed: "Turn complete", failed: "Turn failed", interrupted: "Turn interrupted", cut: "Turn cut off" });
const SIGNS = /** @type {Record<string, string>} */ ({ running: "●", completed: "✓", failed: "✗", declined: "⊘", cut: "…", interrupted: "■" });

/** Prose, as Markdown once that part of the page has come. @param {{text: string}} props */
function Prose({ text }) {
  const [Markdown, set] = useState(() => loaded);
  useEffect(() => { if (!Markdown) markdown().then((found) => set(() => found), () => {}); }, [Markdown]);
  return Markdown ? h(Markdown, { text }) : html`<div class="unset">${h(Words, { text })}</div>`;
}

/** The words beside pictures that are shown: not those which only say that there are some. @param {any} item */
const beside = ({ text = "", images }) => images.reduce((/** @type {string} */ words) => words.replace(/^\[image\]\n?|\n\[image\](?=\n|$)/, ""), text);

/** Pictures, once that part of the page has come. @param {{item: any}} props */
function Shown({ item }) {
  const [Pictures, set] = useState(/** @type {any} */ (null));
  useEffect(() => { import("./pictures.js").then((found) => set(() => found.Pictures), () => {}); }, []);
  return Pictures && h(Pictures, { item });
}

/** @type {any} */
let loaded = null;
const markdown = async () => (loaded = (await import("./markdown.js")).Markdown);

/** @param {{item: any}} props */
function Tool({ item: told }) {
  const [whole, setWhole] = useState(/** @type {any} */ (null));
  const [open, setOpen] = useState(false);
  const item = whole?.last === told.last ? whole : told;
  const given = item.input && Object.keys(item.input).length ? item.input : null;
  const took = item.end_ms && item.status !== "running" ? lasted(item.end_ms - item.ts_ms) : "";
  const status = item.status || "completed";
  const read = () => get(`${path`sessions/${item.session}/transcript`}?after=${item.seq - 1}&limit=1`).then((page) => {
    if (page.items[0]?.seq === item.seq) setWhole({ ...page.items[0], session: item.session, last: item.last });
  }, () => {});
  return html`<details class="call" data-tool open=${open} onToggle=${(/** @type {any} */ event) => { event.stopPropagation(); setOpen(event.target.open); }}><summary><span class=${`sign ${status}`}>${SIGNS[status] || ""}</span>
      ${titled(item)}<span class="dim">${item.exit_code ? `exit ${item.exit_code} ` : ""}${took}</span></summary>
    ${open && html`${given && h(Given, { given })}
    ${item.diff && h(Diff, { diff: item.diff })}
    ${item.text && h(Block, { text: item.text })}
    ${item === told && isShort(item) && html`<button class="quiet" onClick=${read}>this is shortened: show it whole</button>`}`}</details>${item.images && h(Shown, { item })}`;
}

/** The title of a call: its tool, and what it does. @param {any} item */
function titled({ title, tool }) {
  if (!tool || !title?.startsWith(`${tool}: `)) return html`<span>${oneLine(title || tool || "a tool", 200)}</span>`;
  return html`<span><b>${oneLine(tool, 40)}</b>: <code>${oneLine(title.slice(tool.length + 2), 200)}</code></span>`;
}

/** Whether the host has cut a call's input or output. @param {any} item */
const isShort = (item) => /… \(\d+ characters more\)/.test(`${item.text || ""}${typeof item.input === "string" ? item.input : ""}`);

/** @param {{item: any}} props */
function Question({ item }) {
  const asked = item.approval;
  const all = useSignal(approvals);
  const open = asked && all.find((each) => each.id === asked.id && each.session === asked.session);
  if (open) return h(Approval, { approval: open });
  const { decision = item.status, by = "", reason = "" } = asked?.resolution || {};
  return html`<p class="mark">Asked: ${oneLine(item.title || asked?.title || "", 160)} · <b>${decision}</b>${by && ` by ${by === "own" ? "you" : by}`}${reason && `: ${oneLine(reason, 200)}`}</p>`;
}
