// @ts-check
// A new agent.
import { get, path, post } from "./api.js";
import { sentence } from "./approval.js";
import { html, useEffect, useSignal, useState } from "./dom.js";
import { may, sessions } from "./state.js";

/** @param {{navigate: (to: string) => void}} props */
export function Launch({ navigate }) {
  const known = useSignal(sessions);
  const [agents, setAgents] = useState(/** @type {any[]} */ ([]));
  const [verdict, setVerdict] = useState("");
  useEffect(() => { get("agents").then(setAgents, () => {}); }, []);
  const places = [...new Set([...known.values()].sort((a, b) => b.last_seen_ms - a.last_seen_ms).map((each) => each.cwd).filter(Boolean))].slice(0, 30);

  async function launch(/** @type {SubmitEvent} */ event) {
    event.preventDefault();
    const fields = Object.fromEntries([...new FormData(/** @type {HTMLFormElement} */ (event.target))].filter(([, value]) => value));
    setVerdict("Starting…");
    try {
      const { session } = await post("sessions", fields);
      navigate(path`#/s/${session.id ?? session}`);
    } catch (error) {
      setVerdict(sentence(error));
    }
  }

  if (!may("admin")) return html`<p class="empty">To start agents, a token with the scope "admin" is needed.</p>`;
  const there = agents.filter((agent) => agent.installed), missing = agents.filter((agent) => !agent.installed);
  return html`<form class="form" onSubmit=${launch}><h1>New agent</h1>
    <label>Agent <input name="agent" list="agents" required autocomplete="off" placeholder="claude, codex, pi, …" /></label>
    <datalist id="agents">${there.map((agent) => html`<option key=${agent.name} value=${agent.name}>${agent.version}</option>`)}</datalist>
    <label>Directory <input name="cwd" list="places" autocomplete="off" placeholder="the host's first directory for agents" /></label>
    <datalist id="places">${places.map((place) => html`<option key=${place} value=${place}></option>`)}</datalist>
    <label>What to do <textarea name="prompt" rows="4" data-key="c"></textarea></label>
    <label>Model <input name="model" autocomplete="off" placeholder="its own choice" /></label>
    <label>When it asks <input name="approval_policy" autocomplete="off" placeholder="its own choice" /></label>
    <div class="decisions"><span class="verdict" role="status">${verdict}</span><button class="approve">Start</button></div>
    ${missing.length > 0 && html`<details><summary class="dim">Not here: ${missing.map((agent) => agent.name).join(", ")}</summary><dl class="facts">${missing.map((agent) => html`<dt>${agent.name}</dt><dd>${agent.why}</dd>`)}</dl></details>`}</form>`;
}
