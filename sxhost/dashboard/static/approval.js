// @ts-check
// One question of an agent, whole; nothing can be approved before it has been seen.
import { Refusal, path, post } from "./api.js";
import { Diff } from "./diff.js";
import { h, html, signal, useEffect, useLayoutEffect, useNow, useRef, useSignal, useState } from "./dom.js";
import { ago, clock, duration, oneLine } from "./format.js";
import { Rule } from "./rule.js";
import { loadApprovals, may, me, sessions } from "./state.js";
import { Block, Given, Words, isFields, isLong, written } from "./text.js";

/** How long a card that was read from its begin must have been seen to its end before it can be approved, in milliseconds. */
const LOOK = 400;

/** The agent's own words in a detail: they are said to be its words. */
const SAID = ["description", "reason", "message", "title"];
/** What has an element of its own. */
const SHOWN = new Set(["command", "cwd", "paths", "changes", "diff", ...SAID]);

/** Approvals that are answered together, by `nameOf`: only such as were seen to their end. */
export const selected = signal(/** @type {Set<string>} */ (new Set()));

/** @param {any} approval */
export const nameOf = (approval) => `${approval.session} ${approval.id}`;

/** @param {string} name */
function toggle(name) {
  const changed = new Set(selected.peek());
  if (!changed.delete(name)) changed.add(name);
  selected.value = changed;
}

/** Decide one question; returns what came of it, as a sentence. @param {any} approval @param {object} answer */
export async function answer(approval, answer) {
  try {
    await post(path`sessions/${approval.session}/approvals/${approval.id}`, answer);
    return "Sent; the agent goes on.";
  } catch (error) {
    return sentence(error);
  } finally {
    loadApprovals();
  }
}

/**
 * Decide several questions, each by its own number: never what came after them. Returns what came of each, as sentences.
 * @param {any[]} chosen @param {string} decision @param {string} [reason]
 */
export async function answerEach(chosen, decision, reason = "") {
  try {
    const { results } = await post("approvals", { answers: chosen.map(({ session, id }) => ({ session, id, decision, reason: reason || null })) });
    return chosen.map((approval, at) => `no. ${approval.id} ${oneLine(approval.title, 60)}: ${results[at].ok ? "sent; the agent goes on." : results[at].message}`);
  } catch (error) {
    return [sentence(error)];
  } finally {
    loadApprovals();
  }
}

/** When cards have moved up last, because one has gone: whoever presses then may mean that one. */
let moved = 0;

/** Have no card take a decision for a moment. */
export function noteMove() { moved = Date.now(); }

/** Whether cards have moved a moment ago. */
export const hasMoved = () => Date.now() - moved < LOOK;

