// @ts-check
// The host: how it is, who may ask it, what was done.
import { get, path, post, request } from "./api.js";
import { sentence } from "./approval.js";
import { html, useEffect, useSignal, useState } from "./dom.js";
import { clock, count, duration } from "./format.js";
import { Switch } from "./notices.js";
import { may, me } from "./state.js";

export function HostPage() {
  const identity = useSignal(me);
  const [status, setStatus] = useState(/** @type {any} */ (null));
  useEffect(() => { get("status").then(setStatus, () => {}); }, []);
  if (!identity) return null;
  /** @type {[string, unknown][]} */
  const facts = status && [
    ["machine", identity.host.name], ["version", status.version], ["up for", duration(status.uptime * 1000)],
    ["sessions", `${status.sessions}, ${status.active} active`], ["events so far", count(status.total_events)],
    ["readers", status.subscribers], ["log", `${status.store}; an acknowledged event survives the end of the ${{ power: "machine's power", process: "process", none: "day only in memory" }[/** @type {string} */ (status.durability)] || status.durability}`],
    ["you are", `${identity.name || "the host's own user"}, and may ${identity.scopes.join(", ")}${identity.session ? ` in ${identity.session}` : ""}`],
    ...(status.missing ? [["missing", status.missing]] : []),
  ];
  return html`<section class="form"><h1>Host</h1>${facts && html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`}
    <${Switch} />
    ${may("admin") && html`<${Tokens} /><${Audit} />`}
    ${status && html`<details><summary>Limits</summary><dl class="facts">${Object.entries(status.limits).map(([name, value]) => html`<dt>${name}</dt><dd>${String(value)}</dd>`)}</dl></details>`}</section>`;
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

function Audit() {
  const [entries, setEntries] = useState(/** @type {any[]} */ ([]));
  useEffect(() => { get("audit?limit=50").then((found) => setEntries(found.reverse()), () => {}); }, []);
  return html`<details><summary>What was done</summary><ul class="plain">${entries.map((entry) => html`<li key=${entry.id}><span class="dim">${clock(entry.at_ms)}</span> ${entry.what} ${entry.session || ""} ${entry.detail} <span class="dim">${entry.token ? `by token ${entry.token}` : ""}</span></li>`)}</ul></details>`;
}
