// @ts-check
// One session's conversation: a window of its transcript, which the host folds, and what is written now.
// The window moves up and down the log; while it has the log's end, it is live.
import { Refusal, get, path } from "./api.js";
import { signal } from "./dom.js";
import { endOf } from "./first.js";
import { link } from "./state.js";

/** Items of a page, and those before a place that is opened. */
const PAGE = 100, AHEAD = 30;
/** Items, and characters of these, that are kept. */
const KEPT = 600, WEIGHT = 8_000_000;
/** Milliseconds between two looks at a busy session, two draws of a text that grows, two tries. */
const PACE = 200, DRAW = 50, AGAIN = 2000;
/** What is not over and so many items back is looked at by itself, and so seldom. */
const NEAR = 200, SELDOM = 5000;
/** The code of a refusal that may pass: the session may yet come, in a new log say. */
const ABSENT = "unknown_session";
const NOT_HERE = "This host has no such session: it was forgotten, or has not begun yet. Once it begins it is shown here.";

/**
 * @typedef {object} Window
 * @property {any[]} items in the order of the log
 * @property {number | null} before ask with it for what precedes them
 * @property {number | null} after ask with it for what follows them; null while the window is live
 * @property {number} behind events that came since the window is not live
 * @property {number} dropped events up to this one are not kept any more
 * @property {boolean} loaded @property {string} error @property {string} gone
 */

/** @type {Window} */
const NOTHING = { items: [], before: null, after: null, behind: 0, dropped: 0, loaded: false, error: "", gone: "" };

const isOpen = (/** @type {any} */ item) => item.status === "running" || item.status === "pending";

const weight = (/** @type {any} */ item) => (item.text?.length || 0) + (item.diff?.length || 0);

export class Conversation {
  /** @param {string} id the session's @param {number} at the event to begin with; 0 for the end */
  constructor(id, at = 0) {
    this.id = id;
    this.at = at;
    /** Whether the reader is at the end: nothing below is taken away from those who are. */
    this.following = !at;
    /** @type {{value: Window, peek(): Window}} */
    this.window = signal(NOTHING);
    /** @type {Map<number, any>} items by the number of their first event */
    this._items = new Map();
    /** The last event that the host's items have, and the last one that has come. */
    this._through = 0;
    this._newest = 0;
    /** The last that is no piece: the host's items are to have it. */
    this._fact = 0;
    /** Pieces of texts that came after it, and how many of them are in the items. @type {any[]} */
    this._pieces = [];
    this._grown = 0;
    this._epoch = "";
    this._looking = false;
    this._refreshed = 0;
    this._timer = 0;
    this._drawing = 0;
    this._closed = false;
  }

  /** Read its place in the log, then follow. */
  async open() {
    clearTimeout(this._timer);
    this._timer = 0;
    try {
      await (this.at ? this._readAround(this.at) : this._readEnd());
    } catch (error) {
      const absent = error instanceof Refusal && error.code === ABSENT;
      this._publish({ loaded: true, error: absent ? NOT_HERE : error instanceof Error ? error.message : String(error) });
      const lasts = error instanceof Refusal && error.status < 500 && error.status !== 429 && !absent;
      if (!lasts) this._openAgain(AGAIN);
      return;
    }
    if (this._closed) return;
    link.follow("session", {
      request: () => ({ sessions: [this.id], after: Math.max(this._through, this._newest), native: false, deltas: "merged" }),
      frame: (frame) => this._frame(frame),
    });
  }

  close() {
    this._closed = true;
    clearTimeout(this._timer);
    link.leave("session");
  }

  async _readEnd() {
    const page = await this._read(endOf(this.id));
    this._take(page, 0);
    this._publish({ before: page.before, after: null, behind: 0, dropped: page.dropped, loaded: true, error: "", gone: "" });
  }

  /** @param {number} at */
  async _readAround(at) {
    const earlier = await this._page(`before=${at + 1}&limit=${AHEAD}`);
    const later = await this._page(`after=${earlier.through}&limit=${PAGE}`);
    this._take(earlier, 0);
    this._take(later, earlier.through);
    this._publish({ before: earlier.before, after: later.after, behind: 0, dropped: earlier.dropped, loaded: true, error: "", gone: "" });
  }

  /** Read what precedes the window. */
  async older() {
    const { before } = this.window.peek();
    if (before === null) return;
    const page = await this._page(`before=${before}&limit=${PAGE}`);
    for (const item of page.items) if (!this._items.has(item.seq)) this._items.set(item.seq, item);
    this._publish({ before: page.before, dropped: page.dropped });
    this._leaveBelow();
  }

