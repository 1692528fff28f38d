"""The contract of the faces as OpenAPI 3.1, generated from the routes and their types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sxhost import __version__
from sxhost.http.routes import JSON, NDJSON, Route
from sxhost.model.event_types import EVENT_TYPES

__all__ = ["document"]

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"

KNOWN_EVENT: Schema = {
    "description": "An event whose name has a meaning.  In a session that the host runs, its"
    " data is as described here; attached agents may fire any data under any name.",
    "oneOf": [
        {
            "type": "object",
            "required": ["event", "data"],
            "properties": {
                "event": {"const": name},
                "data": {"$ref": REFERENCE.format(name=kind.__name__)},
            },
            "x-nature": kind.nature,
        }
        for name, kind in EVENT_TYPES.items()
    ],
}
"""The catalogue of events; ``x-nature`` tells facts from pieces."""

ERROR: Schema = {
    "type": "object",
    "required": ["ok", "error", "message"],
    "properties": {
        "ok": {"const": False},
        "error": {"type": "string", "description": "A code for programs."},
        "message": {"type": "string", "description": "A sentence for the reader."},
        "field": {"type": "string"},
        "line": {"type": "integer"},
        "limit": {"type": "integer"},
        "retry_after": {"type": "integer", "description": "Seconds."},
    },
}


def document(routes: Sequence[Route]) -> Schema:
    """Return the OpenAPI document of `routes`."""
    of_routes = ((*_bodies(route), route.query, _answer(route)) for route in routes)
    kinds = [*(kind for kinds in of_routes for kind in kinds if kind), *EVENT_TYPES.values()]
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=_any_json, ref_template=REFERENCE
    )
    schema_of = dict(zip(map(repr, kinds), schemas, strict=True))
    paths: dict[str, Schema] = {}
    for route in routes:
        operations = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", route.path), {})
        operation = operations.setdefault(route.method.lower(), _operation(route, components))
        if bodies := _bodies(route):
            required = any(components.get(each.__name__, {}).get("required") for each in bodies)
            body = operation.setdefault("requestBody", {"required": required, "content": {}})
            choices = [_lines(route, schema_of[repr(each)]) for each in bodies]
            schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
            body["content"][route.consumes] = {"schema": schema}
        _add_answer(operation, route, schema_of)
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "sxhost", "version": __version__},
        "paths": paths,
        "components": {"schemas": {**components, "KnownEvent": KNOWN_EVENT, "Error": ERROR}},
    }
    return {name: _portable(part) for name, part in whole.items()}


def _any_json(kind: type) -> Schema:
    """Return the schema of a field that may be any JSON: its type is ``object``."""
    if kind is not object:
        raise NotImplementedError(kind)
    return {"description": "Any JSON."}


def _bodies(route: Route) -> tuple[Any, ...]:
    """Return the types that a body may have: those of `Route.reads`, if it says any."""
    if route.reads is None:
        return () if route.body is None else (route.body,)
    return route.reads if isinstance(route.reads, tuple) else (route.reads,)


def _answer(route: Route) -> Any:
    """Return the type of an answer; None where there is none."""
    return route.answer if route.produces == JSON else str


def _operation(route: Route, components: dict[str, Schema]) -> Schema:
    error = {"$ref": REFERENCE.format(name="Error")}
    return {
        "summary": route.summary,
        "tags": [route.tag],
        "operationId": getattr(route.handler, "__name__", route.path),
        "parameters": [*_path_parameters(route), *_query_parameters(route, components)],
        "responses": {
            "default": {
                "description": "The host said no.",
                "content": {"application/json": {"schema": error}},
            }
        },
    }


def _path_parameters(route: Route) -> Iterator[Schema]:
    for name in route.path_names:
        yield {"name": name, "in": "path", "required": True, "schema": route.path_schema(name)}


def _query_parameters(route: Route, components: dict[str, Schema]) -> Iterator[Schema]:
    if route.query is not None:
        query = components[route.query.__name__]
        for name, schema in query["properties"].items():
            required = name in query.get("required", ())
            yield {"name": name, "in": "query", "required": required, "schema": schema}


def _lines(route: Route, schema: Schema) -> Schema:
    if route.consumes != NDJSON:
        return schema
    return {"type": "string", "description": f"One object a line: {schema['$ref']}."}


def _add_answer(operation: Schema, route: Route, schema_of: dict[str, Schema]) -> None:
    answer = operation["responses"].setdefault(str(route.status), {"description": "Done."})
    kind = _answer(route)
    if kind is None:
        return
    schema = schema_of[repr(kind)]
    answer.setdefault("content", {})
    earlier = answer["content"].get(route.produces)
    if earlier is not None:
        schema = {"anyOf": [earlier["schema"], schema]}
    answer["content"][route.produces] = {"schema": schema}


def _portable(value: Any) -> Any:
    """Rewrite Python's end of text in patterns as the one that JSON Schema knows."""
    if isinstance(value, dict):
        return {
            k: v.replace(r"\Z", "$") if k == "pattern" else _portable(v)
            for k, v in value.items()
        }
    return [_portable(v) for v in value] if isinstance(value, list) else value
