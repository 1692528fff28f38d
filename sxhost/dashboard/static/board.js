// @ts-check
// The board: every session, those first that need somebody.
import { h, html, useEffect, useMemo, useNow, useRef, useSignal, useState } from "./dom.js";
import { copy } from "./copy.js";
import { age, count, dollars, oneLine, plain, project, shortModel } from "./format.js";
import { post, path } from "./api.js";
import { failed, groupOf, groups, listed, may, me, sessions, waitsForLook } from "./state.js";

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

/** What can be chosen of a session: its project and labels, each as a word. @param {any} session @returns {string[]} */
const marksOf = (session) => [...(session.project ? [`project:${session.project}`] : []), ...Object.entries(session.labels).map(([name, value]) => `${name}:${value}`)].map((mark) => mark.toLowerCase());

/** Find words of a search in what a person knows of a session. @param {any} session @param {string[]} words @param {Map<string, number>} marks those of all */
function matches(session, words, marks) {
  if (!words.length) return true;
  const own = marksOf(session);
  const text = `${session.id} ${session.title} ${session.agent} ${session.model} ${session.cwd} ${session.git_branch} ${stateOf(session)[1]} ${own.join(" ")}`.toLowerCase();
  return words.every((word) => (marks.has(word) ? own.includes(word) : text.includes(word)));
}

/** Chips that are shown at the most. */
const CHIPS = 12;

/** How many sessions have each project and label; those that tell none from another are left out. @param {Iterable<any>} all */
function marksOfAll(all) {
  /** @type {Map<string, number>} */
  const found = new Map();
  let size = 0;
  for (const session of all) {
    size += 1;
    for (const mark of marksOf(session)) if (!/\s/.test(mark) && mark.length < 60) found.set(mark, (found.get(mark) || 0) + 1);
  }
  for (const [mark, times] of found) if (times === size) found.delete(mark);
  return found;
}

/** @param {{marks: Map<string, number>, words: string[], setSearch: (words: string) => void}} props */
function Chips({ marks, words, setSearch }) {
  const most = [...marks].sort((a, b) => b[1] - a[1]).slice(0, CHIPS).map(([mark]) => mark);
  const shown = [...new Set([...words.filter((word) => marks.has(word)), ...most])];
  const toggle = (/** @type {string} */ mark) => setSearch((words.includes(mark) ? words.filter((word) => word !== mark) : [...words, mark]).join(" "));
  return shown.length > 0 && html`<p class="chips" role="group" aria-label="Only those of">${shown.map((mark) => html`<button key=${mark} aria-pressed=${words.includes(mark)} onClick=${() => toggle(mark)}>${oneLine(mark, 40)} <span class="dim">${marks.get(mark)}</span></button>`)}</p>`;
}

