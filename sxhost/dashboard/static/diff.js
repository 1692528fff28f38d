// @ts-check
// Changes of files: unified, or side by side where there is room.
import { h, html, signal, useMemo, useSignal, useState } from "./dom.js";
import { Words } from "./text.js";

const WANTED = "sxhost.diff";

/** Whether changes are shown side by side, if there is room. */
const beside = signal(localStorage.getItem(WANTED) === "beside");

/** Lines from which on a change is shown in part, and those that are shown then. */
const LONG = 400, PART = 200;

/** A change of files in the unified format; a long one in part, unless `whole`. @param {{diff: string, whole?: boolean}} props */
export function Diff({ diff, whole: all = false }) {
  const lines = useMemo(() => diff.replace(/\n$/, "").split("\n"), [diff]);
  const [whole, open] = useState(all || lines.length <= LONG);
  const shown = useMemo(() => (whole ? lines : lines.slice(0, PART)), [lines, whole]);
  const two = useSignal(beside);
  const toggle = () => { beside.value = !two; localStorage.setItem(WANTED, two ? "one" : "beside"); };
  return html`<div class="change"><button class="quiet wide" onClick=${toggle}>${two ? "unified" : "side by side"}</button>
    ${two && html`<div class="beside wide">${h(Beside, { lines: shown })}</div>`}
    <pre class=${`block diff${two ? " narrow" : ""}`}>${shown.map((line, at) => html`<span key=${at} class=${kind(line)}>${h(Words, { text: `${named(line)}\n` })}</span>`)}</pre>
    ${!whole && html`<button class="quiet" onClick=${() => open(true)}>${lines.length - PART} lines more: show all</button>`}</div>`;
}

/** @param {{lines: string[]}} props */
function Beside({ lines }) {
  const rows = useMemo(() => pairs(lines), [lines]);
  const cell = (/** @type {string | null} */ line) => html`<td class=${line === null ? "nothing" : kind(line)}>${line !== null && h(Words, { text: kind(line) === "hunk" || kind(line) === "file" ? named(line) : line.slice(1) })}</td>`;
  return html`<table><tbody>${rows.map(([before, after], at) => (before === after && before !== null && kind(before) !== ""
    ? html`<tr key=${at}><td colspan="2" class=${kind(before)}>${h(Words, { text: named(before) })}</td></tr>`
    : html`<tr key=${at}>${cell(before)}${cell(after)}</tr>`))}</tbody></table>`;
}

/** Lines that were there, each beside the one that is there now. @param {string[]} lines @returns {[string | null, string | null][]} */
function pairs(lines) {
  /** @type {[string | null, string | null][]} */
  const rows = [];
  for (let at = 0; at < lines.length;) {
    const removed = run(lines, at, "removed"), added = run(lines, at + removed.length, "added");
    for (let row = 0; row < Math.max(removed.length, added.length); row++) rows.push([removed[row] ?? null, added[row] ?? null]);
    at += removed.length + added.length;
    if (!removed.length && !added.length) { rows.push([lines[at], lines[at]]); at += 1; }
  }
  return rows;
}

/** The lines of one kind from a place on. @param {string[]} lines @param {number} from @param {string} which */
function run(lines, from, which) {
  let end = from;
  while (end < lines.length && kind(lines[end]) === which) end++;
  return lines.slice(from, end);
}

/** The path of a file in a line that names one, without what stands before one that is whole. @param {string} line */
const named = (line) => line.replace(/^(---|\+\+\+) [ab]\/(?=\/)/, "$1 ");

/** @param {string} line */
function kind(line) {
  if (/^(\+\+\+|---|diff |index )/.test(line)) return "file";
  if (line.startsWith("@@")) return "hunk";
  return line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
}
