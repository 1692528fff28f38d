// @ts-check
// One session: what it is, its conversation, and a line to write in.
import { path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { costOf, stateOf, titleOf } from "./board.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { h, html, useEffect, useLayoutEffect, useMemo, useNow, useRef, useSignal, useState } from "./dom.js";
import { age, oneLine } from "./format.js";
import { Item } from "./items.js";
import { may, sessions } from "./state.js";

/** Pixels from the end within which a reader counts as being there. */
const AT_END = 8;

/** @type {Record<string, [string, () => Promise<any>]>} */
const VIEWS = {
  changes: ["Changes", async () => (await import("./changes.js")).Changes],
  events: ["Events", async () => (await import("./events.js")).Events],
  usage: ["Usage", async () => (await import("./usage.js")).Usage],
};

/** @param {{id: string, view: string}} props */
export function Session({ id, view }) {
  const session = useSignal(sessions).get(id);
  return html`<div class="session">
    ${session ? h(Head, { session }) : html`<header class="head"><h1>${oneLine(id, 100)}</h1></header>`}
    <nav class="tabs" aria-label="Views">${["", ...Object.keys(VIEWS)].map((name) => html`<a key=${name} href=${`${path`#/s/${id}`}${name && `/${name}`}`} aria-current=${name === view ? "page" : undefined}>${name ? VIEWS[name][0] : "Conversation"}</a>`)}</nav>
    ${VIEWS[view] ? h(Other, { key: view, id, view, newest: session?.event_count || 0 }) : h(Talk, { id, session })}</div>`;
}

/** @param {{id: string, view: string, newest: number}} props */
function Other({ id, view, newest }) {
  const [View, setView] = useState(/** @type {any} */ (null));
  useEffect(() => { VIEWS[view][1]().then((found) => setView(() => found)); }, [view]);
  return View && h(View, { id, newest });
}

/** The conversation, and a line to write in. @param {{id: string, session: any}} props */
function Talk({ id, session }) {
  const conversation = useMemo(() => new Conversation(id), [id]);
  useEffect(() => { conversation.open(); return () => conversation.close(); }, [conversation]);
  const [toEnd, setToEnd] = useState(0);
  return html`${h(Log, { key: id, conversation, toEnd })}
    ${session && h(Composer, { key: id, session, sent: () => setToEnd((times) => times + 1) })}`;
}

/** @param {{session: any}} props */
function Head({ session }) {
  const now = useNow(1);
  const [sign, word] = stateOf(session);
  const facts = [session.agent || session.kind, oneLine(session.model, 40), oneLine(session.cwd, 80), oneLine(session.git_branch, 40), costOf(session)];
  return html`<header class="head"><h1>${titleOf(session)}</h1>
    <span class=${`state ${session.detail_state}`}><span aria-hidden="true">${sign}</span> ${word} <span class="dim">${age(now - session.since_ms)}</span></span>
    <span class="dim">${facts.filter(Boolean).join(" · ")}</span>${h(Actions, { session })}</header>`;
}

/** @param {{session: any}} props */
function Actions({ session }) {
  const [verdict, setVerdict] = useState("");
  const act = async (/** @type {Promise<any>} */ asked, /** @type {string} */ done) => setVerdict(await asked.then(() => done, sentence));
  const hosted = session.kind === "hosted";
  const at = (/** @type {string} */ verb) => `${path`sessions/${session.id}`}/${verb}`;
  const forget = () => confirm(`Forget ${titleOf(session)}, with its conversation?`) && act(request("DELETE", path`sessions/${session.id}`), "Forgotten.");
  return html`<span class="right actions"><span class="dim" role="status">${verdict}</span>
    ${hosted && may("send", session.id) && session.detail_state === "working" && html`<button data-key="I" onClick=${() => act(post(at("interrupt")), "Interrupting…")}>Interrupt</button>`}
    <details class="more"><summary aria-label="More">⋯</summary><div>
      ${hosted && may("send", session.id) && html`<button onClick=${() => act(post(at("compact")), "Compacting.")}>Compact</button>
        <button onClick=${() => act(post(at("end")), "Its process has ended; a message starts it again.")}>End its process</button>`}
      ${may("admin", session.id) && html`<button class="deny" onClick=${forget}>Forget…</button>`}
      <button onClick=${() => navigator.clipboard?.writeText(`sxhost log ${session.id}`)}>Copy as command</button></div></details></span>`;
}

/** @param {{conversation: Conversation, toEnd: number}} props */
function Log({ conversation, toEnd }) {
  const { items, before, dropped, loaded, error, gone } = useSignal(conversation.window);
  const log = useRef(/** @type {HTMLElement | null} */ (null));
  const following = useRef(true);
  const anchor = useRef(/** @type {{height: number, top: number} | null} */ (null));
  const seen = useRef(0);
  const [below, setBelow] = useState(0);

  useLayoutEffect(() => {
    const place = log.current;
    if (!place) return;
    if (anchor.current) {
      place.scrollTop = anchor.current.top + place.scrollHeight - anchor.current.height;
      anchor.current = null;
    } else if (following.current) {
      place.scrollTop = place.scrollHeight;
      conversation.trim();
    }
    const newest = items.at(-1)?.seq || 0;
    if (following.current) { seen.current = newest; setBelow(0); }
    else setBelow(items.filter((item) => item.seq > seen.current).length);
  }, [items]);

  // Text becomes taller when its Markdown is set, and the window when a keyboard opens.
  useEffect(() => {
    const place = /** @type {HTMLElement} */ (log.current);
    const watcher = new ResizeObserver(() => { if (following.current) place.scrollTop = place.scrollHeight; });
    watcher.observe(place);
    watcher.observe(/** @type {Element} */ (place.firstElementChild));
    return () => watcher.disconnect();
  }, []);

  const goToEnd = () => { following.current = true; setBelow(0); if (log.current) log.current.scrollTop = log.current.scrollHeight; };
  useEffect(() => { if (toEnd) goToEnd(); }, [toEnd]);
  const older = async () => {
    const place = log.current;
    if (place) anchor.current = { height: place.scrollHeight, top: place.scrollTop };
    following.current = false;
    await conversation.older().catch(() => { anchor.current = null; });
  };
  const scrolled = () => {
    const place = /** @type {HTMLElement} */ (log.current);
    following.current = place.scrollHeight - place.scrollTop - place.clientHeight <= AT_END;
    if (following.current) { seen.current = items.at(-1)?.seq || 0; setBelow(0); }
    if (place.scrollTop < 40 && before !== null && !anchor.current) older();
  };

  return html`<div class="log" ref=${log} role="log" aria-live="off" tabindex="0" aria-label="Conversation" onScroll=${scrolled}><div>
      ${error && html`<p class="notice">${error}</p>`}
      ${before !== null && html`<button class="quiet" onClick=${older}>Older</button>`}
      ${before === null && dropped > 0 && html`<p class="mark">What was before event ${dropped + 1} is not kept any more.</p>`}
      ${loaded && !error && items.length === 0 && html`<p class="empty">Nothing was said here yet.</p>`}
      ${items.map((item) => html`<${Item} key=${item.seq} item=${item} />`)}
      ${gone && html`<p class="notice">${gone}</p>`}
    </div></div>
    ${below > 0 && html`<button class="pill" data-key="f" onClick=${goToEnd}>▼ ${below} new below</button>`}`;
}