/** @param {{search: string, setSearch: (words: string) => void, frozen: boolean}} props */
export function Board({ search, setSearch, frozen }) {
  const found = useSignal(groups);
  const now = useNow(5, frozen);
  const Spark = useSpark();
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const marks = useMemo(() => marksOfAll(sessions.peek().values()), [found]);
  const [order, stale, hold, settle] = useSteadyOrder(found);
  if (!sessions.peek().size) return listed ? h(Empty, null) : html`<p class="empty">The host is being asked for its sessions.</p>`;
  const shown = Object.entries(order).map(([name, ids]) => [name, ids.map((id) => sessions.peek().get(id)).filter((session) => session && matches(session, words, marks))]);
  return html`
    <div class="board" onPointerEnter=${hold} onPointerLeave=${settle} onFocusIn=${hold} onFocusOut=${settle}><h1 class="unseen">Board</h1>
      ${h(Chips, { marks, words, setSearch })}
      ${stale && html`<button class="notice" data-key="r" onClick=${() => settle(null)}>The order has changed: press r</button>`}
      ${shown.map(([name, rows]) => rows.length > 0 && html`<${Group} key=${name} name=${name} rows=${rows} now=${now} Spark=${Spark} />`)}
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
  const order = useRef(newest);
  const [, drawAgain] = useState(0);
  order.current = held.current ? withNew(order.current, newest) : newest;
  const stale = held.current && JSON.stringify(order.current) !== JSON.stringify(newest);
  const hold = () => { held.current = true; };
  const settle = (/** @type {any} */ event) => {
    if (event?.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)) return;
    held.current = event === null && held.current;
    order.current = newest;
    drawAgain((times) => times + 1);
  };
  return /** @type {const} */ ([order.current, stale, hold, settle]);
}

/** @param {Record<string, any[]>} found @returns {Record<string, string[]>} */
const ids = (found) => Object.fromEntries(Object.entries(found).map(([name, group]) => [name, group.map((session) => session.id)]));

/** What is new comes below the others of its group. @param {Record<string, string[]>} order @param {Record<string, string[]>} newest */
function withNew(order, newest) {
  const known = new Set(Object.values(order).flat());
  return Object.fromEntries(Object.entries(order).map(([name, group]) => [name, [...group, ...newest[name].filter((id) => !known.has(id))]]));
}

/** Milliseconds after which small bars come to the rows, and the width of a page that has room for them. */
const SPARKS_AFTER = 1500, WIDE = "(min-width: 1000px)";

/** What draws the last hour of a session, once that part of the page has come. */
function useSpark() {
  const [Spark, setSpark] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let here = true, leave = () => {};
    const timer = setTimeout(async () => {
      const part = matchMedia(WIDE).matches && !me.peek()?.session && await import("./spark.js").catch(() => null);
      if (!part || !here) return;
      leave = part.follow();
      setSpark(() => part.Spark);
    }, SPARKS_AFTER);
    return () => { here = false; clearTimeout(timer); leave(); };
  }, []);
  return Spark;
}

/** @param {{name: keyof typeof TITLES, rows: any[], now: number, Spark: any}} props */
function Group({ name, rows, now, Spark }) {
  const [most, setMost] = useState(STEP[name]);
  return html`
    <section aria-label=${TITLES[name]}>
      <h2>${TITLES[name]} <span class="dim">${rows.length}</span></h2>
      <ul class="rows">${rows.slice(0, most).map((session) => html`<${Row} key=${session.id} session=${session} now=${now} Spark=${Spark} />`)}</ul>
      ${rows.length > most && html`<button class="quiet" onClick=${() => setMost(most + 10 * STEP[name])}>${rows.length - most} more</button>`}
    </section>`;
}

/** @param {{session: any, now: number, Spark: any}} props */
function Row({ session, now, Spark }) {
  const [sign, word] = stateOf(session);
  const unread = waitsForLook(session), place = `#/s/${encodeURIComponent(session.id)}`;
  const flag = () => post(`${path`sessions/${session.id}`}/seen`, { flag: !session.flagged }).catch(() => {});
  return html`
    <li><a class=${`row ${groupOf(session)}`} href=${place} data-command=${`sxhost log ${session.id}`} data-link=${place}>
      <span class="state"><span aria-hidden="true">${sign}</span> ${word} <span class="dim">${age(now - session.since_ms)}</span></span>
      <span class="title">${unread && html`<span class="unread" title=${session.flagged ? "to be looked at later" : "not looked at"}>${session.flagged ? "⚑" : "●"}</span>`}${titleOf(session)}</span>
      <span class="agent" title=${session.model || undefined}>${session.agent || session.kind}${session.model && html` <span class="dim">${oneLine(shortModel(session.model, session.agent), 40)}</span>`}</span>
      <span class="doing dim">${doingOf(session, now)}</span>
      <span class="spark">${Spark && h(Spark, { id: session.id })}</span>
      <span class="place dim">${oneLine(session.project || project(session.cwd), 40)}${session.git_branch && ` · ${oneLine(session.git_branch, 40)}`}</span>
      <span class="cost dim">${costOf(session)}</span>
    </a>${may("send", session.id) && html`<button class="later" data-key="m" tabindex="-1" aria-label=${session.flagged ? "No longer for later" : "Look at it later"} title="look at it later (m)" onClick=${flag}>⚑</button>`}</li>`;
}

/** Milliseconds from which on the age of what is done is another than that of the state. */
const APART = 2000;

/** What a session does or asks, or its last words. @param {any} session @param {number} now */
function doingOf(session, now) {
  if (!session.activity) return plain(session.preview || session.reason);
  const later = session.activity_since_ms > session.since_ms + APART;
  return `${oneLine(session.activity, 140)}${later ? ` · ${age(now - session.activity_since_ms)}` : ""}`;
}

/** What it has used until now. @param {any} session */
export function costOf(session) {
  if (session.cost_usd) return dollars(session.cost_usd);
  const tokens = (session.input_tokens || 0) + (session.output_tokens || 0);
  return tokens ? `${count(tokens)} tokens` : "";
}

function Empty() {
  const ways = [
    ["Each Claude Code that you start yourself", "sxhost hook install claude"],
    ["An agent that the host runs", 'sxhost run --agent claude "What is in this directory?"'],
    ["Just to see one move", 'sxhost run --agent echo "Roses are red."'],
  ];
  return html`<div class="empty"><h2>No agent has been here yet</h2><p>Bring the first one in; it appears here by itself.</p>
    <ul class="ways">${ways.map(([what, line]) => html`<li><span>${what}</span><code>${line}</code><button onClick=${() => copy(line)}>Copy</button></li>`)}</ul></div>`;
}
