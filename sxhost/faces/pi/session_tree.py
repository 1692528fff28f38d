"""The tree of a pi session as pi-app-server sends it: a list of nodes, parents first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sxhost.codec.json import encode

__all__ = ["nodes_of", "tree_of"]

MAX_NODES = 10_000
MAX_DEPTH = 1000
MAX_PREVIEW = 400

_SPACE = re.compile(r"\s+")


def tree_of(entries: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    """Return the trees of a file's entries, and the id of the leaf: the last entry."""
    nodes: dict[str, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    labels: dict[str, Any] = {}
    leaf = None
    for entry in entries:
        leaf = str(entry.get("id"))
        node = nodes[leaf] = {"entry": entry, "children": []}
        parent = nodes.get(str(entry.get("parentId")))
        (roots if parent is None else parent["children"]).append(node)
        if entry.get("type") == "label":
            labels[str(entry.get("targetId"))] = entry.get("label")
    for name, label in labels.items():
        if name in nodes and label:
            nodes[name]["label"] = label
    return roots, leaf


def nodes_of(tree: Any, leaf: str | None = None) -> dict[str, Any]:
    """Return the answer to ``get_tree``; `tree` may be a file's, with its leaf."""
    if isinstance(tree, tuple):
        tree, leaf = tree
    nodes: list[dict[str, Any]] = []
    stack = [(node, 0) for node in reversed(tree if isinstance(tree, list) else [])]
    while stack and len(nodes) < MAX_NODES:
        node, depth = stack.pop()
        if not isinstance(node, dict) or depth > MAX_DEPTH:
            continue
        if isinstance(node.get("entry"), dict):
            nodes.append(_node(node["entry"], node.get("label")))
        children: Sequence[Any] = node.get("children") or []
        stack += [(child, depth + 1) for child in reversed(children)]
    return {"currentLeafId": leaf, "nodes": nodes}


def _node(entry: Mapping[str, Any], label: Any) -> dict[str, Any]:
    kind, message = entry.get("type", "unknown"), entry.get("message")
    role = message.get("role") if kind == "message" and isinstance(message, dict) else None
    preview = _PREVIEWS[kind](entry) if kind in _PREVIEWS else None
    text = _SPACE.sub(" ", str(preview or "")).strip()
    if len(text) > MAX_PREVIEW:
        text = f"{text[:MAX_PREVIEW]}…"
    node = {
        "entryId": entry.get("id"),
        "parentId": entry.get("parentId"),
        "entryType": kind,
        "role": role,
        "text": text or f"[{role or kind}]",
        "timestamp": entry.get("timestamp"),
    }
    return {**node, "label": label} if label else node


# The preview of an entry: a line of text.

Entry = Mapping[str, Any]


def _message(entry: Entry) -> str:
    message = entry.get("message")
    if not isinstance(message, dict):
        return ""
    texts = (message.get(name) for name in ("text", "output", "command", "summary"))
    return _content(message.get("content")) or next(
        (t for t in texts if isinstance(t, str)), ""
    )


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(_part(part) for part in parts)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    fields = part if isinstance(part, dict) else {}
    texts = (fields.get(name) for name in ("text", "thinking", "content"))
    return next((text for text in texts if isinstance(text, str)), "")


def _compaction(entry: Entry) -> str:
    tokens = entry.get("tokensBefore")
    size = f"{tokens} tokens" if isinstance(tokens, int) else ""
    return str(entry.get("summary") or size)


def _custom(entry: Entry) -> str:
    data = entry.get("data")
    name = entry.get("customType")
    return str(name) if name else "" if data is None else encode(data).decode()


_PREVIEWS: Mapping[str, Callable[[Entry], str]] = {
    "message": _message,
    "custom_message": lambda entry: _content(entry.get("content")),
    "branch_summary": lambda entry: str(entry.get("summary") or ""),
    "compaction": _compaction,
    "model_change": lambda entry: "/".join(
        filter(None, (entry.get("provider"), entry.get("modelId")))
    ),
    "thinking_level_change": lambda entry: str(entry.get("thinkingLevel") or ""),
    "label": lambda entry: " → ".join(
        filter(None, (entry.get("label") or "(cleared)", entry.get("targetId")))
    ),
    "custom": _custom,
    "session_info": lambda entry: str(entry.get("name") or ""),
}
