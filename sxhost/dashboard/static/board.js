// @ts-check
// The board: every session, those first that need somebody.
import { h, html, useEffect, useMemo, useNow, useRef, useSignal, useState } from "./dom.js";
import { age, count, dollars, oneLine, project } from "./format.js";
import { failed, groupOf, groups, sessions } from "./state.js";

const TITLES = { needs: "Needs you", working: "Working", idle: "Idle", over: "Over" };
/** Rows of a group that are drawn at first, and with each "more". */
const STEP = { needs: 100, working: 100, idle: 50, over: 10 };

/** @type {Record<string, [string, string]>} */
const STATES = {
  waiting: ["!", "waiting"], working: ["▶", "working"], idle: ["○", "idle"], ended: ["■", "ended"],
  stalled: ["‖", "stalled"], lost: ["?", "lost"], failed: ["✗", "failed"], asleep: ["◌", "asleep"], starting: ["…", "starting"],
};

/** The state of a session as a person calls it, with its sign. @param {any} session */
export function stateOf(session) {
  if (session.pending_approvals) return STATES.waiting;
  if (failed(session)) return STATES.failed;
  if (session.rest === "asleep" && session.detail_state === "idle") return STATES.asleep;
  return STATES[session.detail_state] || ["", session.detail_state];
}

/** @param {any} session */
export const titleOf = (session) => oneLine(session.title || session.id, 120);

/** Find words of a search in what a person knows of a session. @param {any} session @param {string[]} words */
function matches(session, words) {
  if (!words.length) return true;
  const labels = Object.entries(session.labels).map(([name, value]) => `${name}:${value}`).join(" ");
  const text = `${session.id} ${session.title} ${session.agent} ${session.model} ${session.cwd} ${session.git_branch} ${stateOf(session)[1]} ${labels}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** @param {{search: string, frozen: boolean}} props */
export function Board({ search, frozen }) {
  const found = useSignal(groups);
  const now = useNow(5, frozen);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const [order, stale, hold, settle] = useSteadyOrder(found);
  if (!sessions.peek().size) return h(Empty, null);
  const shown = Object.entries(order).map(([name, ids]) => [name, ids.map((id) => sessions.peek().get(id)).filter((session) => session && matches(session, words))]);
  return html`
    <div class="board" onPointerEnter=${hold} onPointerLeave=${settle} onFocusIn=${hold} onFocusOut=${settle}><h1 class="unseen">Board</h1>
      ${stale && html`<button class="notice" data-key="r" onClick=${() => settle(null)}>The order has changed: press r</button>`}
      ${shown.map(([name, rows]) => rows.length > 0 && html`<${Group} key=${name} name=${name} rows=${rows} now=${now} />`)}
      ${words.length > 0 && shown.every(([, rows]) => !rows.length) && html`<p class="empty">No session has these words.</p>`}
    </div>`;
}

/**
 * The order of the rows, which changes only while nobody points at them.
 * @param {Record<string, any[]>} found
 */
function useSteadyOrder(found) {
  const held = useRef(false);
  const newest = useMemo(() => ids(found), [found]);
  const [order, setOrder] = useState(newest);
  const same = JSON.stringify(order) === JSON.stringify(newest);
  useEffect(() => {
    if (same) return;
    if (!held.current) setOrder(newest);
    else if (missing(order, newest).length) setOrder(withNew(order, newest));
  }, [newest, same]);
  const hold = () => { held.current = true; };
  const settle = (/** @type {any} */ event) => {
    if (event?.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)) return;
    held.current = event === null && held.current;
    setOrder(newest);
  };
  return /** @type {const} */ ([order, !same && held.current, hold, settle]);
}

/** @param {Record<string, any[]>} found @returns {Record<string, string[]>} */
const ids = (found) => Object.fromEntries(Object.entries(found).map(([name, group]) => [name, group.map((session) => session.id)]));

/** @param {Record<string, string[]>} order @param {Record<string, string[]>} newest */
const missing = (order, newest) => Object.values(newest).flat().filter((id) => !Object.values(order).flat().includes(id));

/** What is new comes below the others of its group. @param {Record<string, string[]>} order @param {Record<string, string[]>} newest */
function withNew(order, newest) {
  const added = new Set(missing(order, newest));
  return Object.fromEntries(Object.entries(order).map(([name, group]) => [name, [...group, ...newest[name].filter((id) => added.has(id))]]));
}

/** @param {{name: keyof typeof TITLES, rows: any[], now: number}} props */
function Group({ name, rows, now }) {
  const [most, setMost] = useState(STEP[name]);
  return html`
    <section aria-label=${TITLES[name]}>
      <h2>${TITLES[name]} <span class="dim">${rows.length}</span></h2>
      <ul class="rows">${rows.slice(0, most).map((session) => html`<${Row} key=${session.id} session=${session} now=${now} />`)}</ul>
      ${rows.length > most && html`<button class="quiet" onClick=${() => setMost(most + 10 * STEP[name])}>${rows.length - most} more</button>`}
    </section>`;
}

/** @param {{session: any, now: number}} props */
function Row({ session, now }) {
  const [sign, word] = stateOf(session);
  const unread = session.seen_seq !== undefined && groupOf(session) === "idle" && session.seen_seq < session.event_count;
  return html`
    <li><a class=${`row ${groupOf(session)}`} href=${`#/s/${encodeURIComponent(session.id)}`}>
      <span class="state"><span aria-hidden="true">${sign}</span> ${word} <span class="dim">${age(now - session.since_ms)}</span></span>
      <span class="title">${unread && html`<span class="unread" title="not looked at">●</span>`}${titleOf(session)}</span>
      <span class="agent">${session.agent || session.kind}${session.model && html` <span class="dim">${oneLine(session.model, 40)}</span>`}</span>
      <span class="doing dim">${doingOf(session, now)}</span>
      <span class="place dim">${oneLine(session.project || project(session.cwd), 40)}${session.git_branch && ` · ${oneLine(session.git_branch, 40)}`}</span>
      <span class="cost dim">${costOf(session)}</span>
    </a></li>`;
}

/** What a session does or asks, or its last words. @param {any} session @param {number} now */
function doingOf(session, now) {
  if (!session.activity) return oneLine(session.preview || session.reason, 160);
  return `${oneLine(session.activity, 140)}${session.activity_since_ms ? ` · ${age(now - session.activity_since_ms)}` : ""}`;
}

/** What it has used until now. @param {any} session */
export function costOf(session) {
  if (session.cost_usd) return dollars(session.cost_usd);
  const tokens = (session.input_tokens || 0) + (session.output_tokens || 0);
  return tokens ? `${count(tokens)} tokens` : "";
}

function Empty() {
  const ways = [
    ["Claude Code that you start yourself", "sxhost hook install claude"],
    ["an agent that the host runs", 'sxhost run --agent claude "What is in this directory?"'],
    ["just to see it move", 'sxhost run --agent echo "Roses are red."'],
  ];
  return html`<div class="empty"><h2>No agent has been here yet</h2><p>Bring the first one in; it appears here by itself.</p>
    <dl>${ways.map(([what, line]) => html`<dt>${what}</dt><dd><code>${line}</code></dd>`)}</dl></div>`;
}
