// @ts-check
// One session's conversation: a window of its transcript, which the host folds, and what is written now.
import { Refusal, get, path } from "./api.js";
import { signal } from "./dom.js";
import { link } from "./state.js";

/** Items of a page, items that are kept, and milliseconds between two looks at a busy session. */
const PAGE = 100, KEPT = 600, PACE = 200;

/** @typedef {{items: any[], before: number | null, dropped: number, loaded: boolean, error: string, gone: string}} Window */

export class Conversation {
  /** @param {string} id the session's */
  constructor(id) {
    this.id = id;
    /** @type {{value: Window, peek(): Window}} */
    this.window = signal({ items: [], before: null, dropped: 0, loaded: false, error: "", gone: "" });
    /** @type {Map<number, any>} items by the number of their first event */
    this._items = new Map();
    /** The last event that the host's items have. */
    this._through = 0;
    /** Pieces of texts that came after it. @type {any[]} */
    this._pieces = [];
    this._timer = 0;
    this._drawing = 0;
    this._closed = false;
  }

  /** Read the end of it, then follow. */
  async open() {
    try {
      const page = await get(`${path`sessions/${this.id}/transcript`}?limit=${PAGE}&detail=compact`);
      if (this._closed) return;
      this._take(page);
      this._publish({ before: page.before, dropped: page.dropped, loaded: true, error: "" });
    } catch (error) {
      this._publish({ loaded: true, error: error instanceof Error ? error.message : String(error) });
      if (!(error instanceof Refusal)) this._timer = window.setTimeout(() => this.open(), 2000);
      return;
    }
    link.follow("session", {
      request: () => ({ sessions: [this.id], after: this._pieces.at(-1)?.seq || this._through, native: false }),
      frame: (frame) => this._frame(frame),
    });
  }

  close() {
    this._closed = true;
    clearTimeout(this._timer);
    link.leave("session");
  }

  /** Read what precedes the window. */
  async older() {
    const { before } = this.window.peek();
    if (before === null) return;
    const page = await get(`${path`sessions/${this.id}/transcript`}?before=${before}&limit=${PAGE}&detail=compact`);
    for (const item of page.items) if (!this._items.has(item.seq)) this._items.set(item.seq, item);
    this._publish({ before: page.before, dropped: page.dropped });
  }

  /** Forget what is far above, while nobody looks there. */
  trim() {
    const items = this.window.peek().items;
    if (items.length <= KEPT) return;
    for (const item of items.slice(0, -KEPT)) this._items.delete(item.seq);
    this._publish({ before: items[items.length - KEPT].seq });
  }

  /** Take the host's items, which have what came as pieces until then. @param {any} page */
  _take(page) {
    for (const [seq, item] of this._items) if (item.growing) this._items.delete(seq);
    for (const item of page.items) this._items.set(item.seq, item);
    this._through = Math.max(this._through, page.through);
    this._pieces = this._pieces.filter((piece) => piece.seq > this._through);
    for (const piece of this._pieces) this._grow(piece);
  }

  /** @param {any} frame */
  _frame(frame) {
    if (frame.frame === "end" && frame.reason === "forgotten") this._publish({ gone: "This session was forgotten." });
    else if (frame.frame === "gap") this._restart();
    else if (frame.frame === "error") this._publish({ gone: frame.message });
    const last = this._pieces.at(-1)?.seq || this._through;
    if (frame.session !== this.id || !frame.event || frame.seq <= last) return;
    if (frame.event === "message-delta" || frame.event === "thinking-delta") {
      this._pieces.push(frame);
      this._grow(frame);
      if (!this._drawing) this._drawing = requestAnimationFrame(() => { this._drawing = 0; this._publish({}); });
    } else if (!this._timer) this._timer = window.setTimeout(() => this._look(), PACE);
  }

  /** Add a piece to the text that is being written. @param {any} piece */
  _grow(piece) {
    const kind = piece.event === "message-delta" ? "message" : "thinking";
    const { item: name = "", text = "" } = piece.data || {};
    const open = [...this._items.values()].findLast((item) => item.kind === kind && (item.item || "") === name && item.status === "running");
    const item = open || { kind, item: name, text: "", status: "running", growing: true, seq: piece.from_seq || piece.seq, ts_ms: piece.ts_ms };
    this._items.set(item.seq, { ...item, text: (item.text || "") + text });
  }

  /** Read on from what is not over: such items are told again, as they are now. */
  async _look() {
    try {
      for (let after = this._settled(), page; after !== null; after = page.after) {
        page = await get(`${path`sessions/${this.id}/transcript`}?after=${after}&limit=${PAGE}&detail=compact`);
        if (this._closed) return;
        this._take(page);
      }
    } catch {
      // The link comes back, and brings the next event.
    }
    this._timer = 0;
    this._publish({});
  }

  /** The event up to which all items are over. */
  _settled() {
    const open = [...this._items.values()].filter((item) => item.status === "running" || item.status === "pending");
    return Math.min(this._through, ...open.map((item) => item.seq - 1));
  }

  _restart() {
    this._items.clear();
    link.leave("session");
    this.open();
  }

  /** @param {Partial<Window>} change */
  _publish(change) {
    if (this._closed) return;
    const items = [...this._items.values()].sort((a, b) => a.seq - b.seq);
    this.window.value = { ...this.window.peek(), ...change, items };
  }
}
