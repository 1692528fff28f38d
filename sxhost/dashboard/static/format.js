// @ts-check
// Times, counts and texts as a person reads them.

const MINUTE = 60, HOUR = 3600, DAY = 86400;

/** How long ago something was, or how long it has lasted. @param {number} ms */
export function age(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 1) return "now";
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** When something was, seen from now. @param {number} ms */
export const ago = (ms) => (ms < 1000 ? "just now" : `${age(ms)} ago`);

/** How long something took. @param {number} ms */
export function duration(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / MINUTE);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % MINUTE)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A count in three digits: 410, 13.3k, 1.2M. @param {number} number */
export function count(number) {
  for (const [unit, name] of /** @type {[number, string][]} */ ([[1e9, "G"], [1e6, "M"], [1e3, "k"]])) {
    const scaled = number / unit;
    if (scaled >= 99.95) return `${Math.round(scaled)}${name}`;
    if (scaled >= 0.9995) return `${Number(scaled.toPrecision(3))}${name}`;
  }
  return String(Math.round(number));
}

/** The name of a model without what its agent's name says already, and without its date. @param {string} model @param {string} agent */
export function shortModel(model, agent) {
  const short = model.replace(/[-@]\d{8}$/, "");
  return agent && short.startsWith(`${agent}-`) ? short.slice(agent.length + 1) : short;
}

/** @param {number} amount */
export function dollars(amount) {
  return amount > 0 && amount < 0.005 ? "<$0.01" : `$${amount.toFixed(2)}`;
}

/** @param {number} ms @returns {string} the time of day, with the date if that is another. */
export function clock(ms) {
  const at = new Date(ms);
  const time = at.toTimeString().slice(0, 8);
  return at.toDateString() === new Date().toDateString() ? time : `${day(at)} ${time}`;
}

/** @param {Date} at */
function day(at) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** The last part of a path: the project, as a person calls it. @param {string} path */
export function project(path) {
  return path.replace(/\/+$/, "").split("/").pop() || path;
}

// Characters that a reader would not see, or that move others about: controls, joiners, bidi marks,
// variation selectors, tags. A line's break and a tab are not among them.
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/**
 * A text in pieces: what can be seen as it is, and each character that cannot by its name.
 * @param {string} text
 * @returns {({seen: string} | {hidden: string})[]}
 */
export function pieces(text) {
  const found = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) found.push({ seen: text.slice(from, match.index) });
    found.push({ hidden: `\\u{${/** @type {number} */ (match[0].codePointAt(0)).toString(16)}}` });
    from = match.index + match[0].length;
  }
  if (from < text.length) found.push({ seen: text.slice(from) });
  return found;
}

/** A text in one line, cut to so many characters. @param {string} text @param {number} most */
export function oneLine(text, most = 200) {
  const line = text.slice(0, 4 * most).replace(/\s+/g, " ").trim();
  const plain = pieces(line).map((piece) => ("seen" in piece ? piece.seen : piece.hidden)).join("");
  return plain.length > most ? `${plain.slice(0, most - 1)}…` : plain;
}

/** Signs of Markdown that say nothing in a line. */
const MARKUP = /\*\*|__|`|(?:^|\s)#{1,6}(?=\s)|\|/g;
/** Characters of what is said that a line has room for. */
const LINE = 160;

/** Words of an agent in a line, without Markdown's signs. @param {string} text */
export const plain = (text) => oneLine(text.slice(0, 4 * LINE).replace(MARKUP, ""), LINE);

/** What an event says, in a line: its words, or its fields. @param {any} data */
export function gist(data) {
  if (typeof data !== "object" || !data) return plain(String(data ?? ""));
  const words = ["title", "text", "output", "reason", "path", "error"].map((name) => data[name]).find((each) => typeof each === "string" && each);
  return words ? plain(words) : oneLine(Object.entries(data).map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · "), LINE);
}