/** @param {{approval: any, batch?: boolean}} props */
export function Approval({ approval, batch = false }) {
  const chosen = useSignal(selected).has(nameOf(approval));
  const now = useNow(5);
  useSignal(me);
  const begin = useRef(/** @type {HTMLElement | null} */ (null)), end = useRef(/** @type {HTMLElement | null} */ (null));
  const unread = useUnread(begin, end, approval.id);
  const session = sessions.peek().get(approval.session) || {};
  return html`
    <article class="card" tabindex="0" data-approval=${approval.id} data-session=${approval.session} aria-label=${`${approval.session} asks: ${oneLine(approval.title, 80)}`}>
      <header>
        ${batch && approval.inquiries.length === 0 && !approval.at_terminal_ms && html`<input type="checkbox" data-key="x" aria-label="Answer together with others" title="answer together with others" disabled=${!!unread} checked=${chosen} onChange=${() => toggle(nameOf(approval))} />`}
        <a href=${`#/s/${encodeURIComponent(approval.session)}`}><b>${oneLine(session.title || approval.session, 80)}</b></a>
        <span class="dim">${[session.agent, session.cwd !== approval.detail.cwd && oneLine(session.cwd || "", 60), oneLine(session.git_branch || "", 40)].filter(Boolean).join(" · ")}</span>
        <span class="dim right">no. ${approval.id}, asked ${ago(now - approval.opened_ms)}${approval.expires_ms && `, denied by itself in ${duration(approval.expires_ms - now)}`}</span>
      </header>
      <span ref=${begin}></span>
      ${h(Asked, { approval })}
      <span ref=${end}></span>
      ${approval.resolution ? html`<p class="decisions" role="status">${resolved(approval.resolution)}</p>`
        : approval.at_terminal_ms ? html`<p class="notice">This can only be answered at its terminal, since ${clock(approval.at_terminal_ms)}.</p>`
        : may("approve", approval.session) ? h(Decide, { approval, unread })
        : html`<p class="dim">To answer this, a token with the scope "approve" is needed.</p>`}
    </article>`;
}

/** How a question has ended, and by whom. @param {any} resolution */
export const resolved = ({ decision, by, at_ms: at, reason }) => html`<b>${decision}</b> <span class="dim">by ${by === "own" ? "you" : by}${reason && `: ${oneLine(reason, 120)}`} · ${clock(at)}</span>`;

/** What is said in place of a decision. */
export const MOVED = "It has just moved here: look again.";

const UNREAD = { begin: "Read it from its beginning.", end: "Read it to its end." };

/**
 * What is still to be read of a card, as a sentence; "" once its begin was on the screen, and its end for a moment.
 * @param {{current: HTMLElement | null}} begin @param {{current: HTMLElement | null}} end @param {number | string} id of what it shows
 */
export function useUnread(begin, end, id) {
  const [seen, setSeen] = useState({ of: id, begin: false, end: false });
  useEffect(() => {
    setSeen({ of: id, begin: false, end: false });
    /** @type {(name: keyof typeof UNREAD, place: {current: HTMLElement | null}) => () => void} */
    const watch = (name, place) => {
      let timer = 0;
      const watcher = new IntersectionObserver((entries) => {
        clearTimeout(timer);
        if (entries[entries.length - 1].isIntersecting) timer = window.setTimeout(() => setSeen((now) => (now.of === id ? { ...now, [name]: true } : now)), name === "end" ? LOOK : 0);
      });
      if (place.current) watcher.observe(place.current);
      return () => { watcher.disconnect(); clearTimeout(timer); };
    };
    const ends = [watch("begin", begin), watch("end", end)];
    return () => ends.forEach((leave) => leave());
  }, [id]);
  if (seen.of !== id || !seen.end) return UNREAD.end;
  return seen.begin ? "" : UNREAD.begin;
}

/** Whether each of what an agent offers beside is shown with its button. @param {any} approval */
const areChoices = ({ choices, detail: { offers } }) => offers && Object.keys(offers).every((name) => choices.includes(name));

/** What is asked, whole. @param {{approval: any}} props */
export function Asked({ approval }) {
  const { detail } = approval;
  const rest = Object.entries(detail).filter(([name, value]) => !SHOWN.has(name) && !(name === "offers" && areChoices(approval)) && value !== null && value !== "");
  const command = Array.isArray(detail.command) ? detail.command.join(" ") : detail.command;
  return html`
    ${command ? html`<pre class="block whole">${h(Words, { text: written(command) })}</pre>` : html`<p class="asks">${h(Words, { text: approval.title })}</p>`}
    ${typeof detail.diff === "string" && detail.diff && h(Diff, { diff: detail.diff, whole: true })}
    ${!detail.diff && Array.isArray(detail.changes) && detail.changes.map((/** @type {any} */ change, /** @type {number} */ at) => html`
      <div key=${at}><b>${h(Words, { text: String(change.path || "") })}</b>${h(Diff, { diff: written(change.diff ?? change), whole: true })}</div>`)}
    <dl class="facts">
      ${detail.cwd && h(Fact, { name: "in", value: detail.cwd })}
      ${detail.paths?.length > 0 && h(Fact, { name: "files", value: detail.paths.join("\n") })}
      ${rest.map(([name, value]) => h(Fact, { key: name, name, value }))}
      ${SAID.filter((name) => detail[name] && detail[name] !== command).map((name) => h(Fact, { key: name, name: "the agent says", value: detail[name] }))}
    </dl>`;
}

/** What fields are called that do not say it themselves. @type {Record<string, string>} */
const CALLED = { session: "for this session" };

/** @param {{name: string, value: unknown}} props */
function Fact({ name, value }) {
  const text = Array.isArray(value) && value.every((each) => typeof each === "string") ? value.join("\n") : written(value);
  return html`<dt>${CALLED[name] || name}</dt><dd>${isFields(value) ? h(Given, { given: value, whole: true }) : isLong(text) ? h(Block, { text, whole: true }) : h(Words, { text })}</dd>`;
}

const NAMES = /** @type {Record<string, string>} */ ({ approve: "Approve once", approve_session: "Approve for this session", deny: "Deny", cancel: "Cancel the turn" });

/** @param {{approval: any, unread: string}} props */
function Decide({ approval, unread }) {
  const [verdict, setVerdict] = useState("");
  const [denying, setDenying] = useState(false);
  const [ruling, setRuling] = useState(false);
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const asks = approval.inquiries.length > 0;

  async function decide(/** @type {string} */ decision, /** @type {string} */ reason = "") {
    if (decision !== "deny" && hasMoved()) { setVerdict(MOVED); return; }
    setVerdict("Sending…");
    const answers = asks && decision === "approve" ? answersOf(form.current, approval.inquiries) : null;
    setVerdict(await answer(approval, { decision, reason: reason || null, answers }));
  }

  const others = approval.choices.filter((/** @type {string} */ choice) => !["approve", "deny"].includes(choice));
  const ruled = !asks && may("approve");
  const can = (/** @type {string} */ choice) => approval.choices.includes(choice);
  return html`
    <form ref=${form} onSubmit=${(/** @type {Event} */ event) => event.preventDefault()}>
      ${approval.inquiries.map((/** @type {any} */ inquiry) => h(Inquiry, { key: inquiry.id, inquiry }))}
      <div class="decisions">
        ${can("deny") && html`<button type="button" class="deny" data-key="d" onClick=${() => setDenying(!denying)}>Deny…</button>`}
        ${(others.length > 0 || ruled) && html`<details class="more" data-key="."><summary>Other ▾</summary><div class="others">${others.map((/** @type {string} */ choice) => h(Other, { key: choice, choice, offer: approval.detail.offers?.[choice], unread, decide }))}
          ${ruled && html`<button type="button" aria-expanded=${ruling} onClick=${() => setRuling(!ruling)}>A rule for such…</button>`}</div></details>`}
        <span class="verdict" role="status">${verdict || unread}</span>
        ${can("approve") && html`<button type="button" class="approve" data-key="a" aria-disabled=${!!unread} onClick=${() => !unread && decide("approve")}>${asks ? "Answer" : "Approve once"}</button>`}
      </div>
      ${ruling && h(Rule, { approval, sentence })}
      ${denying && h(Deny, { deny: (/** @type {string} */ reason) => decide("deny", reason) })}
    </form>`;
}

/** A decision that reaches further, with what its agent says that it does. @param {{choice: string, offer: unknown, unread: string, decide: (choice: string) => void}} props */
function Other({ choice, offer, unread, decide }) {
  return html`<span><button type="button" disabled=${!!unread} onClick=${() => decide(choice)}>${NAMES[choice] || oneLine(choice, 60)}</button>
    ${offer !== undefined && html`<span class="dim">it does this:</span>${h(Block, { text: written(offer), whole: true })}`}</span>`;
}

/** @param {{deny: (reason: string) => void}} props */
export function Deny({ deny }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useLayoutEffect(() => field.current?.focus(), []);
  const send = (/** @type {Event} */ event) => { event.preventDefault(); deny(field.current?.value || ""); };
  return html`<div class="denial">
    <input ref=${field} placeholder="What should it do instead? (optional)" aria-label="Words to the agent" maxlength="4000"
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && send(event)} />
    <button type="button" class="deny" onClick=${send}>Deny</button></div>`;
}

/** One question of a form. @param {{inquiry: any}} props */
function Inquiry({ inquiry }) {
  const kind = inquiry.multiple ? "checkbox" : "radio";
  return html`<fieldset><legend>${inquiry.header && html`<b>${h(Words, { text: inquiry.header })}</b> `}${h(Words, { text: inquiry.text })}</legend>
    ${inquiry.options.map((/** @type {any} */ option, /** @type {number} */ at) => html`<label key=${at}>
      <input type=${kind} name=${inquiry.id} value=${option.label} data-key=${at < 9 ? String(at + 1) : undefined} /> ${h(Words, { text: option.label })}
      ${option.description && html` <span class="dim">${h(Words, { text: option.description })}</span>`}</label>`)}
    ${(inquiry.other || !inquiry.options.length) && html`<input type=${inquiry.secret ? "password" : "text"} name=${`${inquiry.id} other`} autocomplete="off"
      aria-label=${inquiry.options.length ? "Something else" : "Your answer"} placeholder=${inquiry.options.length ? "something else" : "your answer"} />`}</fieldset>`;
}

/** @param {HTMLFormElement | null} form @param {any[]} inquiries */
function answersOf(form, inquiries) {
  const data = new FormData(form || undefined);
  return Object.fromEntries(inquiries.map(({ id, multiple }) => {
    const other = String(data.get(`${id} other`) || "");
    const chosen = data.getAll(id).map(String);
    return [id, multiple ? [...chosen, ...(other ? [other] : [])] : other || chosen[0] || ""];
  }));
}

/** What went wrong, as a sentence. @param {unknown} error */
export function sentence(error) {
  if (error instanceof Refusal && error.status === 409 && error.details.decision) {
    return `Answered already by ${error.details.by}: ${error.details.decision}.`;
  }
  return error instanceof Error ? error.message : String(error);
}
