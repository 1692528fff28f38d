// @ts-check
// Ctrl-K: go to a session, do something, or find what was said.
import { titleOf, stateOf } from "./board.js";
import { h, html, useEffect, useRef, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { Excerpt, find } from "./search.js";
import { groupOf, may, sessions } from "./state.js";

/** Sessions that are listed, and hits. */
const MOST = 8, HITS = 5, PAUSE = 250;

/** @typedef {{name: string, more: string, to: string}} Choice */

/** @type {Choice[]} */
const PLACES = [
  { name: "Board", more: "g b", to: "#/" }, { name: "Inbox", more: "g i", to: "#/inbox" },
  { name: "New agent", more: "n", to: "#/new" }, { name: "Search what was said", more: "g s", to: "#/search" }, { name: "Usage", more: "g u", to: "#/usage" }, { name: "Activity", more: "g a", to: "#/activity" }, { name: "Host", more: "g h", to: "#/host" },
];

const RANK = { needs: 0, working: 1, idle: 2, over: 3 };

/** What the words fit, those first that need somebody. @param {string} words @returns {Choice[]} */
function choices(words) {
  const parts = words.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (/** @type {string} */ text) => parts.every((part) => text.toLowerCase().includes(part));
  const places = PLACES.filter(({ name, to }) => fits(name) && (to !== "#/new" || may("admin")));
  const found = [...sessions.peek().values()]
    .filter((session) => fits(`${session.id} ${session.title} ${session.agent} ${session.project || ""}`))
    .sort((a, b) => RANK[groupOf(a)] - RANK[groupOf(b)] || b.since_ms - a.since_ms).slice(0, MOST)
    .map((session) => ({ name: titleOf(session), more: `${session.agent || session.kind} · ${stateOf(session)[1]}`, to: `#/s/${encodeURIComponent(session.id)}` }));
  return parts.length ? [...found, ...places] : [...places, ...found];
}

/** @param {{close: () => void, navigate: (to: string) => void}} props */
export function Palette({ close, navigate }) {
  const [words, setWords] = useState("");
  const [at, setAt] = useState(0);
  const [hits, setHits] = useState(/** @type {any[]} */ ([]));
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => { box.current?.showModal(); }, []);
  useEffect(() => {
    setAt(0);
    setHits([]);
    let wanted = words.trim().length > 1;
    const timer = setTimeout(async () => {
      const page = wanted && await find(words.trim(), HITS).catch(() => null);
      if (wanted && page) setHits(page.hits);
    }, PAUSE);
    return () => { wanted = false; clearTimeout(timer); };
  }, [words]);
  const found = choices(words);
  const all = [...found.map(({ to }) => to), ...hits.map((hit) => `#/s/${encodeURIComponent(hit.session)}/e${hit.seq}`)];
  const go = (/** @type {string} */ to) => { close(); navigate(to); };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((at + step + all.length) % Math.max(1, all.length));
    else if (event.key === "Enter" && all[at]) go(all[at]);
    else return;
    event.preventDefault();
  };
  return html`<dialog class="palette" ref=${box} aria-label="Go to" onClose=${close} onClick=${(/** @type {Event} */ event) => event.target === box.current && close()}>
    <input type="search" role="combobox" aria-expanded="true" aria-controls="choices" aria-activedescendant=${`choice-${at}`} aria-label="Session, place or words" placeholder="a session, a place, or words that were said" value=${words}
      onInput=${(/** @type {any} */ event) => setWords(event.target.value)} onKeyDown=${pressed} />
    <ul id="choices" class="plain" role="listbox" aria-label="Choices">
      ${found.map(({ name, more, to }, place) => html`<li key=${to} id=${`choice-${place}`} role="option" aria-selected=${place === at} onClick=${() => go(to)}><b>${name}</b> <span class="dim">${more}</span></li>`)}
      ${hits.map((hit, place) => html`<li key=${hit.id} id=${`choice-${found.length + place}`} role="option" aria-selected=${found.length + place === at} onClick=${() => go(all[found.length + place])}><b>${oneLine(hit.title || hit.session, 60)}</b> ${h(Excerpt, { hit })}</li>`)}
      ${all.length === 0 && html`<li class="dim" role="option" aria-selected="false">Nothing has these words.</li>`}</ul></dialog>`;
}
