// @ts-check
// What all agents do, as it happens: a line for each event, the newest first.
import { get } from "./api.js";
import { Audit } from "./audit.js";
import { titleOf } from "./board.js";
import { h, html, useEffect, useMemo, useRef, useSignal, useState } from "./dom.js";
import { clock, gist } from "./format.js";
import { link, may, me, sessions } from "./state.js";

/** Lines that are kept; events of before that are read at first; milliseconds between two draws. */
const MOST = 500, BEFORE = 60, PACE = 250;

/** Pieces of texts and outputs are no lines: what has them whole is. */
const TYPES = ["!message-delta", "!thinking-delta", "!tool-output", "!native"];

/** @typedef {{id: number, seq: number, session: string, at: number, event: string, words: string}} Line what is kept of an event */

/** @param {any} event @returns {Line} */
const lineOf = ({ id, seq, session, ts_ms: at, event, data }) => ({ id, seq, session, at, event, words: gist(data) });

/** Follows all sessions, and keeps their last lines. */
class Feed {
  /** @param {(lines: Line[], missing: boolean) => void} show */
  constructor(show) {
    this._show = show;
    /** @type {Line[]} */
    this._lines = [];
    this._missing = false;
    this._cursor = this._epoch = "";
    this._newest = 0;
    this._timer = 0;
  }

  open() {
    link.follow("activity", {
      request: () => ({ after: this._cursor || "now", types: TYPES, native: false }),
      frame: (frame) => this._frame(frame),
    });
  }

  close() {
    clearTimeout(this._timer);
    link.leave("activity");
  }

  /** @param {any} frame */
  _frame(frame) {
    if (frame.frame === "hello" && frame.epoch !== this._epoch) this._begin(frame);
    else if (frame.frame === "gap") this._missing = true;
    // Events of other subscriptions may come before this one has begun.
    if (!frame.event || !this._epoch || frame.id <= this._newest) return;
    this._newest = frame.id;
    this._cursor = `${this._epoch}:${frame.id}`;
    this._take([lineOf(frame)]);
  }

  /** Begin with a log, at first or when it is another one, and read a little of what was before. @param {{cursor: string, epoch: string}} hello */
  _begin({ cursor, epoch }) {
    this._cursor = cursor;
    this._epoch = epoch;
    this._newest = Number(cursor.split(":")[1]) || 0;
    this._lines = [];
    const query = new URLSearchParams({ after: String(Math.max(0, this._newest - BEFORE)), limit: String(BEFORE), types: TYPES.join(), native: "0" });
    get(`events?${query}`).then((events) => this._take(events.map(lineOf)), () => {});
  }

  /** @param {Line[]} lines */
  _take(lines) {
    const known = new Set(this._lines.map(({ id }) => id));
    this._lines = [...this._lines, ...lines.filter(({ id }) => !known.has(id))].sort((a, b) => a.id - b.id).slice(-MOST);
    this._timer ||= window.setTimeout(() => { this._timer = 0; this._show(this._lines, this._missing); }, PACE);
  }
}

/** The lines, which stay where they are while the pointer or the focus is among them. */
function useLines() {
  const [newest, setNewest] = useState({ lines: /** @type {Line[]} */ ([]), missing: false });
  const held = useRef(/** @type {Line[] | null} */ (null));
  const [, drawAgain] = useState(0);
  useEffect(() => {
    const feed = new Feed((lines, missing) => setNewest({ lines, missing }));
    feed.open();
    return () => feed.close();
  }, []);
  const hold = () => { held.current ||= newest.lines; };
  const settle = (/** @type {any} */ event) => {
    if (event?.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)) return;
    held.current = event ? null : newest.lines;
    drawAgain((times) => times + 1);
  };
  const lines = held.current || newest.lines;
  const last = lines.at(-1)?.id || 0;
  return { lines, missing: newest.missing, more: newest.lines.filter(({ id }) => id > last).length, hold, settle };
}

export function Activity() {
  const identity = useSignal(me);
  if (!identity) return null;
  if (identity.session) return html`<section class="spending"><h1>Activity</h1><p>This login is for one session: <a href=${`#/s/${encodeURIComponent(identity.session)}/events`}>what happens in it</a>.</p></section>`;
  return h(Lines, null);
}

function Lines() {
  const [filter, setFilter] = useState("");
  const { lines, missing, more, hold, settle } = useLines();
  const shown = useMemo(() => found(lines, filter), [lines, filter]);
  return html`<h1 class="unseen">Activity</h1>
    <p class="searching"><input type="search" data-key="/" aria-label="Only lines with these words" placeholder="only lines with these words: a session, an agent, an event" value=${filter} onInput=${(/** @type {any} */ event) => setFilter(event.target.value)} /></p>
    ${missing && html`<p class="notice">Some events are missing here: they are not kept any more, or are of another log.</p>`}
    <div onPointerEnter=${hold} onPointerLeave=${settle} onFocusIn=${hold} onFocusOut=${settle}>
      ${more > 0 && html`<button class="notice" data-key="r" onClick=${() => settle(null)}>${more} new: press r</button>`}
      ${shown.length === 0 && html`<p class="empty">${lines.length ? "No line has these words." : "Nothing has happened yet. What agents do appears here by itself."}</p>`}
      <ul class="rows">${shown.map((line) => h(Happened, { key: line.id, line }))}</ul></div>
    ${may("admin") && h(Audit, null)}`;
}

/** The lines with some words, newest first. @param {Line[]} lines @param {string} filter */
function found(lines, filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (/** @type {Line} */ { session, event, words: said }) => {
    const { title = "", agent = "", project = "" } = sessions.peek().get(session) || {};
    const text = `${session} ${title} ${agent} ${project} ${event} ${said}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return lines.filter(fits).reverse();
}

/** @param {{line: Line}} props */
function Happened({ line }) {
  const { session, seq, at, event, words } = line;
  const known = sessions.peek().get(session);
  const place = `#/s/${encodeURIComponent(session)}/e${seq}`;
  return html`<li><a class="row happened" href=${place} data-link=${place} data-command=${`sxhost log ${session}`}>
    <span class="dim">${clock(at)}</span> <span class="title">${known ? titleOf(known) : session}</span> <span>${event}</span> <span class="dim">${words}</span></a></li>`;
}
