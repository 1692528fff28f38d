// @ts-check
// A new agent.
import { get, path, post } from "./api.js";
import { sentence } from "./approval.js";
import { copy } from "./copy.js";
import { h, html, useEffect, useSignal, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { may, me, sessions } from "./state.js";

/** Approval policies that agents are known to take, as suggestions: the host knows which they do. @type {Record<string, string[]>} */
const POLICIES = {
  claude: ["default", "acceptEdits", "plan", "dontAsk", "auto", "bypassPermissions"],
  codex: ["untrusted", "on-request", "on-failure", "never"],
  pi: ["never"],
};

/** A word as a shell takes it. @param {string} word */
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** The command that starts the same agent. @param {Record<string, string>} fields */
function commandOf({ prompt, ...fields }) {
  const options = Object.entries(fields).filter(([, value]) => value).map(([name, value]) => `--${name.replace("_", "-")} ${quoted(value)}`);
  return ["sxhost new", ...options, ...(prompt ? [quoted(prompt)] : [])].join(" ");
}

/** What can be typed at a field, without what is not known. @param {{id: string, values: Iterable<string>}} props */
function Suggestions({ id, values }) {
  return html`<datalist id=${id}>${[...new Set(values)].filter(Boolean).slice(0, 30).map((value) => html`<option key=${value} value=${value}></option>`)}</datalist>`;
}

/** @param {{navigate: (to: string) => void}} props */
export function Launch({ navigate }) {
  const known = useSignal(sessions);
  const [agents, setAgents] = useState(/** @type {any[] | null} */ (null));
  const [fields, setFields] = useState(/** @type {Record<string, string>} */ ({}));
  const [verdict, setVerdict] = useState("");
  const identity = useSignal(me), can = may("admin");
  useEffect(() => { if (can) get("agents").then(setAgents, (error) => setVerdict(sentence(error))); }, [can]);
  const recent = [...known.values()].sort((a, b) => b.last_seen_ms - a.last_seen_ms);

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

  if (identity && !can) return html`<p class="empty">To start agents, a token with the scope "admin" is needed.</p>`;
  if (!agents) return html`<p class="empty" role="status">${verdict || "Looking for agents…"}</p>`;
  const there = agents.filter((agent) => agent.installed), missing = agents.filter((agent) => !agent.installed);
  const usual = recent.find((each) => each.kind === "hosted" && there.some(({ name }) => name === each.agent))?.agent;
  const agent = fields.agent || usual || there[0]?.name || "";
  const command = commandOf({ ...fields, agent });
  const changed = (/** @type {any} */ event) => setFields(/** @type {Record<string, string>} */ (Object.fromEntries(new FormData(event.currentTarget))));
  return html`<form class="form" onSubmit=${launch} onInput=${changed}><h1>New agent</h1>
    <label>Agent <select name="agent" value=${agent}>
      ${there.map(({ name, version }) => html`<option key=${name} value=${name}>${name}${version && ` ${oneLine(version, 40)}`}</option>`)}</select></label>
    <label>Directory <input name="cwd" list="places" autocomplete="off" placeholder="the host's first directory for agents" /></label>
    ${h(Suggestions, { id: "places", values: recent.map((each) => each.cwd) })}
    <label>What to do <textarea name="prompt" rows="4" data-key="c"></textarea></label>
    <label>Model <input name="model" list="models" autocomplete="off" placeholder="its own choice" /></label>
    ${h(Suggestions, { id: "models", values: recent.filter((each) => each.agent === agent).map((each) => each.model) })}
    <label>When it asks <input name="approval_policy" list="policies" autocomplete="off" placeholder="its own choice" /></label>
    ${h(Suggestions, { id: "policies", values: POLICIES[agent] || [] })}
    <div class="decisions"><span class="verdict" role="status">${verdict}</span><button class="approve">Start</button></div>
    <p class="dim">The same at a terminal: <code>${oneLine(command, 2000)}</code> <button type="button" class="quiet" onClick=${() => copy(command)}>copy</button></p>
    ${missing.length > 0 && html`<details><summary class="dim">Not here: ${missing.map((agent) => agent.name).join(", ")}</summary><dl class="facts">${missing.map((agent) => html`<dt>${agent.name}</dt><dd>${agent.why}</dd>`)}</dl></details>`}</form>`;
}
