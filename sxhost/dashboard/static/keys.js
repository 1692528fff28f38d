// @ts-check
// The keyboard: single keys, off in fields; a key presses what it is written on.
import { copy } from "./copy.js";

/** @type {[string, string][]} */
export const HELP = [
  ["?", "this help"], ["/", "search"], ["Ctrl K", "go to a session, a place, or words that were said"], ["g b", "board"], ["g i", "inbox"], ["g s", "search what was said"], ["g u", "usage"], ["g a", "activity"], ["g h", "host"], ["n", "new agent"], ["u, Esc", "up"],
  ["j k, ↓ ↑", "next, previous"], ["Enter", "open"], ["r", "sort again"], ["m", "look at it later"], ["y", "copy as a command"], ["Y", "copy its link"],
  ["c", "write"], ["Ctrl Enter", "send"], ["f", "to the end"], ["[ ]", "previous, next turn"], ["t", "open or close tools"], ["I twice", "interrupt"],
  ["x", "choose a card, to answer several together"], ["a", "approve once, on a card that is focused and read"], ["d", "deny, with words"], [".", "other decisions"], ["1–9", "choose an answer"],
];

/** Milliseconds that the palette may take to be there. */
const OPENING = 1000;

const SELECTABLE = "a.row, a.hit, article.card";

/**
 * Listen to keys.
 * @param {{go: (to: string) => void, up: () => void, help: () => void, palette: () => void}} actions
 */
export function listen({ go, up, help, palette }) {
  let prefix = "", armed = 0, opening = 0;
  document.addEventListener("pointerdown", (event) => { closeMenus(/** @type {Element} */ (event.target).closest(".more") || undefined); });
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key === "k") { palette(); opening = Date.now(); event.preventDefault(); return; }
    // What is typed before the palette is there is meant for it, not for the page.
    if (Date.now() - opening < OPENING && !find("dialog.palette")) return;
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (target.closest("dialog.palette, dialog.large")) return;
    if (event.key === "Escape" && !find("dialog.help") && closeMenus()) return;
    if (target.closest("input, textarea, select")) {
      if (event.key === "Escape") target.blur();
      return;
    }
    const key = prefix + event.key;
    prefix = "";
    const places = /** @type {Record<string, string>} */ ({ "g b": "#/", "g i": "#/inbox", "g h": "#/host", "g s": "#/search", "g u": "#/usage", "g a": "#/activity", n: "#/new" });
    const done = () => event.preventDefault();
    if (event.key === "g" && key === "g") prefix = "g ";
    else if (key in places) { go(places[key]); done(); }
    else if (key === "?") { help(); done(); }
    else if (key === "u" || key === "Escape") up();
    else if (key === "/") { (find('[data-key="/"]') || find("#search"))?.focus(); done(); }
    else if (key === "y") copy(object()?.dataset.command || "");
    else if (key === "Y") copy(new URL(object()?.dataset.link || "", location.href).href);
    else if (key === "m") press(key, document.activeElement?.closest("li") || document.body);
    else if (key === "j" || key === "ArrowDown") move(1) && done();
    else if (key === "k" || key === "ArrowUp") move(-1) && done();
    else if (key === "c") { find('[data-key="c"]')?.focus(); done(); }
    else if (key === "[" || key === "]") turn(key === "]" ? 1 : -1);
    else if (key === "t") toggleTools();
    else if (key === "I") {
      // Twice within a second, since it cannot be taken back.
      if (Date.now() - armed < 1000) find('[data-key="I"]')?.click();
      armed = Date.now();
    } else if (/^[adx.1-9]$/.test(key)) press(key, document.activeElement?.closest("article.card"));
    else if (key === "r" || key === "f") press(key, document.body);
  });
}

/** Close what lies open over a session; tell whether there was any. @param {Element} [but] the one that may stay */
function closeMenus(but) {
  const open = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll(".actions .more[open]")]).filter((menu) => menu !== but);
  for (const menu of open) menu.open = false;
  return open.length > 0;
}

/** What is copied: the card or row that is focused, else what the screen shows. @returns {HTMLElement | null | undefined} */
const object = () => /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest("[data-command]")) || find("main [data-command][data-screen]");

/** @param {string} selector @returns {HTMLElement | null} */
const find = (selector) => document.querySelector(selector);

/** Press what has a key, within a card or the page. @param {string} key @param {Element | null | undefined} within */
function press(key, within) {
  const found = /** @type {HTMLElement | null | undefined} */ (within?.querySelector(`[data-key="${key}"]`));
  if (found instanceof HTMLDetailsElement) found.open = !found.open;
  else found?.click();
}

/** Focus the next of what can be chosen. @param {number} step */
function move(step) {
  const all = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(SELECTABLE)]);
  if (!all.length) return false;
  const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement?.closest(SELECTABLE)));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest" });
  return true;
}

/** Go to the next or the previous words of the user. @param {number} step */
function turn(step) {
  const log = find(".log");
  if (!log) return;
  const top = log.getBoundingClientRect().top;
  const tops = [...log.querySelectorAll(".item.user")].map((item) => item.getBoundingClientRect().top - top);
  const next = step > 0 ? tops.find((each) => each > 4) : tops.findLast((each) => each < -4);
  if (next !== undefined) log.scrollTop += next;
}

function toggleTools() {
  const all = /** @type {HTMLDetailsElement[]} */ ([...document.querySelectorAll("details[data-tool]")]);
  const open = all.some((each) => !each.open);
  for (const each of all) each.open = open;
}
