// @ts-check
// The items of a conversation in the order in which they are read: what a subagent does is under the
// call that began it, and finished tools that follow each other are one line.

/** @typedef {{item: any, inner: Node[], run?: Node[]}} Node an item, what is under it, and the items for which it stands */

/** Finished tools that are as many or more are one line. */
const RUN = 3;

/** Nodes of the last draw, so that what has not changed is not drawn again. @type {WeakMap<any, Node>} */
const drawn = new WeakMap();

/** @param {any[]} items in the order of the log @returns {Node[]} */
export function steps(items) {
  const calls = new Set(items.filter((item) => item.kind === "tool" && item.item).map((item) => item.item));
  /** @type {Map<string, any[]>} */
  const inner = new Map();
  for (const item of items) {
    if (!isInner(item, calls)) continue;
    const found = inner.get(item.parent);
    if (found) found.push(item);
    else inner.set(item.parent, [item]);
  }
  return runs(items.filter((item) => !isInner(item, calls)).map((item) => nodeOf(item, inner)));
}

/** @param {any} item @param {Set<string>} calls */
const isInner = (item, calls) => item.parent && item.parent !== item.item && calls.has(item.parent);

/** @param {any} item @param {Map<string, any[]>} inner @returns {Node} */
function nodeOf(item, inner) {
  const own = item.kind === "tool" && item.item ? inner.get(item.item) || [] : [];
  return same({ item, inner: runs(own.map((each) => nodeOf(each, inner))) });
}

/** Finished tools become one node, but for the newest ones, at which somebody looks. @param {Node[]} nodes */
function runs(nodes) {
  /** @type {Node[]} */
  const found = [];
  for (let at = 0; at < nodes.length;) {
    let end = at;
    while (end < nodes.length && isPlain(nodes[end])) end++;
    if (end - at >= RUN && end < nodes.length) found.push(same({ item: nodes[at].item, inner: [], run: nodes.slice(at, end) }));
    else found.push(...nodes.slice(at, Math.max(end, at + 1)));
    at = Math.max(end, at + 1);
  }
  return found;
}

/** @param {Node} node */
const isPlain = ({ item, inner }) => item.kind === "tool" && item.status !== "running" && !inner.length && !item.diff && !item.images;

/** The node of before, if nothing of it has changed. @param {Node} node @returns {Node} */
function same(node) {
  const before = drawn.get(node.item);
  const list = (/** @type {Node[] | undefined} */ one, /** @type {Node[] | undefined} */ other) => one?.length === other?.length && (one || []).every((each, at) => each === other?.[at]);
  if (before && list(before.inner, node.inner) && list(before.run, node.run)) return before;
  drawn.set(node.item, node);
  return node;
}
