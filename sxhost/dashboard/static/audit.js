// @ts-check
// What was done at the host, and by whom.
import { get } from "./api.js";
import { html, useEffect, useState } from "./dom.js";
import { clock, oneLine } from "./format.js";

/** Entries that are shown. */
const MOST = 50;

/** @param {{open?: boolean}} props */
export function Audit({ open = false }) {
  const [entries, setEntries] = useState(/** @type {any[]} */ ([]));
  useEffect(() => { get(`audit?limit=${MOST}`).then((found) => setEntries(found.reverse()), () => {}); }, []);
  return html`<details open=${open}><summary>What was done</summary><ul class="plain">${entries.map((entry) => html`<li key=${entry.id}><span class="dim">${clock(entry.at_ms)}</span> ${entry.what} ${entry.session || ""} ${oneLine(entry.detail, 400)} <span class="dim">${entry.token ? `by token ${entry.token}` : ""}</span></li>`)}</ul></details>`;
}