  /** Read what follows the window; with the log's end it is live again. */
  async newer() {
    const { after } = this.window.peek();
    if (after === null) return;
    const page = await this._page(`after=${after}&limit=${PAGE}`);
    this._take(page, after);
    this._publish({ after: page.after, ...(page.after === null && { behind: 0 }) });
    this._leaveAbove();
    if (page.after === null) this._lookSoon(0);
  }

  /** Go to the end of the log, wherever the window is. */
  async end() {
    this.following = true;
    if (this.window.peek().after === null) return;
    this.at = 0;
    this._clear();
    await this._readEnd();
    this._lookSoon(0);
  }

  /** Keep the window bounded after it has grown: what is far from the reader goes. */
  trim() {
    if (this.following) this._leaveAbove();
  }

  /** @param {string} query */
  _page(query) {
    return this._read(`${path`sessions/${this.id}/transcript`}?${query}&detail=compact`);
  }

  /** @param {string} where */
  async _read(where) {
    const page = await get(where);
    for (const item of page.items) item.session = this.id;
    return page;
  }

  /** Where a window of these items, read from its `begin`, would become too large; its length if nowhere. @param {any[]} items */
  _bound(items) {
    let characters = 0;
    const at = items.findIndex((item, place) => (characters += weight(item)) > WEIGHT || place >= KEPT);
    return at < 0 ? items.length : Math.max(at, 1);
  }

  _leaveAbove() {
    const { items } = this.window.peek();
    const kept = this._bound([...items].reverse());
    if (kept === items.length) return;
    for (const item of items.slice(0, -kept)) this._items.delete(item.seq);
    this._publish({ before: items[items.length - kept].seq });
  }

  /** What is left below is read again when the reader comes there: the window is not live any more. */
  _leaveBelow() {
    const { items, after } = this.window.peek();
    const kept = this._bound(items);
    if (kept === items.length) return;
    for (const item of items.slice(kept)) this._items.delete(item.seq);
    this._through = items[kept].seq - 1;
    this._pieces = [];
    this._grown = 0;
    this._publish({ after: after === null ? this._through : Math.min(after, this._through) });
  }

  _clear() {
    this._items.clear();
    this._pieces = [];
    this._grown = this._through = this._newest = this._fact = 0;
  }

  /** Take the host's items after an event, with all that has come until then: what was there of it is told anew. @param {any} page @param {number} after */
  _take(page, after) {
    if (this._through && page.dropped > this._through) this._miss(page.dropped);
    for (const [seq, item] of this._items) {
      const isTold = seq > after && seq <= page.through && item.kind !== "gap";
      // The whole of a text has another number than its first piece.
      if (item.growing || isTold) this._items.delete(seq);
    }
    for (const item of page.items) this._items.set(item.seq, item);
    this._through = Math.max(this._through, page.through);
    this._pieces = this._pieces.filter((piece) => piece.seq > this._through);
    this._grown = 0;
    this._grow();
  }

  /** Retention has passed the window: say so at the place; what was not over there will not be heard of. @param {number} to */
  _miss(to) {
    for (const [seq, item] of this._items) if (isOpen(item)) this._items.set(seq, { ...item, growing: false, status: "cut" });
    const from = this._through + 1;
    this._items.set(from, { kind: "gap", seq: from, last: to, session: this.id, ts_ms: Date.now() });
    this._through = to;
  }

  /** @param {any} frame */
  _frame(frame) {
    if (frame.frame === "hello") this._begin(frame);
    else if (frame.frame === "end" && frame.reason.includes("forgotten")) this._publish({ gone: "This session was forgotten." });
    else if (frame.frame === "gap") this._lookSoon(0);
    else if (frame.frame === "error") {
      this._publish({ gone: frame.message });
      if (frame.error === ABSENT) this._beginAnew(AGAIN);
    }
    if (frame.session !== this.id || !frame.event || frame.seq <= Math.max(this._through, this._newest)) return;
    this._newest = frame.seq;
    const { after, behind } = this.window.peek();
    const isPiece = frame.event === "message-delta" || frame.event === "thinking-delta";
    if (after !== null) {
      if (!isPiece) this._publish({ behind: behind + 1 });
    } else if (isPiece) {
      this._pieces.push(frame);
      this._drawing ||= window.setTimeout(() => { this._drawing = 0; this._grow(); this._publish({}); }, DRAW);
    } else {
      this._fact = frame.seq;
      this._lookSoon(PACE);
    }
  }

