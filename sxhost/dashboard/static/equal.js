// @ts-check
// Equal questions of several agents, as one card: shown whole once, answered by the number of each.
import { Asked, Deny, MOVED, answerEach, hasMoved, nameOf, useUnread } from "./approval.js";
import { h, html, useNow, useRef, useState } from "./dom.js";
import { ago, duration, oneLine } from "./format.js";
import { may, sessions } from "./state.js";

/** Questions of a card: all of their numbers are seen at once, and a request has room for them. */
const MOST = 20;

/** All that a card shows of a question but who asks, as a text: what differs in anything is another question. @param {any} approval */
function likeness({ kind, title, detail, choices, session }) {
  const { agent = "", cwd = "" } = sessions.peek().get(session) || {};
  return JSON.stringify([agent, cwd, kind, title, detail, choices]);
}

/** Whether a question can be answered together with its like. @param {any} approval */
const isPlain = ({ inquiries, at_terminal_ms: atTerminal, resolution }) => !inquiries.length && !atTerminal && !resolution && may("approve");

/**
 * Questions with their like, each group in the place of its first; one by one those that are to be `apart`.
 * @param {any[]} asked @param {Set<string>} apart by `likeness` @returns {any[][]}
 */
export function together(asked, apart) {
  /** @type {any[][]} */
  const found = [];
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const approval of asked) {
    const what = isPlain(approval) ? likeness(approval) : "";
    const group = what && !apart.has(what) ? groups.get(what) : undefined;
    if (group && group.length < MOST) { group.push(approval); continue; }
    const begun = [approval];
    found.push(begun);
    if (what) groups.set(what, begun);
  }
  return found;
}

/** @param {{asked: any[], split: (what: string) => void, say: (verdicts: string[]) => void}} props */
export function Equal({ asked, split, say }) {
  const begin = useRef(/** @type {HTMLElement | null} */ (null)), end = useRef(/** @type {HTMLElement | null} */ (null));
  const [denying, setDenying] = useState(false);
  const [verdict, setVerdict] = useState("");
  const now = useNow(5);
  // Whoever joins, or goes, makes it another question, to be read again.
  const unread = useUnread(begin, end, asked.map(nameOf).join());
  const decide = async (/** @type {string} */ decision, /** @type {string} */ reason = "") => {
    if (decision === "approve" && hasMoved()) { setVerdict(MOVED); return; }
    setVerdict("Sending…");
    say(await answerEach(asked, decision, reason));
    setVerdict("");
  };
  const [first] = asked;
  const can = (/** @type {string} */ choice) => first.choices.includes(choice);
  return html`
    <article class="card" tabindex="0" data-alike=${asked.length} aria-label=${`${asked.length} ask the same: ${oneLine(first.title, 80)}`}>
      <header><b>${asked.length} ask the same</b> <span class="dim">${oneLine(sessions.peek().get(first.session)?.cwd || "", 60)}</span> <button type="button" class="quiet right" onClick=${() => split(likeness(first))}>one by one</button></header>
      <span ref=${begin}></span>
      <ul class="plain">${asked.map((approval) => h(Asker, { key: nameOf(approval), approval, now }))}</ul>
      ${h(Asked, { approval: first })}
      <span ref=${end}></span>
      <div class="decisions">
        ${can("deny") && html`<button type="button" class="deny" data-key="d" onClick=${() => setDenying(!denying)}>Deny these ${asked.length}…</button>`}
        <span class="verdict" role="status">${verdict || unread}</span>
        ${can("approve") && html`<button type="button" class="approve" data-key="a" aria-disabled=${!!unread} onClick=${() => !unread && decide("approve")}>Approve these ${asked.length} once</button>`}
      </div>
      ${denying && h(Deny, { deny: (/** @type {string} */ reason) => decide("deny", reason) })}
    </article>`;
}

/** Who asks, and by which number it is answered. @param {{approval: any, now: number}} props */
function Asker({ approval, now }) {
  const session = sessions.peek().get(approval.session) || {};
  return html`<li><a href=${`#/s/${encodeURIComponent(approval.session)}`}>${oneLine(session.title || approval.session, 80)}</a>${" "}
    <span class="dim">${[session.agent, oneLine(session.git_branch || "", 40)].filter(Boolean).join(" · ")} · no. ${approval.id}, asked ${ago(now - approval.opened_ms)}${approval.expires_ms && `, denied by itself in ${duration(approval.expires_ms - now)}`}</span></li>`;
}
