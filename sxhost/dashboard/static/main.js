// @ts-check
// The page: its frame, and which of its screens is shown.
import { takeLogin } from "./api.js";
import { Board } from "./board.js";
import { h, html, mount, useEffect, useErrorBoundary, useNow, useSignal, useState } from "./dom.js";
import { age } from "./format.js";
import { HELP, listen } from "./keys.js";
import { watch } from "./notices.js";
import { approvals, link, me, start } from "./state.js";

/** A lost link is not worth a word before it has lasted so long. */
const BRIEFLY = 2000;

/** Screens that are not needed at first are loaded when they are. @type {Record<string, () => Promise<any>>} */
const SCREENS = {
  inbox: async () => (await import("./inbox.js")).Inbox,
  s: async () => (await import("./session.js")).Session,
  new: async () => (await import("./launch.js")).Launch,
  host: async () => (await import("./hostpage.js")).HostPage,
};

const navigate = (/** @type {string} */ to) => { location.hash = to; };

function App() {
  const [place, setPlace] = useState(location.hash);
  const [search, setSearch] = useState("");
  const [helping, setHelping] = useState(false);
  const state = useSignal(link.state);
  useEffect(() => {
    window.addEventListener("hashchange", () => { setPlace(location.hash); setHelping(false); });
    listen({ go: navigate, up: () => { setHelping(false); navigate("#/"); }, help: () => setHelping((on) => !on) });
  }, []);
  const [screen = "", argument = "", view = ""] = place.replace(/^#\/?/, "").split("/");
  return html`
    ${h(Bar, { screen, search, setSearch })}
    ${h(LinkLine, { state })}
    <main>${state.status === "denied" ? html`<${Denied} />` : h(Screen, { key: `${screen}/${argument}`, screen, argument: decodeURIComponent(argument), view, search, frozen: state.status !== "live" })}</main>
    ${helping && html`<${Help} close=${() => setHelping(false)} />`}
    <div class="unseen" role="status" aria-live="polite">${h(News, null)}</div>`;
}

/** @param {{screen: string, search: string, setSearch: (words: string) => void}} props */
function Bar({ screen, search, setSearch }) {
  const asked = useSignal(approvals).length;
  const identity = useSignal(me);
  const to = (/** @type {string} */ name, /** @type {any} */ words) => html`<a href=${`#/${name}`} aria-current=${screen === name ? "page" : undefined}>${words}</a>`;
  return html`<nav><b class="brand">sxhost</b> ${to("inbox", html`Inbox${asked > 0 && html` <span class="badge">${asked}</span>`}`)} ${to("", "Board")} ${to("new", "New")} ${to("host", "Host")}
    <input id="search" type="search" placeholder="/ search" aria-label="Search sessions" value=${search} onInput=${(/** @type {any} */ event) => { setSearch(event.target.value); if (screen) navigate("#/"); }} />
    <span class="dim machine">${identity?.host.name}</span></nav>`;
}

/** How the link is, in a line; nothing while it is well. @param {{state: import("./link.js").LinkState}} props */
function LinkLine({ state }) {
  const now = useNow(1);
  if (state.status === "live" || state.status === "denied" || now - state.since < BRIEFLY) return null;
  const next = state.retry > now ? `, next try in ${age(state.retry - now)}` : "";
  const what = state.stopping ? "The host restarts; it went away" : "Link lost";
  const words = state.status === "connecting" ? "Connecting…" : `${what} ${age(now - state.since)} ago${next}. What you see is from then.`;
  return html`<p class="link" role="status">${words} <button class="quiet" onClick=${() => link.connect()}>now</button></p>`;
}

/** @param {{screen: string, argument: string, view: string, search: string, frozen: boolean}} props */
function Screen({ screen, argument, view, search, frozen }) {
  const [View, setView] = useState(/** @type {any} */ (null));
  const [error, reset] = useErrorBoundary();
  useEffect(() => { SCREENS[screen]?.().then((found) => setView(() => found), (failure) => setView(() => () => html`<p class="notice">${String(failure)}</p>`)); }, [screen]);
  if (error) return html`<p class="notice">This part of the page has failed: ${String(error)} <button class="quiet" onClick=${reset}>try again</button></p>`;
  if (!SCREENS[screen]) return h(Board, { search, frozen });
  return View && h(View, { id: argument, view, navigate });
}

function Denied() {
  return html`<div class="empty"><h2>This browser is not logged in</h2><p>Where the host runs, type <code>sxhost open</code>: it makes a link that logs one browser in. What you have written here is kept.</p></div>`;
}

/** @param {{close: () => void}} props */
function Help({ close }) {
  return html`<dialog open class="help" aria-label="Keys"><h2>Keys</h2><dl class="facts">${HELP.map(([key, words]) => html`<dt><kbd>${key}</kbd></dt><dd>${words}</dd>`)}</dl><button onClick=${close}>Close</button></dialog>`;
}

/** What a screen reader is told: that somebody asks. */
function News() {
  const asked = useSignal(approvals);
  const newest = asked.at(-1);
  return newest ? `${newest.session} asks: ${newest.title.slice(0, 120)}` : "";
}

takeLogin();
watch();
start();
mount(/** @type {HTMLElement} */ (document.getElementById("app")), html`<${App} />`);
