// @ts-check
// Search: in all that was said and done, newest first; each hit leads to its event.
import { get } from "./api.js";
import { sentence } from "./approval.js";
import { h, html, useEffect, useRef, useState } from "./dom.js";
import { clock, oneLine } from "./format.js";
import { Words } from "./text.js";

/** Milliseconds after the last key before the host is asked. */
const PAUSE = 250, PAGE = 50;

/** @typedef {{session: string, seq: number, id: number, ts_ms: number, event: string, agent: string, title: string, project: string, text: string, marks: [number, number][]}} Hit */

/**
 * Ask the host for what has these words.
 * @param {string} words @param {number} [limit] @param {string} [before] @returns {Promise<{hits: Hit[], before: string | null, unindexed: number}>}
 */
export function find(words, limit = PAGE, before = "") {
  const query = new URLSearchParams({ q: words, limit: String(limit), ...(before && { before }) });
  return get(`search?${query}`);
}

/** @param {{id: string, navigate: (to: string) => void}} props */
export function Search({ id: words, navigate }) {
  const [typed, setTyped] = useState(words);
  const [hits, setHits] = useState(/** @type {Hit[]} */ ([]));
  const [more, setMore] = useState({ before: /** @type {string | null} */ (null), unindexed: 0 });
  const [verdict, setVerdict] = useState("");
  const asked = useRef("");
  const ask = async (/** @type {string} */ before) => {
    const wanted = (asked.current = typed.trim());
    if (!wanted) { setHits([]); setMore({ before: null, unindexed: 0 }); setVerdict(""); return; }
    try {
      const page = await find(wanted, PAGE, before);
      if (asked.current !== wanted) return;
      const found = before ? [...hits, ...page.hits] : page.hits;
      setHits(found);
      setMore(page);
      setVerdict(found.length || page.before ? "" : "Nothing that is kept has these words.");
    } catch (error) {
      if (asked.current === wanted) { setHits(before ? hits : []); setVerdict(sentence(error)); }
    }
  };
  useEffect(() => {
    const timer = setTimeout(() => {
      ask("");
      if (typed !== words) history.replaceState(null, "", `#/search/${encodeURIComponent(typed)}`);
    }, PAUSE);
    return () => clearTimeout(timer);
  }, [typed]);
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    /** @type {HTMLElement | null} */ (document.querySelector("a.hit"))?.focus();
  };
  return html`<h1 class="unseen">Search</h1>
    <form class="searching" role="search" onSubmit=${submit}>
      <input type="search" data-key="/" aria-label="Search all conversations" placeholder='words, "a phrase", -without' value=${typed} autocomplete="off"
        onInput=${(/** @type {any} */ event) => setTyped(event.target.value)} />
      <button type="button" class="quiet" onClick=${() => navigate("#/")}>sessions only</button></form>
    <p class="dim" role="status">${verdict}${more.unindexed > 0 && ` Of the oldest events ${more.unindexed} are not searched yet.`}</p>
    <ul class="rows">${hits.map((hit) => html`<li key=${hit.id}>${h(Found, { hit })}</li>`)}</ul>
    ${more.before && html`<button class="quiet" onClick=${() => ask(more.before || "")}>older</button>`}`;
}

/** One hit, with its words marked. @param {{hit: Hit}} props */
function Found({ hit }) {
  return html`<a class="hit" href=${`#/s/${encodeURIComponent(hit.session)}/e${hit.seq}`}>
    <span><b>${oneLine(hit.title || hit.session, 80)}</b> <span class="dim">${[hit.agent, oneLine(hit.project, 40), hit.event, clock(hit.ts_ms)].filter(Boolean).join(" · ")}</span></span>
    ${h(Excerpt, { hit })}</a>`;
}

/** @param {{hit: Hit}} props */
export function Excerpt({ hit }) {
  return html`<span class="excerpt">${marked(hit).map(([text, mark], at) => (mark ? html`<mark key=${at}>${h(Words, { text })}</mark>` : h(Words, { key: at, text })))}</span>`;
}

/** The text of a hit in pieces, and which of them were searched for. @param {Hit} hit @returns {[string, boolean][]} */
function marked({ text, marks }) {
  const characters = [...text];  // marks count these, not units of UTF-16
  /** @type {[string, boolean][]} */
  const found = [];
  let from = 0;
  for (const [begin, end] of marks) {
    found.push([characters.slice(from, begin).join(""), false], [characters.slice(begin, end).join(""), true]);
    from = end;
  }
  return [...found, /** @type {[string, boolean]} */ ([characters.slice(from).join(""), false])].filter(([piece]) => piece);
}
