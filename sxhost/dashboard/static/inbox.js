// @ts-check
// The inbox: all that agents ask, oldest first; below it what was answered lately.
import { get, post } from "./api.js";
import { Approval, nameOf, noteMove, resolved, selected, sentence } from "./approval.js";
import { h, html, useEffect, useLayoutEffect, useRef, useSignal, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { approvals, approvalsListed, loadApprovals, sessions } from "./state.js";

const RECENT = 3600_000, MOST = 20;

export function Inbox() {
  const asked = useSignal(approvals);
  const [answered, setAnswered] = useState(/** @type {any[]} */ ([]));
  useEffect(() => { get("approvals?all=1").then((all) => setAnswered(recent(all)), () => {}); }, [asked]);
  const [cards, hold, settle] = useSteadyCards(asked, answered);
  return html`
    <h1 class="unseen">Inbox</h1>
    <section aria-label="Asked">
      ${cards.length === 0 && html`<p class="empty">${approvalsListed ? "Nobody asks anything." : "The host is being asked what waits."}</p>`}
      <div onPointerEnter=${hold} onPointerLeave=${settle}>${cards.map((approval) => h(Approval, { key: nameOf(approval), approval, batch: asked.length > 1 && !approval.resolution }))}</div>
      ${h(Batch, { asked })}
    </section>
    ${answered.length > 0 && html`<section aria-label="Answered"><h2>Answered in the last hour</h2><ul class="plain">${answered.map((approval) => h(Answered, { key: approval.id, approval }))}</ul></section>`}`;
}

/**
 * The cards of a screen: while the pointer is among them none goes, so that no other comes under it.
 * @param {any[]} asked @param {any[]} answered
 */
function useSteadyCards(asked, answered) {
  const held = useRef(false);
  const shown = useRef(/** @type {any[]} */ ([]));
  const [, settled] = useState(0);
  const here = new Map([...answered, ...asked].map((approval) => [nameOf(approval), approval]));
  const cards = held.current ? [...shown.current.map((card) => here.get(nameOf(card)) || card), ...asked.filter((each) => !shown.current.some((card) => nameOf(card) === nameOf(each)))] : asked;
  useLayoutEffect(() => {
    if (shown.current.some((card) => !cards.some((each) => nameOf(each) === nameOf(card)))) noteMove();
    shown.current = cards;
  });
  const hold = (/** @type {PointerEvent} */ event) => { held.current = event.pointerType === "mouse"; };
  const settle = () => { held.current = false; settled((times) => times + 1); };
  return /** @type {const} */ ([cards, hold, settle]);
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
  const title = sessions.peek().get(approval.session)?.title || approval.session;
  return html`<li>${oneLine(approval.title, 120)} <span class="dim">${oneLine(title, 60)}</span> ${resolved(approval.resolution)}</li>`;
}
