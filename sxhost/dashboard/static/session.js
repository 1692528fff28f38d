// @ts-check
// One session: what it is, its conversation, and a line to write in.
import { path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { costOf, stateOf, titleOf } from "./board.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { h, html, useEffect, useMemo, useNow, useSignal, useState } from "./dom.js";
import { age, oneLine } from "./format.js";
import { Log } from "./log.js";
import { may, sessions } from "./state.js";

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
    <nav class="tabs" aria-label="Views">${["", ...Object.keys(VIEWS)].map((name) => html`<a key=${name} href=${`${path`#/s/${id}`}${name && `/${name}`}`} aria-current=${name === (VIEWS[view] ? view : "") ? "page" : undefined}>${name ? VIEWS[name][0] : "Conversation"}</a>`)}</nav>
    ${VIEWS[view] ? h(Other, { key: view, id, view, newest: session?.event_count || 0 }) : h(Talk, { id, session, at: Number(/^e(\d+)$/.exec(view)?.[1] || 0) })}</div>`;
}

/** @param {{id: string, view: string, newest: number}} props */
function Other({ id, view, newest }) {
  const [View, setView] = useState(/** @type {any} */ (null));
  useEffect(() => { VIEWS[view][1]().then((found) => setView(() => found)); }, [view]);
  return View && h(View, { id, newest });
}

/** The conversation, and a line to write in. @param {{id: string, session: any, at: number}} props */
function Talk({ id, session, at }) {
  const conversation = useMemo(() => new Conversation(id, at), [id, at]);
  useEffect(() => { conversation.open(); return () => conversation.close(); }, [conversation]);
  const [toEnd, setToEnd] = useState(0);
  return html`${h(Log, { key: `${id} ${at}`, conversation, toEnd })}
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
