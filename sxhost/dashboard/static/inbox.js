// @ts-check
// The inbox: all that agents ask, oldest first; below it what was answered lately.
import { get, post } from "./api.js";
import { Approval, nameOf, selected, sentence } from "./approval.js";
import { h, html, useEffect, useSignal, useState } from "./dom.js";
import { age, oneLine } from "./format.js";
import { approvals, loadApprovals, sessions } from "./state.js";

const RECENT = 3600_000, MOST = 20;

export function Inbox() {
  const asked = useSignal(approvals);
  const [answered, setAnswered] = useState(/** @type {any[]} */ ([]));
  useEffect(() => { get("approvals?all=1").then((all) => setAnswered(recent(all)), () => {}); }, [asked]);
  return html`
    <h1 class="unseen">Inbox</h1>
    <section aria-label="Asked">
      ${asked.length === 0 && html`<p class="empty">Nobody asks anything.</p>`}
      ${asked.map((approval) => h(Approval, { key: nameOf(approval), approval, batch: asked.length > 1 }))}
      ${h(Batch, { asked })}
    </section>
    ${answered.length > 0 && html`<section aria-label="Answered"><h2>Answered in the last hour</h2><ul class="plain">${answered.map((approval) => h(Answered, { key: approval.id, approval }))}</ul></section>`}`;
}

/** Answers several, each by its own number: never what came after they were chosen. @param {{asked: any[]}} props */
function Batch({ asked }) {
  const names = useSignal(selected);
  const [verdicts, setVerdicts] = useState(/** @type {string[]} */ ([]));
  const chosen = asked.filter((approval) => names.has(nameOf(approval)));
  const decide = async (/** @type {string} */ decision) => {
    const answers = chosen.map(({ session, id }) => ({ session, id, decision }));
    try {
      const { results } = await post("approvals", { answers });
      setVerdicts(chosen.map((approval, at) => `${approval.id} ${oneLine(approval.title, 60)}: ${results[at].ok ? "sent; the agent goes on." : results[at].message}`));
      selected.value = new Set();
    } catch (error) {
      setVerdicts([sentence(error)]);
    }
    loadApprovals();
  };
  return html`${chosen.length > 0 && html`<div class="batch decisions" role="group" aria-label="Answer together">
      <button class="deny" onClick=${() => decide("deny")}>Deny these ${chosen.length}</button>
      <span class="verdict">${chosen.map((approval) => `no. ${approval.id}`).join(", ")}</span>
      <button class="approve" onClick=${() => decide("approve")}>Approve these ${chosen.length} once</button></div>`}
    ${verdicts.length > 0 && html`<ul class="plain dim" role="status">${verdicts.map((words) => html`<li key=${words}>${words}</li>`)}</ul>`}`;
}

/** @param {any[]} all */
const recent = (all) => all.filter(({ resolution }) => resolution && resolution.at_ms > Date.now() - RECENT)
  .sort((a, b) => b.resolution.at_ms - a.resolution.at_ms).slice(0, MOST);

/** @param {{approval: any}} props */
export function Answered({ approval }) {
  const { decision, by, at_ms: at, reason } = approval.resolution;
  const title = sessions.peek().get(approval.session)?.title || approval.session;
  return html`<li><b>${decision}</b> ${oneLine(approval.title, 120)} <span class="dim">${oneLine(title, 60)} · by ${by === "own" ? "you" : by}${reason && `: ${oneLine(reason, 120)}`} · ${age(Date.now() - at)} ago</span></li>`;
}
