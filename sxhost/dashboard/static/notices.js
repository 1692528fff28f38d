// @ts-check
// Notices of the system for what agents ask while nobody looks at the page.
import { effect, html, useState } from "./dom.js";
import { oneLine } from "./format.js";
import { approvals, sessions } from "./state.js";

const WANTED = "sxhost.notices";

/** @type {Map<string, Notification>} those that are shown, one for a session */
const shown = new Map();
/** @type {Set<number>} approvals that were there before, or have been told */
let known = new Set();
let first = true;

const wanted = () => "Notification" in window && Notification.permission === "granted" && localStorage.getItem(WANTED) === "on";

/** Begin to tell what changes from now on; what is answered is taken back. */
export function watch() {
  effect(() => {
    const asked = approvals.value;
    for (const approval of asked) if (!first && !known.has(approval.id) && document.hidden && wanted()) tell(approval);
    for (const [session, notice] of shown) {
      if (!asked.some((approval) => approval.session === session)) { notice.close(); shown.delete(session); }
    }
    known = new Set(asked.map((approval) => approval.id));
    first = false;
    const count = asked.length;
    showCount(count);
    document.title = count ? `(${count}) sxhost` : "sxhost";
    if ("setAppBadge" in navigator) navigator.setAppBadge(count).catch(() => {});
  });
}

const ICON = document.querySelector('link[rel="icon"]');
const plain = ICON?.getAttribute("href") || "";

/** The page's icon says how many ask, for whoever sees that of its tab alone. @param {number} count */
function showCount(count) {
  const words = count > 9 ? "9+" : String(count);
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#9a4a00"/><text x="32" y="47" font-family="sans-serif" font-size="42" font-weight="700" text-anchor="middle" fill="#fff">${words}</text></svg>`;
  ICON?.setAttribute("href", count ? `data:image/svg+xml,${encodeURIComponent(drawing)}` : plain);
}

/** @param {any} approval */
function tell(approval) {
  const session = sessions.peek().get(approval.session);
  const title = `${oneLine(session?.title || approval.session, 60)} asks`;
  const notice = new Notification(title, { body: oneLine(approval.title, 160), tag: approval.session });
  notice.onclick = () => { window.focus(); location.hash = `#/s/${encodeURIComponent(approval.session)}`; };
  shown.set(approval.session, notice);
}

/** A switch for them; the browser is asked when somebody wants them. */
export function Switch() {
  const [on, set] = useState(wanted());
  const [refused, setRefused] = useState(false);
  if (!("Notification" in window)) return null;
  const change = async () => {
    const allowed = on || (await Notification.requestPermission()) === "granted";
    setRefused(!allowed);
    localStorage.setItem(WANTED, !on && allowed ? "on" : "off");
    set(wanted());
  };
  return html`<p><label><input type="checkbox" checked=${on} onChange=${change} /> Tell me what agents ask while this page is not in front</label>
    ${refused && html` <span class="dim">This browser does not allow it for this page.</span>`}</p>`;
}
