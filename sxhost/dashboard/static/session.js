// @ts-check
// One session: what it is, its conversation, and a line to write in.
import { path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { costOf, stateOf, titleOf } from "./board.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { copy } from "./copy.js";
import { h, html, useEffect, useMemo, useNow, useSignal, useState } from "./dom.js";
import { age, oneLine, project, shortModel } from "./format.js";
import { Log, placeOf } from "./log.js";
import { link, may, sessions } from "./state.js";

/** @type {Record<string, [string, () => Promise<any>]>} */
const VIEWS = {
  changes: ["Changes", async () => (await import("./changes.js")).Changes],
  events: ["Events", async () => (await import("./events.js")).Events],
  usage: ["Usage", async () => (await import("./usage.js")).Usage],
  about: ["About", async () => (await import("./about.js")).About],
};

/** @param {{id: string, view: string}} props */
export function Session({ id, view }) {
  const session = useSignal(sessions).get(id);
  return html`<div class="session" data-screen data-command=${`sxhost log ${id}`} data-link=${path`#/s/${id}`}>
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
  const conversation = useMemo(() => new Conversation(id, at || placeOf(id)?.seq), [id, at]);
  useEffect(() => { conversation.open(); return () => conversation.close(); }, [conversation]);
  useLook(conversation, session);
  const [toEnd, setToEnd] = useState(0);
  return html`${h(Log, { key: `${id} ${at}`, conversation, toEnd, aimed: at })}
    ${session && h(Composer, { key: id, session, sent: () => setToEnd((times) => times + 1) })}`;
}

/** Milliseconds for which its end is on the screen before somebody has looked at it. */
const LOOK = 1000;

/** Tell the host that somebody has looked at a session, for all screens. @param {Conversation} conversation @param {any} session */
function useLook(conversation, session) {
  const newest = session?.event_count || 0;
  useEffect(() => {
    if (!session || session.seen_seq >= newest || !may("send", session.id)) return undefined;
    const look = () => {
      if (document.hidden || !conversation.following || !conversation.window.peek().loaded) return;
      post(`${path`sessions/${session.id}`}/seen`, { seq: newest }).catch(() => {});
    };
    const timer = setTimeout(look, LOOK);
    document.addEventListener("visibilitychange", look);
    return () => { clearTimeout(timer); document.removeEventListener("visibilitychange", look); };
  }, [conversation, session?.id, newest]);
}

/** @param {{session: any}} props */
function Head({ session }) {
  const now = useNow(1, useSignal(link.state).status !== "live");
  const [sign, word] = stateOf(session);
  const facts = [session.agent || session.kind, oneLine(shortModel(session.model, session.agent), 40), costOf(session), oneLine(session.project || project(session.cwd), 40), oneLine(session.git_branch, 40)];
  return html`<header class="head"><h1 title=${titleOf(session)}>${titleOf(session)}</h1>
    <span class=${`state ${session.detail_state}`}><span aria-hidden="true">${sign}</span> ${word} <span class="dim">${age(now - session.since_ms)}</span></span>
    <span class="dim" title=${[session.model, session.cwd].filter(Boolean).join(" · ")}>${facts.filter(Boolean).join(" · ")}</span>${h(Actions, { session })}</header>`;
}

/** Something of a session that can be changed. @param {{name: string, value: string, save: (value: string) => void}} props */
function Field({ name, value, save }) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    save(String(new FormData(/** @type {HTMLFormElement} */ (event.target)).get("value")).trim());
  };
  return html`<form class="field" onSubmit=${submit}><label>${name} <input name="value" required autocomplete="off" defaultValue=${value} /></label><button>Change</button></form>`;
}

/** Milliseconds for which it is said what came of an action. */
const SAID = 6000;

/** @param {{session: any}} props */
function Actions({ session }) {
  const [verdict, setVerdict] = useState("");
  const [open, setOpen] = useState(false);
  const act = async (/** @type {Promise<any>} */ asked, /** @type {string} */ done) => setVerdict(await asked.then(() => done, sentence));
  useEffect(() => {
    const timer = setTimeout(() => setVerdict(""), SAID);
    return () => clearTimeout(timer);
  }, [verdict]);
  const hosted = session.kind === "hosted";
  const at = (/** @type {string} */ verb) => `${path`sessions/${session.id}`}/${verb}`;
  const forget = () => confirm(`Forget ${titleOf(session)}, with its conversation?`) && act(request("DELETE", path`sessions/${session.id}`), "Forgotten.");
  return html`<span class="right actions"><span class="dim" role="status">${verdict}</span>
    ${hosted && may("send", session.id) && session.detail_state === "working" && html`<button data-key="I" onClick=${() => act(post(at("interrupt")), "Interrupting…")}>Interrupt</button>`}
    <details class="more" onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}><summary aria-label="More">⋯</summary>${open && html`<div>
      ${hosted && may("send", session.id) && html`<button onClick=${() => act(post(at("compact")), "Compacting.")}>Compact</button>
        <button onClick=${() => act(post(at("end")), "Its process has ended; a message starts it again.")}>End its process</button>`}
      ${may("send", session.id) && html`<button data-key="m" onClick=${() => act(post(at("seen"), { flag: !session.flagged }), session.flagged ? "No longer for later." : "Marked for later.")}>${session.flagged ? "No longer for later" : "Look at it later"} <kbd>m</kbd></button>
        ${h(Field, { name: "Title", value: session.title, save: (/** @type {string} */ title) => act(post(at("register"), { title }), "Renamed.") })}`}
      ${hosted && may("send", session.id) && h(Field, { name: "Model", value: session.model, save: (/** @type {string} */ model) => act(post(at("model"), { model }), "Its next turn has that model.") })}
      <button onClick=${() => copy(`sxhost log ${session.id}`)}>Copy as command <kbd>y</kbd></button>
      <button onClick=${() => copy(new URL(path`#/s/${session.id}`, location.href).href)}>Copy its link <kbd>Y</kbd></button>
      ${may("admin", session.id) && html`<hr /><button class="deny" onClick=${forget}>Forget…</button>`}</div>`}</details></span>`;
}
