// @ts-check
// What the page knows of the host: who asks, the sessions, what is asked. All of it can be asked for again.
import { get, path } from "./api.js";
import { computed, signal } from "./dom.js";
import { Link } from "./link.js";

/** The list is drawn at most so often: once in so many milliseconds. */
const PACE = 100;
/** Milliseconds before what has failed is asked again. */
const AGAIN = 3000;

export const link = new Link();

/** Who asks, as the host has recognised them; null until it has said so. */
export const me = signal(/** @type {any} */ (null));

/** All sessions, anew when any has changed. */
export const sessions = signal(/** @type {Map<string, any>} */ (new Map()));

/** The approvals that wait, oldest first. */
export const approvals = signal(/** @type {any[]} */ ([]));

/** The epoch of the log: with another one nothing of before is true. */
export const epoch = signal("");

/** Tell whether a button for this would work. @param {string} scope @param {string} [session] */
export function may(scope, session) {
  const { scopes = [], session: only = null } = me.peek() || {};
  return (scopes.includes(scope) || scopes.includes("admin")) && (!only || only === session);
}

// Sessions.

const known = new Map();
let changed = 0;

/** Whether the host has said yet which sessions there are: until then none is not none. */
export let listed = false;

function publish(pace = PACE) {
  if (changed && pace) return;
  clearTimeout(changed);
  changed = window.setTimeout(() => { changed = 0; listed = true; sessions.value = new Map(known); }, pace);
}

/** Those that the stream has named since it began, or told gone: of them it knows better than a list. @type {Set<string>} */
let named = new Set();

/** Lists that were asked for, and the newest one that has come. */
let asked = 0, taken = 0;

/** Read which sessions there are; the stream tells what changes from its beginning on. @param {boolean} whole whether it has begun */
async function readList(whole) {
  const turn = ++asked;
  let found;
  try {
    found = link.only ? [await get(path`sessions/${link.only}`)] : await get("sessions");
  } catch {
    // A lost link reads it again when it is back.
    if (link.state.peek().status === "live") setTimeout(() => { if (turn === asked) readList(whole); }, AGAIN);
    return;
  }
  if (turn < taken) return;
  taken = turn;
  for (const summary of found) if (!named.has(summary.id)) known.set(summary.id, summary);
  const all = new Set(found.map((/** @type {any} */ summary) => summary.id));
  if (whole) for (const id of known.keys()) if (!all.has(id) && !named.has(id)) known.delete(id);
  publish(0);
}

/** @param {any} summary */
function takeSession(summary) {
  const before = known.get(summary.id);
  named.add(summary.id);
  known.set(summary.id, summary);
  if ((before?.pending_approvals || 0) !== summary.pending_approvals) loadApprovals();
  publish();
}

/** @param {string} id */
function forget(id) {
  named.add(id);
  if (known.delete(id)) publish();
}

function begin(/** @type {any} */ frame) {
  if (epoch.peek() && frame.epoch !== epoch.peek()) known.clear();
  epoch.value = frame.epoch;
  named = new Set();
  get("whoami").then((found) => { me.value = found; }, () => {});
  loadApprovals();
}

// Approvals.

/** Whether the host has said yet what is asked. */
export let approvalsListed = false;

/** Where what is asked is read: by a login for one session of that one alone. */
export const approvalsPlace = () => (link.only ? path`sessions/${link.only}/approvals` : "approvals");

let loading = 0;

/** Ask anew what is asked; changes that come together ask once. */
export function loadApprovals() {
  clearTimeout(loading);
  loading = window.setTimeout(async () => {
    try {
      const found = await get(approvalsPlace());
      approvalsListed = true;
      approvals.value = found.sort((/** @type {any} */ a, /** @type {any} */ b) => a.opened_ms - b.opened_ms);
    } catch {
      // A lost link asks again when it is back; what only this answer has met is asked again here.
      if (link.state.peek().status === "live") loading = window.setTimeout(loadApprovals, AGAIN);
    }
  }, 30);
}

/** Sessions by what a person has to do with them. */
export const groups = computed(() => {
  /** @type {Record<string, any[]>} */
  const found = { needs: [], working: [], idle: [], over: [] };
  for (const session of sessions.value.values()) found[groupOf(session)].push(session);
  for (const group of Object.values(found)) group.sort((a, b) => b.since_ms - a.since_ms);
  found.idle.sort((a, b) => Number(waitsForLook(b)) - Number(waitsForLook(a)) || b.since_ms - a.since_ms);
  found.needs.sort((a, b) => rank(a) - rank(b) || a.since_ms - b.since_ms);
  return found;
});

/** Those that ask come before those that are silent or have failed. @param {any} session */
const rank = (session) => (session.pending_approvals || session.detail_state === "waiting" ? 0 : 1);

/** @param {any} session @returns {"needs" | "working" | "idle" | "over"} */
export function groupOf(session) {
  if (session.pending_approvals || ["waiting", "stalled", "lost"].includes(session.detail_state)) return "needs";
  if (session.detail_state === "working") return "working";
  if (session.detail_state === "ended" || session.rest === "ended") return "over";
  return failed(session) ? "needs" : "idle";
}

/** Whether it has finished something at which nobody has looked, or is to be looked at later. @param {any} session */
export const waitsForLook = (session) => session.flagged || (groupOf(session) === "idle" && session.seen_seq < session.event_count);

/** @param {any} session */
export const failed = (session) => session.last_event === "error" && session.detail_state === "idle";

/** Begin to follow the host. */
export function start() {
  link.follow("board", {
    request: () => ({ after: "now", summary: "changes", types: ["approval-requested", "approval-resolved"] }),
    frame(frame) {
      if (frame.frame === "hello") begin(frame);
      else if (frame.frame === "summary") takeSession(frame.summary);
      else if (frame.frame === "listed") readList(true);
      else if (frame.frame === "forgotten") forget(frame.session);
      else if (frame.event?.startsWith("approval-")) loadApprovals();
    },
  });
  link.connect();
  readList(false);  // what was asked for ahead is there before the stream is
}
