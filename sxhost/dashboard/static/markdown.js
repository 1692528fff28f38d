// @ts-check
// Markdown as elements: the library only finds the tokens, each of which becomes an element from a
// fixed list. Markup in the text stays text, pictures are links, links lead to the web alone.
import { lexer } from "./vendor/marked.js";
import { h, html, useMemo } from "./dom.js";
import { oneLine } from "./format.js";
import { Thumbnail, addressOf } from "./pictures.js";
import { Words } from "./text.js";

/** @param {{text: string}} props */
export function Markdown({ text }) {
  const tokens = useMemo(() => lexer(text, { gfm: true }), [text]);
  return html`<div class="markdown">${all(tokens)}</div>`;
}

const words = (/** @type {string} */ text) => h(Words, { text: unescaped(text) });

const ENTITIES = /** @type {Record<string, string>} */ ({ "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" });
const unescaped = (/** @type {string} */ text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (found) => ENTITIES[found]);

/** @param {any[]} tokens */
const all = (tokens) => tokens.map((token, at) => html`<${Token} key=${at} token=${token} />`);

/** @param {any} token */
const inside = (token) => (token.tokens ? all(token.tokens) : words(token.text ?? token.raw));

/** @type {Record<string, (token: any) => any>} */
const ELEMENTS = {
  space: () => null,
  hr: () => html`<hr />`,
  br: () => html`<br />`,
  code: (token) => html`<pre class="block"><code>${h(Words, { text: token.text })}</code></pre>`,
  codespan: (token) => html`<code>${h(Words, { text: token.text })}</code>`,
  heading: (token) => h(`h${Math.min(6, token.depth + 1)}`, null, inside(token)),
  paragraph: (token) => html`<p>${inside(token)}</p>`,
  blockquote: (token) => html`<blockquote>${inside(token)}</blockquote>`,
  strong: (token) => html`<strong>${inside(token)}</strong>`,
  em: (token) => html`<em>${inside(token)}</em>`,
  del: (token) => html`<del>${inside(token)}</del>`,
  text: inside,
  escape: (token) => words(token.text),
  html: (token) => words(token.raw),
  list: (token) => h(token.ordered ? "ol" : "ul", token.ordered ? { start: token.start } : null, token.items.map(entry)),
  table,
  link: (token) => html`<${Away} to=${token.href}>${inside(token)}<//>`,
  image: (token) => image(token),
};

/** A picture that is in the text itself is shown; any other would be asked of somebody, and is a link. @param {any} token */
function image({ href, text }) {
  const [, type = "", data = ""] = /^data:([\w/+.-]+);base64,([^"']+)$/.exec(href) || [];
  if (addressOf({ mime_type: type, data })) return h(Thumbnail, { picture: { mime_type: type, data }, name: oneLine(text || "picture", 100) });
  return html`<${Away} to=${href}>picture: ${words(text || oneLine(href, 200))}<//>`;
}

/** @param {any} item @param {number} at */
function entry(item, at) {
  const box = item.task && html`<input type="checkbox" disabled checked=${item.checked} aria-label="done" />`;
  return html`<li key=${at} class=${item.task ? "task" : undefined}>${box} ${all(item.tokens.filter((/** @type {any} */ token) => token.type !== "checkbox"))}</li>`;
}

/** @param {any} token */
function table(token) {
  return html`<div class="scrolls" tabindex="0" role="region" aria-label="Table"><table>
    <thead><tr>${token.header.map((/** @type {any} */ cell, /** @type {number} */ at) => html`<th key=${at} align=${cell.align || undefined}>${inside(cell)}</th>`)}</tr></thead>
    <tbody>${token.rows.map((/** @type {any[]} */ row, /** @type {number} */ number) => html`<tr key=${number}>${row.map((cell, at) => html`<td key=${at} align=${cell.align || undefined}>${inside(cell)}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

/** @param {{token: any}} props */
function Token({ token }) {
  const element = ELEMENTS[token.type];
  return element ? element(token) : words(token.raw ?? "");
}

/** A link that says where it leads; what is no address of the web is no link. @param {{to: string, children?: any}} props */
function Away({ to, children }) {
  let address;
  try {
    address = new URL(to);
  } catch {
    return children;
  }
  if (!["http:", "https:"].includes(address.protocol)) return html`${children} (${words(to)})`;
  return html`<a href=${address.href} target="_blank" rel="noopener noreferrer" title=${address.href}>${children}</a
    > <span class="dim">(${address.host})</span>`;
}
