// @ts-check
// A conversation on the screen: it follows the end while its reader is there, and stays where he reads.
import { h, html, useEffect, useLayoutEffect, useMemo, useRef, useSignal, useState } from "./dom.js";
import { Item } from "./items.js";
import { steps } from "./steps.js";

/** Pixels from the end within which a reader counts as being there; and those from an edge at which more is read. */
const AT_END = 8, EDGE = 40;

/** @typedef {{element: HTMLElement, top: number}} Anchor what is at the top of the screen, and where */

/** Sessions whose place is kept. */
const PLACES = 200;

/** Where each session was read that was left above its end: the item at the top of the screen, and where it stood. @type {Map<string, {seq: number, top: number}>} */
const places = new Map();

/** Where a session was left; nothing if at its end. @param {string} id */
export const placeOf = (id) => places.get(id);

/** @param {string} id @param {Anchor | null} anchor */
function keepPlace(id, anchor) {
  places.delete(id);
  if (anchor) places.set(id, { seq: Number(anchor.element.dataset.seq), top: anchor.top });
  if (places.size > PLACES) places.delete(places.keys().next().value || "");
}

/** @param {{conversation: import("./conversation.js").Conversation, toEnd: number, aimed: number}} props */
export function Log({ conversation, toEnd, aimed }) {
  const { items, before, after, behind, dropped, loaded, error, gone } = useSignal(conversation.window);
  const nodes = useMemo(() => steps(items), [items]);
  const log = useRef(/** @type {HTMLElement | null} */ (null));
  const anchor = useRef(/** @type {Anchor | null} */ (null));
  const aim = useRef(conversation.at);
  const left = useRef(aimed ? undefined : placeOf(conversation.id));
  const reading = useRef(false);
  const was = useRef({ top: 0, size: 0 });
  const seen = useRef(0);
  const [below, setBelow] = useState(0);

  useLayoutEffect(() => {
    const place = log.current;
    if (!place || !items.length) return;
    if (aim.current && goTo(place, aim.current, left.current?.top)) { aim.current = 0; anchor.current = topmost(place); seen.current = items[items.length - 1].seq; }
    else if (conversation.following) place.scrollTop = place.scrollHeight;
    else keep(place, anchor.current);
    if (conversation.following) { seen.current = items[items.length - 1].seq; setBelow(0); }
    else setBelow(items.filter((item) => item.seq > seen.current).length + behind);
  }, [items, behind]);

  // Text becomes taller when its Markdown is set, and the window when a keyboard opens.
  useEffect(() => {
    const place = /** @type {HTMLElement} */ (log.current);
    const watcher = new ResizeObserver(() => { if (conversation.following) place.scrollTop = place.scrollHeight; else keep(place, anchor.current); });
    watcher.observe(place);
    watcher.observe(/** @type {Element} */ (place.firstElementChild));
    return () => {
      watcher.disconnect();
      keepPlace(conversation.id, conversation.following ? null : anchor.current);
    };
  }, [conversation]);

  const goToEnd = async () => {
    await conversation.end().catch(() => {});
    setBelow(0);
    if (log.current) log.current.scrollTop = log.current.scrollHeight;
  };
  useEffect(() => { if (toEnd) goToEnd(); }, [toEnd]);
  const read = async (/** @type {() => Promise<void>} */ more) => {
    if (reading.current) return;
    reading.current = true;
    conversation.following = false;
    anchor.current = log.current && topmost(log.current);
    await more().catch(() => {});
    reading.current = false;
  };
  const older = () => read(() => conversation.older()), newer = () => read(() => conversation.newer());
  const scrolled = () => {
    const place = /** @type {HTMLElement} */ (log.current);
    const left = place.scrollHeight - place.scrollTop - place.clientHeight;
    const { before, after } = conversation.window.peek();  // what is drawn may be of before
    // Whoever was at the end and has not gone up is there still: what is above a keyboard has another size.
    const { top, size } = was.current;
    const stays = conversation.following && (place.scrollTop >= top || place.clientHeight !== size);
    was.current = { top: place.scrollTop, size: place.clientHeight };
    conversation.following = after === null && (stays || left <= AT_END);
    anchor.current = topmost(place);
    if (conversation.following) { seen.current = items.at(-1)?.seq || 0; setBelow(0); }
    if (place.scrollTop < EDGE && before !== null) older();
    else if (left < EDGE && after !== null) newer();
  };

  return html`<div class="log" ref=${log} role="log" aria-live="off" tabindex="0" aria-label="Conversation" onScroll=${scrolled}><div>
      ${error && html`<p class="notice">${error}</p>`}
      ${before !== null && html`<button class="quiet" onClick=${older}>Older</button>`}
      ${before === null && dropped > 0 && html`<p class="mark">What was before event ${dropped + 1} is not kept any more.</p>`}
      ${loaded && !error && items.length === 0 && html`<p class="empty">Nothing was said here yet.</p>`}
      ${nodes.map((node) => h(Item, { key: node.item.seq, node, aimed }))}
      ${after !== null && html`<button class="quiet" onClick=${newer}>Newer</button>`}
      ${gone && html`<p class="notice">${gone}</p>`}
    </div></div>
    ${(below > 0 || after !== null) && html`<button class="pill" data-key="f" onClick=${goToEnd}>▼ ${below > 0 ? `${below} new below` : "to the end"}</button>`}`;
}

/** Scroll to what has an event, into the middle or to where it stood; tell whether it is there. @param {HTMLElement} place @param {number} seq @param {number} [top] */
function goTo(place, seq, top) {
  const found = /** @type {HTMLElement | null} */ (place.querySelector(".aimed")) || items(place).findLast((each) => Number(each.dataset.seq) <= seq);
  if (!found) return false;
  if (top === undefined) found.scrollIntoView({ block: "center" });
  else keep(place, { element: found, top });
  return true;
}

/** @param {HTMLElement} place @returns {HTMLElement[]} */
const items = (place) => /** @type {HTMLElement[]} */ ([...(place.firstElementChild?.children || [])].filter((each) => each.classList.contains("item")));

/** The first item that is seen; they lie one below the other. @param {HTMLElement} place @returns {Anchor | null} */
function topmost(place) {
  const all = items(place), edge = place.getBoundingClientRect().top;
  let low = 0, high = all.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (all[middle].getBoundingClientRect().bottom > edge) high = middle;
    else low = middle + 1;
  }
  return all[low] ? { element: all[low], top: all[low].getBoundingClientRect().top - edge } : null;
}

/** Let the eye stay where it was, whatever came above. @param {HTMLElement} place @param {Anchor | null} anchor */
function keep(place, anchor) {
  if (!anchor?.element.isConnected) return;
  const moved = anchor.element.getBoundingClientRect().top - place.getBoundingClientRect().top - anchor.top;
  if (moved) place.scrollTop += moved;
}
