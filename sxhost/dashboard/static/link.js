// @ts-check
// The page's one connection: a WebSocket that is replaced when it is lost, and goes on where it was.
import { Refusal, get, protocols, streamAddress } from "./api.js";
import { signal } from "./dom.js";

const FIRST_WAIT = 500, LONGEST_WAIT = 10_000;
/** Heartbeats that may be missing before a connection counts as lost. */
const PATIENCE = 2.5;
/** Milliseconds that an attempt to connect may take: something between us and the host may swallow it. */
const CONNECT_WITHIN = 10_000;

/**
 * How the link is: `live`; `lost` since when, with the time of the next try; `denied`, a login is needed.
 * `stopping`: the host has said that it stops, and that one may come back.
 * @typedef {{status: "connecting" | "live" | "lost" | "denied", since: number, retry: number, stopping?: boolean}} LinkState
 */

/**
 * @typedef {object} Topic What a part of the page follows.
 * @property {() => object} request the subscription, without its id
 * @property {(frame: any) => void} frame takes each frame of it, and each event of the connection
 */

export class Link {
  constructor() {
    /** @type {{value: LinkState, peek(): LinkState}} */
    this.state = signal({ status: "connecting", since: Date.now(), retry: 0 });
    /** @type {Map<string, Topic>} */
    this._topics = new Map();
    /** @type {WebSocket | null} */
    this._socket = null;
    this._wait = FIRST_WAIT;
    this._heartbeat = 15_000;
    this._heard = 0;
    this._stopping = false;
    this._timer = 0;
    /** The one session that this login is for; else empty. */
    this.only = "";
    for (const name of ["online", "pageshow"]) window.addEventListener(name, () => this._wake());
    document.addEventListener("visibilitychange", () => this._wake());
    setInterval(() => this._replaceIfSilent(), 5000);
  }

  /** Follow something, from now on and on every later connection; again replaces it. @param {string} id @param {Topic} topic */
  follow(id, topic) {
    const known = this._topics.has(id);
    this._topics.set(id, topic);
    if (known) this._send({ unsubscribe: id, subscribe: { id, ...topic.request() } });
    else this._send({ subscribe: { id, ...topic.request() } });
  }

  /** @param {string} id */
  leave(id) {
    if (this._topics.delete(id)) this._send({ unsubscribe: id });
  }

  /** Connect at once, whatever the next try was set to. */
  connect() {
    clearTimeout(this._timer);
    this._drop();
    const socket = new WebSocket(streamAddress(this.only), protocols());
    this._socket = socket;
    this._heard = Date.now();
    socket.onopen = () => { if (socket === this._socket) this._opened(); };
    socket.onmessage = (message) => { if (socket === this._socket) this._take(message.data); };
    socket.onclose = () => { if (socket === this._socket) this._lost(Date.now()); };
    this._timer = setTimeout(() => { if (socket === this._socket && socket.readyState === WebSocket.CONNECTING) this._abandon(Date.now()); }, CONNECT_WITHIN);
  }

  _opened() {
    clearTimeout(this._timer);
    this._wait = FIRST_WAIT;
    this._stopping = false;
    this.state.value = { status: "live", since: Date.now(), retry: 0 };
    for (const [id, topic] of this._topics) this._send({ subscribe: { id, ...topic.request() } });
  }

  /** @param {string} data */
  _take(data) {
    this._heard = Date.now();
    for (const line of data.split("\n")) {
      if (!line) continue;
      const frame = JSON.parse(line);
      if (frame.frame === "hello" && frame.heartbeat_s) this._heartbeat = frame.heartbeat_s * 1000;
      if (frame.frame === "end" && frame.reconnect) this._stopping = true;
      // Events do not say which subscription they are of.
      if (frame.frame && "id" in frame) this._topics.get(frame.id)?.frame(frame);
      else for (const topic of [...this._topics.values()]) topic.frame(frame);
    }
  }

  /** What was the connection is none any more. @param {number} at since when */
  async _lost(at) {
    this._socket = null;
    clearTimeout(this._timer);
    const { status, since } = this.state.peek();
    const lostAt = status === "live" ? at : since;
    const wait = this._wait * (0.75 + Math.random() / 2);
    this._wait = Math.min(2 * this._wait, LONGEST_WAIT);
    this.state.value = { status: "lost", since: lostAt, retry: Date.now() + wait, stopping: this._stopping };
    this._timer = setTimeout(() => this.connect(), wait);
    if (await this._denied() && !this._socket) {
      clearTimeout(this._timer);
      this.state.value = { status: "denied", since: lostAt, retry: 0 };
    }
  }

  /** Tell whether the host refuses us: a WebSocket does not say why it was not opened. A login for one session has a stream of its own. */
  async _denied() {
    try {
      const { session } = await get("whoami");
      if (session && session !== this.only) { this.only = session; this.connect(); }
      return false;
    } catch (error) {
      return error instanceof Refusal && error.status === 401;
    }
  }

  /** The machine woke, the tab came back, the network changed: do not wait for a timer's turn. */
  _wake() {
    if (document.visibilityState === "hidden") return;
    if (this.state.peek().status === "lost") this.connect();
    else this._replaceIfSilent();
  }

  _replaceIfSilent() {
    const silent = Date.now() - this._heard > PATIENCE * this._heartbeat;
    if (!silent || this.state.peek().status !== "live") return;
    this._drop();
    this.state.value = { status: "lost", since: this._heard, retry: Date.now() };
    this.connect();
  }

  /** Leave a connection of which nothing comes. @param {number} at */
  _abandon(at) {
    this._drop();
    this._lost(at);
  }

  _drop() {
    const socket = this._socket;
    this._socket = null;
    socket?.close();
  }

  /** @param {object} message */
  _send(message) {
    if (this._socket?.readyState === WebSocket.OPEN) this._socket.send(JSON.stringify(message));
  }
}
