// @ts-check
// Words to an agent: what will become of them is said before they are sent, and cleared when they are kept.
import { get, path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { h, html, useEffect, useRef, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { may } from "./state.js";
import { Words } from "./text.js";

const MODES = /** @type {Record<string, string>} */ ({ auto: "as it can", interrupt: "now, interrupting", queue: "after this turn" });

/** What will become of a message, before it is sent. @param {any} session @param {string} mode @param {string} heard when an agent at its own terminal hears it */
function prospect(session, mode, heard) {
  const busy = works(session);
  if (session.kind !== "hosted") return busy && mode === "queue" ? "it hears this after its turn" : heard;
  if (session.rest) return "this starts it again";
  if (!busy) return "this begins a turn";
  return { auto: "it works: this joins the turn, if its agent can take it", interrupt: "it works: this cuts into the turn", queue: "this waits for the end of the turn" }[mode] || "";
}

/**
 * When an agent at its own terminal hears what is sent now, in the host's words; and what asks again.
 * @param {any} session @returns {[string, () => void]}
 */
function useHeard({ id, kind, detail_state: state, turn_since_ms: turn }) {
  const [note, setNote] = useState("");
  const ask = () => { if (kind !== "hosted") get(path`sessions/${id}`).then((found) => setNote(found.note), () => {}); };
  useEffect(ask, [id, kind, state, turn]);
  return [note, ask];
}

/** Characters from which on a draft is kept once its writer pauses, and milliseconds that he pauses. */
const LONG = 20_000, KEEP = 500;

/** Keep a draft in this browser, if there is room for it. @param {string} name @param {string} text */
function keep(name, text) {
  try {
    sessionStorage.setItem(name, text);
  } catch {
    sessionStorage.removeItem(name);  // a part of it would be sent as if it were all
  }
}

/** Whether its agent is in the middle of something. @param {any} session */
const works = (session) => ["working", "waiting", "stalled"].includes(session.detail_state);

/** Send words with pictures: only a turn takes these. @param {any} session @param {string} text @param {import("./pictures.js").Picture[]} pictures */
function sendPictures(session, text, pictures) {
  const input = [...(text.trim() ? [{ type: "text", text }] : []), ...pictures.map((picture) => ({ type: "image", ...picture }))];
  const verb = works(session) ? "steer" : "turns";
  return post(`${path`sessions/${session.id}`}/${verb}`, { input });
}

/** @param {{session: any, sent: () => void}} props */
export function Composer({ session, sent }) {
  const draftKey = `sxhost.draft ${session.id}`;
  const [text, setText] = useState(sessionStorage.getItem(draftKey) || "");
  const [mode, setMode] = useState("auto");
  const [verdict, setVerdict] = useState("");
  const key = useRef("");
  const words = useRef(text);  // what is typed may be ahead of what is drawn
  const keeping = useRef(0);
  const change = (/** @type {string} */ typed) => {
    if (typed) setVerdict("");
    words.current = typed;
    setText(typed);
    clearTimeout(keeping.current);
    if (typed.length < LONG) keep(draftKey, typed);
    else keeping.current = window.setTimeout(() => keep(draftKey, typed), KEEP);
  };

  const [heard, askAgain] = useHeard(session);
  const [files, setFiles] = useState(/** @type {File[]} */ ([]));
  const [attaching, setAttaching] = useState(/** @type {typeof import("./attach.js") | null} */ (null));
  const pictures = useRef(/** @type {import("./pictures.js").Picture[]} */ ([]));
  const attach = (/** @type {FileList | undefined} */ given, /** @type {Event} */ event) => {
    const added = [...(given || [])];
    if (!added.length) return;
    event.preventDefault();  // else a browser would go to the file
    if (session.kind !== "hosted") { setVerdict("An agent at its own terminal takes words only."); return; }
    if (!added.some((file) => file.type.startsWith("image/"))) { setVerdict("Only pictures go with a message."); return; }
    import("./attach.js").then((found) => { setAttaching(found); setFiles((now) => found.joined(now, added)); }, (error) => setVerdict(sentence(error)));
  };

  async function send() {
    if (files.length > pictures.current.length) { setVerdict("The pictures are not ready yet."); return; }
    if (!words.current.trim() && !files.length) return;
    key.current ||= crypto.randomUUID?.() || String(Math.random());
    try {
      const { note } = files.length ? await sendPictures(session, words.current, pictures.current)
        : await post(path`sessions/${session.id}/messages`, { content: words.current, mode, key: key.current });
      setFiles([]);
      key.current = "";
      change("");
      setVerdict(note || "");
      setTimeout(() => setVerdict((now) => (now === note ? "" : now)), SAID);
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
  return html`<div class="composer" onPaste=${(/** @type {ClipboardEvent} */ event) => event.clipboardData?.getData("text/plain") || attach(event.clipboardData?.files, event)}
    onDragOver=${(/** @type {DragEvent} */ event) => event.preventDefault()} onDrop=${(/** @type {DragEvent} */ event) => attach(event.dataTransfer?.files, event)}>
    ${h(Waiting, { session, edit: change })}
    ${attaching && files.length > 0 && h(attaching.Tray, { files, change: setFiles, ready: (/** @type {any[]} */ found) => { pictures.current = found; }, fail: setVerdict })}
    <textarea rows="2" placeholder=${`Message to ${session.agent || "the agent"}`} aria-label="Message" data-key="c" value=${text} onFocus=${askAgain}
      onInput=${(/** @type {any} */ event) => change(event.target.value)} onKeyDown=${pressed}></textarea>
    <div class="decisions"><select aria-label="When" value=${files.length ? "auto" : mode} disabled=${files.length > 0} onChange=${(/** @type {any} */ event) => setMode(event.target.value)}>
        ${Object.entries(MODES).map(([name, words]) => html`<option key=${name} value=${name}>${words}</option>`)}</select>
      ${session.kind === "hosted" && html`<label class="attach" title="paste, drop or choose pictures">Picture…<input class="unseen" type="file" accept="image/*" multiple onChange=${(/** @type {any} */ event) => { attach(event.target.files, event); event.target.value = ""; }} /></label>`}
      <span class="dim verdict" role="status">${verdict || prospect(session, files.length ? "auto" : mode, heard)}</span>
      <button class="approve" onClick=${send}>Send <kbd>Ctrl ⏎</kbd></button></div></div>`;
}

/** Milliseconds for which it is said what became of a message. */
const SAID = 10_000;

/** Milliseconds between two looks at messages that wait, and for which one that was heard is shown. */
const WAITING = 2000, HEARD = 30_000;

const STATES = /** @type {Record<string, string>} */ ({ queued: "queued", leased: "taken, not yet heard", delivered: "heard", expired: "not heard: it has expired" });

/** Messages that nobody has taken yet, or that were heard just now. @param {{session: any, edit: (words: string) => void}} props */
function Waiting({ session, edit }) {
  const [messages, setMessages] = useState(/** @type {any[]} */ ([]));
  const waited = useRef(/** @type {Map<number, number>} */ (new Map()));  // until when each is shown
  useEffect(() => {
    const look = async () => {
      const all = await get(`${path`sessions/${session.id}/messages`}?peek=1`).catch(() => null);
      if (!all) return;
      for (const { id, state } of all) if (state === "queued" || state === "leased") waited.current.set(id, Date.now() + HEARD);
      setMessages(all.filter((/** @type {any} */ { id, state }) => state in STATES && (waited.current.get(id) || 0) > Date.now()));
    };
    if (session.queued_messages || waited.current.size) look();
    if (!session.queued_messages) return undefined;
    const timer = setInterval(look, WAITING);  // a lease changes no count
    return () => clearInterval(timer);
  }, [session.id, session.queued_messages]);
  useEffect(() => {
    if (session.queued_messages || !messages.length) return undefined;
    const timer = setTimeout(() => { waited.current.clear(); setMessages([]); }, HEARD);
    return () => clearTimeout(timer);
  }, [session.queued_messages, messages]);
  const withdraw = async (/** @type {any} */ message, /** @type {boolean} */ again) => {
    await request("DELETE", path`sessions/${session.id}/messages/${message.id}`).then(() => {
      if (again) edit(message.content);
      setMessages(messages.filter((each) => each !== message));
    }, () => {});
  };
  return html`<ul class="plain">${messages.map((message) => html`<li key=${message.id} class="queued"><span class="dim">${STATES[message.state]}</span> <span>${h(Words, { text: oneLine(message.content, 200) })}</span>
    ${message.state === "queued" && html` <button class="quiet" onClick=${() => withdraw(message, true)}>edit</button> <button class="quiet" onClick=${() => withdraw(message, false)}>withdraw</button>`}</li>`)}</ul>`;
}
