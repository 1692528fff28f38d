// @ts-check
// What a session is: where it runs, when it hears a message, what it may and costs.
import { get, path } from "./api.js";
import { copy } from "./copy.js";
import { h, html, useEffect, useState } from "./dom.js";
import { clock, count, dollars, oneLine } from "./format.js";
import { may, me } from "./state.js";
import { Words } from "./text.js";

/** What is known of it, and what it has used as the ledger has it. @param {string} id @param {number} newest */
function useFacts(id, newest) {
  const [detail, setDetail] = useState(/** @type {any} */ (null));
  const [used, setUsed] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let wanted = true;
    const timer = setTimeout(() => {
      get(path`sessions/${id}`).then((found) => wanted && setDetail(found), () => {});
      if (!me.peek()?.session) get(`usage?${new URLSearchParams({ session: id })}`).then((found) => wanted && setUsed(found.total), () => {});
    }, 200);
    return () => { wanted = false; clearTimeout(timer); };
  }, [id, newest]);
  return /** @type {const} */ ([detail, used]);
}

/** @param {{id: string, newest: number}} props */
export function About({ id, newest }) {
  const [detail, used] = useFacts(id, newest);
  if (!detail) return html`<p class="empty">Looking for it…</p>`;
  return html`<div class="log" tabindex="0"><dl class="facts">${facts(detail, used).filter(([, value]) => value).map(([name, value]) => html`<dt>${name}</dt><dd>${typeof value === "string" ? h(Words, { text: value }) : value}</dd>`)}</dl></div>`;
}

/** @param {any} detail @param {any} used @returns {[string, any][]} */
function facts(detail, used) {
  const { kind, pid, cwd, labels, delivery, note } = detail;
  return [
    ["agent", [detail.agent, detail.model, detail.provider].filter((word, at, all) => word && all.indexOf(word) === at).join(" · ")],
    ["runs", `${kind === "hosted" ? "by the host" : "at its user's own terminal"}${pid ? `, process ${pid}` : ""}`],
    ["in", cwd],
    ["project", [detail.project, detail.git_branch].filter(Boolean).join(" · ")],
    ["a message", delivery && `${note}${delivery === "wakes" ? ", although it is idle" : ""}`],
    ["costs", used && cost(used)],
    ["may", rights(detail)],
    ["in the background", detail.background.map((/** @type {any} */ task) => oneLine(task.title || task.kind || task.id, 100)).join("\n")],
    ["began", clock(detail.start_time * 1000)],
    ["last heard", clock(detail.last_seen_ms)],
    ["labels", Object.entries(labels).map(([name, value]) => `${name}:${value}`).join("  ")],
    ["goes on with", other(detail.continues)],
    ["goes on as", other(detail.continued_by)],
    ["its own id", detail.native_id],
    [kind === "hosted" ? "take it to a terminal" : "have the host go on", may("admin") && MOVED.has(detail.agent) && line(`sxhost ${kind === "hosted" ? "take" : "adopt"} ${detail.id}`)],
  ];
}

/** Agents whose conversations go on elsewhere. */
const MOVED = new Set(["claude", "codex", "pi"]);

/** What was used until now. @param {any} used */
function cost({ cost_usd: told, estimated_usd: estimated, total_tokens: tokens, unpriced_tokens: unpriced }) {
  if (!tokens && !Number(told)) return "";
  const price = told === null ? "unknown" : `${Number(estimated) > 0 ? "~" : ""}${dollars(Number(told))}`;
  return `${price}, ${count(tokens)} tokens${unpriced && told !== null ? `, ${count(unpriced)} of them without a price` : ""}`;
}

/** @param {any} detail */
const rights = ({ approval_policy: policy, sandbox }) => [policy && `approvals: ${policy}`, sandbox && `sandbox: ${sandbox}`].filter(Boolean).join(", ");

/** @param {string} id */
const other = (id) => id && html`<a href=${path`#/s/${id}`}>${oneLine(id, 80)}</a>`;

/** @param {string} command */
const line = (command) => html`<code>${command}</code> <button class="quiet" onClick=${() => copy(command)}>copy</button>`;
