// @ts-check
// The inbox: all that agents ask, oldest first; below it what was answered lately.
import { get } from "./api.js";
import { Approval, answerEach, nameOf, noteMove, resolved, selected } from "./approval.js";
import { computed, h, html, useEffect, useLayoutEffect, useRef, useSignal, useState } from "./dom.js";
import { Equal, together } from "./equal.js";
import { oneLine } from "./format.js";
import { approvals, approvalsListed, approvalsPlace, may, sessions } from "./state.js";

/** What cards show of the sessions that ask: a session may be known a moment after its question. */
const askers = computed(() => approvals.value.map(({ session: id }) => sessions.value.get(id)).map((session) => session && `${session.agent} ${session.cwd} ${session.title}`).join("\n"));

const RECENT = 3600_000, MOST = 20;

export function Inbox() {
  const asked = useSignal(approvals);
  useSignal(askers);
  const [answered, setAnswered] = useState(/** @type {any[]} */ ([]));
  useEffect(() => { get(`${approvalsPlace()}?all=1`).then((all) => setAnswered(recent(all)), () => {}); }, [asked]);
  const [cards, hold, settle] = useSteadyCards(asked, answered);
  const [apart, setApart] = useState(/** @type {Set<string>} */ (new Set()));  // questions that are to be answered one by one
  const [verdicts, setVerdicts] = useState(/** @type {string[]} */ ([]));
  const shown = together(cards, apart);
  useNoteMoves(shown.map((alike) => alike.map(nameOf).join()));
  return html`
    <h1 class="unseen">Inbox</h1>
    <section class="inbox" aria-label="Asked">
      ${cards.length === 0 && html`<p class="empty">${approvalsListed ? "Nobody asks anything." : "The host is being asked what waits."}</p>`}
      <div onPointerEnter=${hold} onPointerLeave=${settle}>${shown.map((alike) => (alike.length > 1
        ? h(Equal, { key: nameOf(alike[0]), asked: alike, split: (/** @type {string} */ what) => setApart(new Set([...apart, what])), say: setVerdicts })
        : h(Approval, { key: nameOf(alike[0]), approval: alike[0], batch: asked.length > 1 && may("approve") && !alike[0].resolution })))}</div>
      ${h(Batch, { asked, say: setVerdicts })}
      ${verdicts.length > 0 && html`<ul class="plain dim" role="status">${verdicts.map((words) => html`<li key=${words}>${words}</li>`)}</ul>`}
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
  useLayoutEffect(() => { shown.current = cards; });
  const hold = (/** @type {PointerEvent} */ event) => { held.current = event.pointerType === "mouse"; };
  const settle = () => { held.current = false; settled((times) => times + 1); };
  return /** @type {const} */ ([cards, hold, settle]);
}

/** Note when a card has another place, or shows something else: what comes below the others moves none. @param {string[]} places what each card shows */
function useNoteMoves(places) {
  const before = useRef(/** @type {string[]} */ ([]));
  useLayoutEffect(() => {
    if (before.current.some((what, at) => places[at] !== what)) noteMove();
    before.current = places;
  });
}

/** Answers several that were chosen. @param {{asked: any[], say: (verdicts: string[]) => void}} props */
function Batch({ asked, say }) {
  const names = useSignal(selected);
  const chosen = asked.filter((approval) => names.has(nameOf(approval)));
  const decide = async (/** @type {string} */ decision) => {
    say(await answerEach(chosen, decision));
    selected.value = new Set();
  };
  return chosen.length > 0 && html`<div class="batch decisions" role="group" aria-label="Answer together">
      <button class="deny" onClick=${() => decide("deny")}>Deny these ${chosen.length}</button>
      <span class="verdict">${chosen.map((approval) => `no. ${approval.id}`).join(", ")}</span>
      <button class="approve" onClick=${() => decide("approve")}>Approve these ${chosen.length} once</button></div>`;
}

/** @param {any[]} all */
const recent = (all) => all.filter(({ resolution }) => resolution && resolution.at_ms > Date.now() - RECENT)
  .sort((a, b) => b.resolution.at_ms - a.resolution.at_ms).slice(0, MOST);

/** @param {{approval: any}} props */
export function Answered({ approval }) {
  const title = sessions.peek().get(approval.session)?.title || approval.session;
  return html`<li>${oneLine(approval.title, 120)} <span class="dim">${oneLine(title, 60)}</span> ${resolved(approval.resolution)}</li>`;
}
