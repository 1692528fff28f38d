"""The contract of the faces as OpenAPI 3.1, generated from the routes and their types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sxhost import __version__
from sxhost.grammar import SESSION_ID
from sxhost.web.routes import JSON, NDJSON, Route

__all__ = ["document"]

Schema = dict[str, Any]

PATH_SCHEMAS: dict[str, Schema] = {
    "session_id": {"type": "string", "pattern": SESSION_ID},
    "token_id": {"type": "string", "pattern": "^[0-9a-z]{1,16}$"},
    "code": {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"},
    "request_id": {"type": "string", "minLength": 1, "maxLength": 256},
    "approval_id": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
    "message_id": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
}

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
    kinds = list(_kinds(routes))
    schemas, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(map(repr, kinds), schemas, strict=True))
    paths: dict[str, Schema] = {}
    for route in routes:
        operations = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", route.path), {})
        operation = operations.setdefault(route.method.lower(), _operation(route, components))
        if (body_kind := _body(route)) is not None:
            required = bool(components.get(body_kind.__name__, {}).get("required"))
            body = operation.setdefault("requestBody", {"required": required, "content": {}})
            body["content"][route.consumes] = {
                "schema": _lines(route, schema_of[repr(body_kind)])
            }
        answer = route.answer if route.produces == JSON else str
        _add_answer(operation, route, schema_of[repr(answer)])
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "sxhost", "version": __version__},
        "paths": paths,
        "components": {"schemas": {**components, "Error": ERROR}},
    }
    return {name: _portable(part) for name, part in whole.items()}


def _kinds(routes: Sequence[Route]) -> Iterator[Any]:
    for route in routes:
        answer = route.answer if route.produces == JSON else str
        yield from (kind for kind in (_body(route), route.query, answer) if kind)


def _body(route: Route) -> Any:
    """Return the type of a body; of one that is taken as bytes, what is made of it."""
    return route.reads if route.body is bytes else route.body


def _operation(route: Route, components: dict[str, Schema]) -> Schema:
    error = {"$ref": "#/components/schemas/Error"}
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
        yield {"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS[name]}


def _query_parameters(route: Route, components: dict[str, Schema]) -> Iterator[Schema]:
    if route.query is not None:
        for name, schema in components[route.query.__name__]["properties"].items():
            yield {"name": name, "in": "query", "schema": schema}


def _lines(route: Route, schema: Schema) -> Schema:
    if route.consumes != NDJSON:
        return schema
    return {"type": "string", "description": f"One object a line: {schema['$ref']}."}


def _add_answer(operation: Schema, route: Route, schema: Schema) -> None:
    answer = operation["responses"].setdefault(
        str(route.status), {"description": "Done.", "content": {}}
    )
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
