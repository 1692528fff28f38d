// @ts-check
// What agents say, as text: never markup, nothing hidden.
import { h, html, useMemo, useState } from "./dom.js";
import { pieces, count } from "./format.js";

/** A text whose hidden characters are shown by their names. @param {{text: string}} props */
export function Words({ text }) {
  return useMemo(() => pieces(text).map((piece, at) => ("seen" in piece
    ? piece.seen
    : html`<span key=${at} class="hidden-character" title="a character that cannot be seen">${piece.hidden}</span>`)), [text]);
}

/** Lines of a growing text that are drawn anew together. */
const TOGETHER = 24;

/** A text that grows: only its last lines are drawn anew. @param {{text: string}} props */
export function Growing({ text }) {
  const lines = text.split("\n");
  const blocks = Array.from({ length: Math.ceil(lines.length / TOGETHER) }, (_, at) => lines.slice(at * TOGETHER, (at + 1) * TOGETHER).join("\n"));
  return html`<div class="growing">${blocks.map((block, at) => html`<${Lines} key=${at} text=${block} open=${at === blocks.length - 1} />`)}</div>`;
}

/** @param {{text: string, open: boolean}} props */
function Lines({ text, open }) {
  return useMemo(() => html`<div>${h(Words, { text })}${open && html`<span class="caret">▌</span>`}</div>`, [text, open]);
}

const HEAD = 8192, TAIL = 4096;

/** Characters of a part of a long text: a browser lays out only those parts that are seen. */
const CHUNK = 16_384;

/** A long text in parts, cut at ends of lines where there are any. @param {string} text */
function chunks(text) {
  const found = [];
  for (let from = 0; from < text.length;) {
    const line = text.lastIndexOf("\n", from + CHUNK);
    const end = text.length - from <= CHUNK ? text.length : line > from ? line + 1 : from + CHUNK;
    found.push(text.slice(from, end).replace(/\n$/, ""));
    from = end;
  }
  return found;
}

/** A long text, of which the middle is shown on demand, or at once as a `whole`. @param {{text: string, whole?: boolean}} props */
export function Block({ text, whole: all = false }) {
  const [whole, open] = useState(all);
  const parts = useMemo(() => (whole ? chunks(text) : []), [whole, text]);
  if (text.length <= HEAD + TAIL) return html`<pre class="block">${h(Words, { text })}</pre>`;
  if (whole) return html`<div class="chunks">${parts.map((part, at) => html`<pre key=${at} class="block chunk">${h(Words, { text: part })}</pre>`)}</div>`;
  const missing = text.length - HEAD - TAIL;
  return html`<pre class="block">${h(Words, { text: text.slice(0, HEAD) })}</pre>
    <button class="quiet" onClick=${() => open(true)}>${count(missing)} characters more: show all</button>
    <pre class="block">${h(Words, { text: text.slice(-TAIL) })}</pre>`;
}

/** What a tool is given: each of its arguments by its name, as it is. @param {{given: any, whole?: boolean}} props */
export function Given({ given, whole = false }) {
  const entries = Object.entries(isFields(given) ? given : { command: given });
  if (entries.length === 1 && entries[0][0] === "command") return h(Block, { text: written(entries[0][1]), whole });
  return html`<dl class="facts">${entries.map(([name, value]) => html`<dt>${h(Words, { text: name })}</dt><dd>${isLong(written(value)) ? h(Block, { text: written(value), whole }) : h(Words, { text: written(value) })}</dd>`)}</dl>`;
}

/** Whether a value is an object with something in it. @param {unknown} value */
export const isFields = (value) => typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;

/** Whether a text is better read in a block of its own. @param {string} text */
export const isLong = (text) => text.includes("\n") || text.length > 200;

/** Any value that is no text, as one. @param {unknown} value */
export function written(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
