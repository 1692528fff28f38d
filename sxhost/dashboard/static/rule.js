// @ts-check
// A rule that would answer a question from now on: shown to be copied, with what it would have answered so far.
import { post } from "./api.js";
import { h, html, useEffect, useState } from "./dom.js";
import { age, oneLine } from "./format.js";
import { Words } from "./text.js";

/** Past questions that are listed. */
const MOST = 10;

/** @param {{approval: any, sentence: (error: unknown) => string}} props */
export function Rule({ approval, sentence }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [why, setWhy] = useState("");
  useEffect(() => {
    post("policy/propose", { session: approval.session, approval: approval.id })
      .then(setFound, (error) => setWhy(sentence(error)));
  }, [approval.id]);
  if (!found) return html`<p class="notice" role="status">${why ? `No rule: ${why}` : "Looking for a rule…"}</p>`;
  const others = found.matches.filter((/** @type {any} */ match) => match.id !== approval.id);
  const denied = others.filter((/** @type {any} */ match) => match.decision === "deny" || match.decision === "cancel").length;
  return html`<section class="notice" aria-label="A rule for such">
    <p>${h(Words, { text: found.reach })}</p>
    <pre class="block" tabindex="0" aria-label="The rule">${h(Words, { text: found.rule })}</pre>
    <p>${h(Place, { found })} ${navigator.clipboard && h(Copy, { text: found.rule })}</p>
    <p>${others.length === 0 ? `Of the last ${found.looked_at} questions it would have answered no other.`
      : `Of the last ${found.looked_at} questions it would have answered ${others.length} more${denied ? `; ${denied} of them were denied` : ""}:`}</p>
    <ul class="plain">${others.slice(0, MOST).map((/** @type {any} */ match) => html`<li key=${match.id}>${oneLine(match.title, 100)}
      <span class="dim">${oneLine(match.session, 40)}, ${age(Date.now() - match.opened_ms)} ago${match.decision ? `: ${oneLine(match.decision, 40)}` : ", it waits"}</span></li>`)}</ul></section>`;
}

/** Where the rule belongs; the page writes no files. @param {{found: any}} props */
function Place({ found }) {
  if (!found.file) return html`This host has no policy yet: write the rule into a file, and start the host with <code>--policy FILE</code>.`;
  const above = found.above ? html`, above the rule <b>${h(Words, { text: found.above })}</b>, which comes first now` : "";
  return html`It belongs into <code>${h(Words, { text: found.file })}</code>${above}. Then have the host read it again: <code>systemctl reload sxhost</code>, or SIGHUP.`;
}

/** @param {{text: string}} props */
function Copy({ text }) {
  const [verdict, setVerdict] = useState("Copy");
  return html`<button type="button" onClick=${() => navigator.clipboard.writeText(text).then(() => setVerdict("Copied"), () => setVerdict("It cannot be copied here"))}>${verdict}</button>`;
}