  /** A connection begins: is it the log that we know? @param {any} hello */
  _begin(hello) {
    const other = this._epoch && hello.epoch !== this._epoch;
    this._epoch = hello.epoch;
    if (other) this._beginAnew(0);
    else if (this._fact > this._through && this.window.peek().after === null) this._lookSoon(0);
  }

  /** Begin with another log, or with a session that is not there yet. @param {number} pause */
  _beginAnew(pause) {
    link.leave("session");
    this._clear();
    this.at = 0;
    this._openAgain(pause);
  }

  /** @param {number} pause */
  _openAgain(pause) {
    clearTimeout(this._timer);
    this._timer = window.setTimeout(() => this.open(), pause);
  }

  /** Add the pieces that have come to the texts that are being written. */
  _grow() {
    /** @type {Map<string, any[]>} */
    const texts = new Map();
    for (const piece of this._pieces.slice(this._grown)) {
      const name = `${piece.event} ${piece.data?.item || ""}`;
      texts.set(name, [...(texts.get(name) || []), piece]);
    }
    this._grown = this._pieces.length;
    for (const pieces of texts.values()) this._append(pieces);
  }

  /** @param {any[]} pieces of one text */
  _append([first, ...more]) {
    const kind = first.event === "message-delta" ? "message" : "thinking";
    const name = first.data?.item || "";
    const open = [...this._items.values()].findLast((item) => item.kind === kind && (item.item || "") === name && item.status === "running");
    const item = open || { kind, item: name, text: "", status: "running", growing: true, session: this.id, seq: first.from_seq || first.seq, ts_ms: first.ts_ms };
    this._items.set(item.seq, { ...item, text: [item.text || "", first, ...more].map((piece) => piece.data?.text ?? (typeof piece === "string" ? piece : "")).join("") });
  }

  /** @param {number} pace */
  _lookSoon(pace) {
    if (!this._looking) this._timer ||= window.setTimeout(() => { this._timer = 0; this._look(); }, pace);
  }

  /** Read on from what is not over: such items are told again, as they are now. */
  async _look() {
    if (this._closed || this._looking) return;
    this._looking = true;
    let again = 0;
    try {
      await this._readOn();
      // What has come while the answer was on its way may not be in it.
      if (this._fact > this._through) again = PACE;
    } catch {
      again = AGAIN;
    }
    this._looking = false;
    this._publish({});
    this.trim();
    if (again && this.window.peek().after === null) this._lookSoon(again);
  }

  async _readOn() {
    const isFull = () => !this.following && this._bound([...this._items.values()]) < this._items.size;
    let after = /** @type {number | null} */ (this._settled());
    while (after !== null && !this._closed) {
      const page = await this._page(`after=${after}&limit=${PAGE}`);
      if (this._closed || this.window.peek().after !== null) return;
      this._take(page, after);
      after = page.after;
      if (after !== null && isFull()) { this._publish({ after }); return; }
    }
    await this._refresh();
    this._publish({});
    if (isFull()) this._leaveBelow();
  }

  /** Look at what began long ago and is not over. */
  async _refresh() {
    if (Date.now() - this._refreshed < SELDOM) return;
    this._refreshed = Date.now();
    for (const item of this._open().filter((each) => !this._isNear(each)).slice(0, 5)) {
      const page = await this._page(`after=${item.seq - 1}&limit=1`);
      const now = page.items[0];
      if (!now || now.kind !== item.kind || now.item !== item.item) continue;
      this._items.delete(item.seq);
      this._items.set(now.seq, now);
    }
  }

  _open() {
    return [...this._items.values()].filter((item) => isOpen(item) && !item.growing);
  }

  /** @param {any} item */
  _isNear(item) {
    return item.seq > this._through - NEAR;
  }

  /** The event up to which all items are over, as far as these are not long ago. */
  _settled() {
    return Math.min(this._through, ...this._open().filter((item) => this._isNear(item)).map((item) => item.seq - 1));
  }

  /** @param {Partial<Window>} change */
  _publish(change) {
    if (this._closed) return;
    const items = [...this._items.values()].sort((a, b) => a.seq - b.seq);
    this.window.value = { ...this.window.peek(), ...change, items };
  }
}
