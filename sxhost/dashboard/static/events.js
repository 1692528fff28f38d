// @ts-check
// A session's events as they are in the log, newest last.
import { get, path } from "./api.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock } from "./format.js";
import { Block } from "./text.js";

const PAGE = 200;

/** @param {{id: string, newest: number}} props */
export function Events({ id, newest }) {
  const [events, setEvents] = useState(/** @type {any[] | null} */ (null));
  const [from, setFrom] = useState(Math.max(0, newest - PAGE));
  const [types, setTypes] = useState("");
  useEffect(() => {
    const query = new URLSearchParams({ after: String(from), limit: "1000", ...(types && { types }) });
    const timer = setTimeout(() => get(`${path`sessions/${id}/events`}?${query}`).then(setEvents, () => setEvents([])), 200);
    return () => clearTimeout(timer);
  }, [id, newest, from, types]);
  return html`<div class="log" tabindex="0">
    <p><input placeholder="only these events, such as tool-start,error" aria-label="Only these events" value=${types} onInput=${(/** @type {any} */ event) => setTypes(event.target.value.replace(/\s+/g, ""))} /></p>
    ${from > 0 && html`<button class="quiet" onClick=${() => setFrom(Math.max(0, from - PAGE))}>Older</button>`}
    ${events?.length === 0 && html`<p class="empty">No such event is kept.</p>`}
    ${events?.map((event) => html`<details key=${event.seq} class="call"><summary><span class="dim">${event.seq} ${clock(event.ts_ms)}</span> <b>${event.event}</b></summary>${h(Block, { text: JSON.stringify(event.data, null, 2) })}</details>`)}</div>`;
}
