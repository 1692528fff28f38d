// @ts-check
// A session's events as they are in the log, newest last.
import { get, path } from "./api.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock, gist } from "./format.js";
import { Block } from "./text.js";

/** Events that are shown more each time; those that are looked through for some types alone. */
const PAGE = 200, SEARCHED = 10_000;

/** @param {{id: string, newest: number}} props */
export function Events({ id, newest }) {
  const [events, setEvents] = useState(/** @type {any[] | null} */ (null));
  const [most, setMost] = useState(PAGE);
  const [types, setTypes] = useState("");
  const from = types ? 0 : Math.max(0, newest - most);
  useEffect(() => {
    const query = new URLSearchParams({ after: String(from), limit: String(types ? SEARCHED : most), ...(types && { types }) });
    const timer = setTimeout(() => get(`${path`sessions/${id}/events`}?${query}`).then(setEvents, () => setEvents([])), 200);
    return () => clearTimeout(timer);
  }, [id, newest, from, types]);
  const shown = events?.slice(-most);
  const names = [...new Set(events?.map(({ event }) => event))];
  return html`<div class="log" tabindex="0">
    <p><input placeholder="only tool-start,error" aria-label="Only these events" list="event-types" value=${types} onInput=${(/** @type {any} */ event) => setTypes(event.target.value.replace(/\s+/g, ""))} /></p>
    <datalist id="event-types">${names.map((name) => html`<option key=${name} value=${name}></option>`)}</datalist>
    ${(from > 0 || (events?.length || 0) > most) && html`<button class="quiet" onClick=${() => setMost(most + PAGE)}>Older</button>`}
    ${events?.length === 0 && html`<p class="empty">No such event is kept.</p>`}
    ${shown?.map((event) => html`<details key=${event.seq} class="call"><summary class="event"><span class="dim">${event.seq}</span><span class="dim">${clock(event.ts_ms)}</span><b>${event.event}</b><span class="dim">${gist(event.data)}</span></summary>${h(Block, { text: JSON.stringify(event.data, null, 2) })}</details>`)}</div>`;
}
