// @ts-check
// Words to an agent: what will become of them is said before they are sent, and cleared when they are kept.
import { get, path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { h, html, useEffect, useRef, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { may } from "./state.js";
import { Words } from "./text.js";

const MODES = /** @type {Record<string, string>} */ ({ auto: "as it can", interrupt: "now, interrupting", queue: "after this turn" });

/** What will become of a message, before it is sent. @param {any} session @param {string} mode */
function prospect(session, mode) {
  const works = ["working", "waiting", "stalled"].includes(session.detail_state);
  if (session.kind !== "hosted") return works ? "it hears this at its next tool, or after its turn" : "it hears this when somebody types at its terminal";
  if (session.rest) return "this starts it again";
  if (!works) return "this begins a turn";
  return { auto: "it works: this joins the turn, if its agent can take it", interrupt: "it works: this cuts into the turn", queue: "this waits for the end of the turn" }[mode] || "";
}

/** @param {{session: any, sent: () => void}} props */
export function Composer({ session, sent }) {
  const draftKey = `sxhost.draft ${session.id}`;
  const [text, setText] = useState(sessionStorage.getItem(draftKey) || "");
  const [mode, setMode] = useState("auto");
  const [verdict, setVerdict] = useState("");
  const key = useRef("");
  const words = useRef(text);  // what is typed may be ahead of what is drawn
  const change = (/** @type {string} */ typed) => {
    if (typed) setVerdict("");
    words.current = typed;
    setText(typed);
    sessionStorage.setItem(draftKey, typed);
  };

  async function send() {
    if (!words.current.trim()) return;
    key.current ||= crypto.randomUUID?.() || String(Math.random());
    try {
      const { note } = await post(path`sessions/${session.id}/messages`, { content: words.current, mode, key: key.current });
      key.current = "";
      change("");
      setVerdict(note || "");
      sent();
    } catch (error) {
      setVerdict(sentence(error));
    }
  }

  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    else if (event.key === "Escape") /** @type {HTMLElement} */ (event.target).blur();
  };
  if (!may("send", session.id)) return html`<p class="dim composer">To write here, a token with the scope "send" is needed.</p>`;
  return html`<div class="composer">
    ${h(Waiting, { session, edit: change })}
    <textarea rows="2" placeholder=${`Message to ${session.agent || "the agent"}`} aria-label="Message" data-key="c" value=${text}
      onInput=${(/** @type {any} */ event) => change(event.target.value)} onKeyDown=${pressed}></textarea>
    <div class="decisions"><select aria-label="When" value=${mode} onChange=${(/** @type {any} */ event) => setMode(event.target.value)}>
        ${Object.entries(MODES).map(([name, words]) => html`<option key=${name} value=${name}>${words}</option>`)}</select>
      <span class="dim verdict" role="status">${(!text && verdict) || prospect(session, mode)}</span>
      <button class="approve" onClick=${send}>Send <kbd>Ctrl ⏎</kbd></button></div></div>`;
}

/** Messages that nobody has taken yet. @param {{session: any, edit: (words: string) => void}} props */
function Waiting({ session, edit }) {
  const [messages, setMessages] = useState(/** @type {any[]} */ ([]));
  useEffect(() => {
    if (!session.queued_messages) { setMessages([]); return; }
    get(`${path`sessions/${session.id}/messages`}?peek=1`).then((all) => setMessages(all.filter((/** @type {any} */ each) => each.state === "queued" || each.state === "leased")), () => {});
  }, [session.id, session.queued_messages]);
  const withdraw = async (/** @type {any} */ message, /** @type {boolean} */ again) => {
    await request("DELETE", path`sessions/${session.id}/messages/${message.id}`).then(() => {
      if (again) edit(message.content);
      setMessages(messages.filter((each) => each !== message));
    }, () => {});
  };
  return html`<ul class="plain">${messages.map((message) => html`<li key=${message.id}><span class="dim">${message.state === "leased" ? "taken, not yet heard" : "queued"}</span> ${h(Words, { text: oneLine(message.content, 200) })}
    ${message.state === "queued" && html` <button class="quiet" onClick=${() => withdraw(message, true)}>edit</button> <button class="quiet" onClick=${() => withdraw(message, false)}>withdraw</button>`}</li>`)}</ul>`;
}
