// @ts-check
// The page: its frame, and which of its screens is shown.
import { Board } from "./board.js";
import { copied } from "./copy.js";
import { h, html, mount, useEffect, useErrorBoundary, useNow, useSignal, useState } from "./dom.js";
import { preload } from "./first.js";
import { age } from "./format.js";
import { HELP, listen } from "./keys.js";
import { watch } from "./notices.js";
import { approvals, link, may, me, start } from "./state.js";
import { compareVersion, outdated } from "./version.js";

/** A lost link is not worth a word before it has lasted so long. */
const BRIEFLY = 2000;
/** Milliseconds after which what may be wanted next is loaded. */
const IDLE = 1000;

/** Screens beside the board are loaded when they are shown. @type {Record<string, () => Promise<any>>} */
const SCREENS = {
  s: async () => (await import("./session.js")).Session,
  inbox: async () => (await import("./inbox.js")).Inbox,
  search: async () => (await import("./search.js")).Search,
  new: async () => (await import("./launch.js")).Launch,
  host: async () => (await import("./hostpage.js")).HostPage,
  usage: async () => (await import("./spending.js")).Spending,
  activity: async () => (await import("./activity.js")).Activity,
};

/** A part of an address that somebody may have typed. @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const navigate = (/** @type {string} */ to) => { location.hash = to; };

function App() {
  const [place, setPlace] = useState(location.hash);
  const [search, setSearch] = useState("");
  /** What lies over the screen: the help, or the palette. */
  const [over, setOver] = useState(/** @type {"" | "help" | "palette"} */ (""));
  const state = useSignal(link.state);
  useSignal(me);  // who may do what is known a moment after the page
  useEffect(() => {
    window.addEventListener("hashchange", () => { setPlace(location.hash); setOver(""); });
    listen({ go: navigate, up: () => setOver((now) => { if (!now) navigate("#/"); return ""; }), help: () => setOver((now) => (now ? "" : "help")), palette: () => setOver("palette") });
    setTimeout(() => {
      // It is to be there at once: what is typed next is meant for it.
      palette().catch(() => {});
      for (const screen of ["s", "inbox"]) preload(screen);
      import("./offline.js").then(({ keepShell }) => keepShell()).catch(() => {});
    }, IDLE);
  }, []);
  const [screen = "", argument = "", view = ""] = place.replace(/^#\/?/, "").split("/");
  return html`
    ${h(Bar, { screen, search, setSearch })}
    ${h(LinkLine, { state })}
    ${h(VersionLine, { live: state.status === "live" })}
    <main>${state.status === "denied" ? html`<${Denied} />` : h(Screen, { key: screen === "s" ? `s/${argument}` : screen, screen, argument: decoded(argument), view, search, setSearch, frozen: state.status !== "live" })}</main>
    ${over === "help" && html`<${Help} close=${() => setOver("")} />`}
    ${over === "palette" && html`<${Late} load=${palette} close=${() => setOver("")} navigate=${navigate} />`}
    ${h(Copied, null)}
    <div class="unseen" role="status" aria-live="polite">${h(News, null)}</div>`;
}

/** @param {{screen: string, search: string, setSearch: (words: string) => void}} props */
function Bar({ screen, search, setSearch }) {
  const asked = useSignal(approvals).length;
  const identity = useSignal(me);
  const all = !identity || may("admin"), alone = !!identity?.session;  // what would only say that it cannot be done is not offered
  const to = (/** @type {string} */ name, /** @type {any} */ words, wide = false) => html`<a class=${wide ? "wide" : undefined} href=${`#/${name}`} aria-current=${screen === name ? "page" : undefined}>${words}</a>`;
  return html`<nav><b class="brand">sxhost</b> ${to("inbox", html`Inbox${asked > 0 && html` <span class="badge">${asked}</span>`}`)} ${to("", "Board")} ${to("search", "Search")} ${all && to("new", "New")} ${alone || to("usage", "Usage", true)} ${alone || to("activity", "Activity", true)} ${to("host", "Host")}
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

/** Says that the host was updated: parts of this page that are not loaded yet are not there any more. @param {{live: boolean}} props */
function VersionLine({ live }) {
  const old = useSignal(outdated);
  const [connected, setConnected] = useState(false);
  useEffect(() => {
    // What a worker has kept may be older than the host.
    if (live && (connected || navigator.serviceWorker?.controller)) compareVersion();
    if (live) setConnected(true);
  }, [live]);
  return old && html`<p class="link" role="status">The host has a new version of this page. <button class="quiet" onClick=${() => location.reload()}>reload</button> What you have begun to write is kept.</p>`;
}

/** What is shown in place of a part of the page that cannot be loaded. */
function Missing() {
  return html`<p class="notice">This part of the page cannot be loaded: the host does not answer, or has a new version of it. <button class="quiet" onClick=${() => location.reload()}>reload</button></p>`;
}

const palette = async () => (await import("./palette.js")).Palette;

/** A part of the page that is loaded when it is shown. @param {{load: () => Promise<any>} & Record<string, any>} props */
function Late({ load, ...props }) {
  const [View, setView] = useState(/** @type {any} */ (null));
  useEffect(() => { load().then((found) => setView(() => found), () => { compareVersion(); setView(() => Missing); }); }, [load]);
  return View && h(View, props);
}

/** @param {{screen: string, argument: string, view: string, search: string, setSearch: (words: string) => void, frozen: boolean}} props */
function Screen({ screen, argument, view, search, setSearch, frozen }) {
  const [error, reset] = useErrorBoundary();
  if (error) return html`<p class="notice">This part of the page has failed: ${String(error)} <button class="quiet" onClick=${reset}>try again</button></p>`;
  if (SCREENS[screen]) return h(Late, { load: SCREENS[screen], id: argument, view, navigate });
  return h(Board, { search, setSearch, frozen });
}

function Denied() {
  return html`<div class="empty"><h2>This browser is not logged in</h2><p>Where the host runs, type <code>sxhost open</code>: it makes a link that logs one browser in. What you have written here is kept.</p></div>`;
}

/** @param {{close: () => void}} props */
function Help({ close }) {
  return html`<dialog open class="help" aria-label="Keys"><header><h2>Keys</h2><button class="right" onClick=${close}>Close</button></header><dl class="facts">${HELP.map(([key, words]) => html`<dt><kbd>${key}</kbd></dt><dd>${words}</dd>`)}</dl></dialog>`;
}

function Copied() {
  const words = useSignal(copied);
  return html`<p class=${words ? "copied" : "unseen"} role="status">${words}</p>`;
}

/** Keep the page above a keyboard on the glass: where the browser does not shrink it by itself, what is seen of it says so. */
function fit() {
  const seen = window.visualViewport;
  seen?.addEventListener("resize", () => {
    document.documentElement.style.setProperty("--seen", `${Math.round(seen.height * seen.scale)}px`);
    window.scrollTo(0, 0);
  });
}

/** What a screen reader is told: that somebody asks. */
function News() {
  const asked = useSignal(approvals);
  const newest = asked.at(-1);
  return newest ? `${newest.session} asks: ${newest.title.slice(0, 120)}` : "";
}

fit();
watch();
start();
mount(/** @type {HTMLElement} */ (document.getElementById("app")), html`<${App} />`);
