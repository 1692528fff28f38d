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

/** A long text, of which the middle is shown on demand. @param {{text: string}} props */
export function Block({ text }) {
  const [whole, open] = useState(false);
  if (whole || text.length <= HEAD + TAIL) return html`<pre class="block">${h(Words, { text })}</pre>`;
  const missing = text.length - HEAD - TAIL;
  return html`<pre class="block">${h(Words, { text: text.slice(0, HEAD) })}</pre>
    <button class="quiet" onClick=${() => open(true)}>${count(missing)} characters more: show all</button>
    <pre class="block">${h(Words, { text: text.slice(-TAIL) })}</pre>`;
}

/** A change of files in the unified format. @param {{diff: string}} props */
export function Diff({ diff }) {
  const lines = useMemo(() => diff.replace(/\n$/, "").split("\n"), [diff]);
  const [whole, open] = useState(lines.length <= 400);
  const shown = whole ? lines : lines.slice(0, 200);
  return html`<pre class="block diff">${shown.map((line, at) => html`<span key=${at} class=${kind(line)}>${h(Words, { text: `${line}\n` })}</span>`)}</pre>
    ${!whole && html`<button class="quiet" onClick=${() => open(true)}>${lines.length - 200} lines more: show all</button>`}`;
}

/** @param {string} line */
function kind(line) {
  if (/^(\+\+\+|---|diff |index )/.test(line)) return "file";
  if (line.startsWith("@@")) return "hunk";
  return line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
}

/** Any value that is no text, as one. @param {unknown} value */
export function written(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
