// @ts-check
// Requests to the host, from which this page came; and what the host refuses.

const SECRET = "sxhost.page";

/** Milliseconds after which an answer counts as lost: a read is quick, an agent takes its time to start. */
const READ_WITHIN = 15_000, DONE_WITHIN = 180_000;

/** Where the host is: this page's directory, under whatever prefix a proxy gives it. */
export const BASE = new URL(".", document.baseURI);

/** What the host has refused, in its words. */
export class Refusal extends Error {
  /** @param {number} status @param {{error?: string, message?: string, [name: string]: unknown}} body */
  constructor(status, body) {
    super(body.message || `The host answered ${status}.`);
    this.status = status;
    this.code = body.error || "";
    this.details = body;
  }
}

/** That no host answers, or something between us and it. */
class Unreachable extends Error {
  constructor() { super("The host does not answer."); }
}

/** Keep the login that came in the address, where neither history nor another port finds it. */
export function takeLogin() {
  const found = /^#page=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  localStorage.setItem(SECRET, found[1]);
  history.replaceState(null, "", `${location.pathname}#/`);
}

/** The subprotocols by which a WebSocket tells whose page it is. */
export function protocols() {
  const secret = localStorage.getItem(SECRET);
  return secret ? ["sxhost", `sxhost-page.${secret}`] : [];
}

/** The address of the live stream. @param {string} only the one session that this login is for, else "" */
export function streamAddress(only) {
  const address = new URL(only ? path`sessions/${only}/stream` : "v1/stream", BASE);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address;
}

/**
 * Ask the host; its answer, decoded.
 * @param {string} method @param {string} path relative, without a slash at its begin
 * @param {unknown} [body] @returns {Promise<any>}
 */
export async function request(method, path, body) {
  const secret = localStorage.getItem(SECRET);
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json" };
  if (secret) headers["Sxhost-Page"] = secret;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response, text;
  try {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const signal = AbortSignal.timeout(method === "GET" ? READ_WITHIN : DONE_WITHIN);
    response = await fetch(new URL(path, BASE), { method, headers, body: content, signal });
    text = await response.text();
  } catch {
    throw new Unreachable();
  }
  const lines = response.headers.get("Content-Type") === "application/x-ndjson";
  const answer = lines ? text.split("\n").filter(Boolean).map(decode) : decode(text);
  if (!response.ok) throw new Refusal(response.status, /** @type {any} */ (answer) || {});
  return answer;
}

/** What was asked for before somebody wanted it, by its path. @type {Map<string, Promise<any>>} */
const ahead = new Map();

/** Ask for what somebody will want in a moment: the first who does gets this answer. @param {string} path */
export function askAhead(path) {
  const answer = request("GET", path);
  answer.catch(() => {});  // whoever wants it will see
  ahead.set(path, answer);
}

/** @param {string} path */
export function get(path) {
  const answer = ahead.get(path) || request("GET", path);
  ahead.delete(path);
  return answer;
}

/** @param {string} path @param {unknown} [body] */
export const post = (path, body = {}) => request("POST", path, body);

/** @param {TemplateStringsArray} texts @param {...(string | number)} values */
export function path(texts, ...values) {
  return texts.reduce((whole, text, at) => whole + encodeURIComponent(String(values[at - 1])) + text);
}

/** @param {string} text */
function decode(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return { message: "What answered is not the host." };  // a proxy's page
  }
}
