// @ts-check
// All changes of files in a session's conversation, as far as it is kept.
import { get, path } from "./api.js";
import { Diff } from "./diff.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock, oneLine } from "./format.js";

/** Pages of a conversation that are looked through at the most. */
const PAGES = 20;

/** @param {{id: string, newest: number}} props */
export function Changes({ id, newest }) {
  const [items, setItems] = useState(/** @type {any[] | null} */ (null));
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(async () => {
      const found = await changes(id).catch(() => []);
      if (wanted) setItems(found);
    }, 300);
    return () => { wanted = false; clearTimeout(timer); };
  }, [id, newest]);
  return html`<div class="log" tabindex="0">
    ${items === null && html`<p class="empty">Looking for changes…</p>`}
    ${items?.length === 0 && html`<p class="empty">No file was changed, as far as its agent says.</p>`}
    ${items?.map((item) => html`<details key=${item.seq} open><summary><b>${oneLine(item.path || item.title || item.tool || "changes", 160)}</b> <span class="dim">${clock(item.ts_ms)} ${size(item.diff)}</span></summary>${h(Diff, { diff: item.diff })}</details>`)}</div>`;
}

/** The items of a session that have a diff, oldest first. @param {string} id */
async function changes(id) {
  const found = [];
  let before = /** @type {number | null} */ (Number.MAX_SAFE_INTEGER);
  for (let page = 0; before !== null && page < PAGES; page++) {
    const part = await get(`${path`sessions/${id}/transcript`}?before=${Math.min(before, 1e15)}&limit=500`);
    found.unshift(...part.items.filter((/** @type {any} */ item) => item.diff));
    before = part.before;
  }
  return found;
}

/** @param {string} diff */
function size(diff) {
  const lines = diff.split("\n");
  const added = lines.filter((line) => line.startsWith("+") && !line.startsWith("+++")).length;
  const removed = lines.filter((line) => line.startsWith("-") && !line.startsWith("---")).length;
  return `+${added} −${removed}`;
}
