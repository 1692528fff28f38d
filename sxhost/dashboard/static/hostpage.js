// @ts-check
// The host: how it is, who may ask it, what was done.
import { get, path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { Audit } from "./audit.js";
import { h, html, useEffect, useSignal, useState } from "./dom.js";
import { Figures } from "./figures.js";
import { clock, count, duration, oneLine } from "./format.js";
import { Switch } from "./notices.js";
import { may, me } from "./state.js";

export function HostPage() {
  const identity = useSignal(me);
  const [status, setStatus] = useState(/** @type {any} */ (null));
  const alone = identity?.session;
  useEffect(() => { if (identity && !alone) get("status").then(setStatus, () => {}); }, [identity]);
  if (!identity) return null;
  /** @type {[string, unknown][]} */
  const facts = [
    ["machine", identity.host.name], ["version", identity.host.version],
    ...(status ? figures(status) : []),
    ["you are", `${identity.name || "the host's own user"}, and may ${rights(identity)}`],
  ];
  return html`<section class="host"><h1>Host</h1>${!alone && html`<nav class="tabs narrow" aria-label="More"><a href="#/usage">Usage</a> <a href="#/activity">Activity</a></nav>`}<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>
    <${Switch} />
    ${!alone && html`<${Figures} /><${Drivers} />`}
    ${may("admin") && html`<${Hooks} /><${Tokens} />`}
    ${may("approve") && html`<${Policy} />`}
    ${may("admin") && html`<${Audit} />`}
    ${status && html`<details><summary>Limits</summary><dl class="facts">${Object.entries(status.limits).map(([name, value]) => html`<dt>${name}</dt><dd>${String(value)}</dd>`)}</dl></details>`}</section>`;
}

const SURVIVED = /** @type {Record<string, string>} */ ({ power: "the end of the machine's power", process: "the end of the process", none: "no end of the process" });

const RIGHTS = /** @type {Record<string, string>} */ ({ read: "read", send: "write to agents", approve: "answer them" });

/** What somebody may do, in words. @param {{scopes: string[], session: string | null}} identity */
function rights({ scopes, session }) {
  const words = scopes.includes("admin") ? "do everything" : Object.entries(RIGHTS).filter(([scope]) => scopes.includes(scope)).map(([, right]) => right).join(", ");
  return `${words}${session ? `, in ${session} alone` : ""}`;
}

/** How the host is, in words. @param {any} status @returns {[string, unknown][]} */
const figures = (status) => [
  ["up for", duration(status.uptime * 1000)], ["sessions", `${status.sessions}, ${status.active} active`], ["events so far", count(status.total_events)],
  ["readers", status.subscribers], ["log", `${status.store}; an acknowledged event survives ${SURVIVED[status.durability] || status.durability}`],
  ...(status.missing ? [/** @type {[string, unknown]} */ (["missing", status.missing])] : []),
];

/** What a route answers; null as long as it has not. @param {string} route */
function useAnswer(route) {
  const [answer, setAnswer] = useState(/** @type {any} */ (null));
  useEffect(() => { get(route).then(setAnswer, () => {}); }, [route]);
  return answer;
}

/** The agents that can be started here. */
function Drivers() {
  const agents = /** @type {any[] | null} */ (useAnswer("agents"));
  const there = agents?.filter(({ installed }) => installed) || [], missing = agents?.filter(({ installed }) => !installed) || [];
  return html`<h2>Agents</h2>
    ${agents && html`<ul class="plain">${there.map(({ name, version, program }) => html`<li key=${name}><b>${name}</b> ${oneLine(version, 60)} <span class="dim">${oneLine(program, 200)}</span></li>`)}</ul>`}
    ${missing.length > 0 && html`<details><summary class="dim">Not here: ${missing.map(({ name }) => name).join(", ")}</summary><dl class="facts">${missing.map(({ name, why }) => html`<dt>${name}</dt><dd>${oneLine(why, 400)}</dd>`)}</dl></details>`}`;
}

/** Whether agents that people start themselves report here. */
function Hooks() {
  const files = /** @type {any[] | null} */ (useAnswer("hooks"));
  return html`<h2>Hooks</h2><ul class="plain">${files?.map((found) => html`<li key=${found.file}><b>${found.agent}</b> ${h(Installed, { found })} <span class="dim">${oneLine(found.file, 200)}</span></li>`)}</ul>`;
}

/** @param {{found: any}} props */
function Installed({ found }) {
  const again = html`<code>sxhost hook install ${found.agent}</code>`;
  if (found.error) return html`<span class="bad">cannot be read: ${oneLine(found.error, 200)}</span>`;
  if (!found.hooks.length) return html`not installed: ${again}`;
  if (found.absent.length) return html`<span class="bad">runs ${found.absent.map((/** @type {string} */ program) => oneLine(program, 200)).join(", ")}, which is not there any more</span>: ${again}`;
  if (found.missing.length) return html`<span class="bad">of an older version, without ${found.missing.join(", ")}</span>: ${again}`;
  return html`<span class="good">installed</span> <span class="dim">(${found.hooks.length} ${found.hooks.length === 1 ? "hook" : "hooks"})</span>`;
}

/** The rules that answer by themselves. */
function Policy() {
  const policy = /** @type {any} */ (useAnswer("policy"));
  if (!policy) return null;
  if (!policy.file) return html`<h2>Policy</h2><p class="dim">None: all that agents ask waits for somebody.</p>`;
  const rules = /** @type {any[]} */ (policy.rules);
  const times = (/** @type {number} */ hits) => `${count(hits)} ${hits === 1 ? "time" : "times"}`;
  return html`<h2>Policy</h2><p class="dim">from <code>${oneLine(policy.file, 200)}</code></p>
    <ul class="plain">${rules.map(({ name, decision, hits }) => html`<li key=${name}><b>${oneLine(name, 100)}</b> ${oneLine(decision, 40)} <span class="dim">${times(hits)}</span></li>`)}
      <li><span class="dim">anything else:</span> ${oneLine(policy.default, 40)} <span class="dim">${times(policy.hits)}</span></li></ul>`;
}

const SCOPES = ["read", "send", "approve", "admin"];

function Tokens() {
  const [tokens, setTokens] = useState(/** @type {any[]} */ ([]));
  const [verdict, setVerdict] = useState("");
  const [secret, setSecret] = useState("");
  const load = () => get("tokens").then(setTokens, (error) => setVerdict(sentence(error)));
  useEffect(() => { load(); }, []);

  async function make(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const form = new FormData(/** @type {HTMLFormElement} */ (event.target));
    try {
      const made = await post("tokens", { scopes: form.getAll("scope"), name: form.get("name") || "" });
      setSecret(made.secret);
      setVerdict("");
    } catch (error) {
      setVerdict(sentence(error));
    }
    load();
  }
  const revoke = (/** @type {any} */ token) => confirm(`Revoke ${token.name || token.id}?`) && request("DELETE", path`tokens/${token.id}`).then(load, (error) => setVerdict(sentence(error)));

  return html`<h2>Tokens and browsers</h2>
    <ul class="plain">${tokens.map((token) => html`<li key=${token.id}><b>${token.name || token.id}</b> <span class="dim">${token.scopes.join(", ")}${token.session ? ` in ${token.session}` : ""}${token.expires_ms ? `, until ${clock(token.expires_ms)}` : ""}</span> <button class="quiet" onClick=${() => revoke(token)}>revoke</button></li>`)}</ul>
    <form onSubmit=${make} class="decisions"><input name="name" placeholder="what you call it" aria-label="Name of the new token" />
      ${SCOPES.map((scope) => html`<label key=${scope}><input type="checkbox" name="scope" value=${scope} checked=${scope === "read"} /> ${scope}</label>`)}
      <button>New token</button><span class="verdict" role="status">${verdict}</span></form>
    ${secret && html`<p class="notice">Copy it now, it is shown this once: <code>${secret}</code> <button class="quiet" onClick=${() => setSecret("")}>hide</button></p>`}`;
}
