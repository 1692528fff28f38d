"""The contract that is generated is a contract, and the whole of it."""

from __future__ import annotations

import re
from typing import get_args

from sxhost.model.event_types import EVENT_TYPES, ToolStatus
from sxhost.testing import HostInMemory


def test_every_route_is_in_the_openapi_document(lab: HostInMemory) -> None:
    document = lab.request("GET", "/openapi.json").json()
    for route in lab.routes:
        operation = document["paths"][re.sub("<(.+?)>", r"{\1}", route.path)][
            route.method.lower()
        ]
        assert str(route.status) in operation["responses"]
        if route.body is not None:
            assert route.consumes in operation["requestBody"]["content"]


def test_parameters_come_from_the_types(lab: HostInMemory) -> None:
    document = lab.request("GET", "/openapi.json").json()
    operation = document["paths"]["/sessions/{session_id}/messages"]["get"]
    found = {(p["in"], p["name"], p["schema"].get("type")) for p in operation["parameters"]}
    assert found == {
        ("path", "session_id", "string"),
        ("query", "wait", "number"),
        ("query", "lease", "number"),
        ("query", "peek", "boolean"),
    }


def test_parameter_without_a_default_is_required(lab: HostInMemory) -> None:
    document = lab.request("GET", "/openapi.json").json()
    parameters = document["paths"]["/search"]["get"]["parameters"]
    assert [p["name"] for p in parameters if p["required"]] == ["q"]
    assert lab.request("GET", "/search").status == 400


def test_every_parameter_in_a_path_has_bounds(lab: HostInMemory) -> None:
    for route in lab.routes:
        for name in route.path_names:
            schema = route.path_schema(name)
            assert {"pattern", "maximum", "maxLength"} & schema.keys(), (route.path, schema)


def test_streaming_answer_has_a_media_type(lab: HostInMemory) -> None:
    document = lab.request("GET", "/openapi.json").json()
    answer = document["paths"]["/hooks/claude"]["post"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/HookAnswer"}


def test_patterns_are_those_of_json_schema(lab: HostInMemory) -> None:
    assert rb"\\Z" not in lab.request("GET", "/openapi.json").body


def test_every_schema_reference_resolves(lab: HostInMemory) -> None:
    text = lab.request("GET", "/openapi.json").body.decode()
    schemas = lab.request("GET", "/openapi.json").json()["components"]["schemas"]
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names
    assert names <= set(schemas)


def test_every_event_with_a_meaning_is_described(lab: HostInMemory) -> None:
    schemas = lab.request("GET", "/openapi.json").json()["components"]["schemas"]
    described = {
        one["properties"]["event"]["const"]: one["properties"]["data"]["$ref"]
        for one in schemas["KnownEvent"]["oneOf"]
    }
    assert described == {
        name: f"#/components/schemas/{kind.__name__}" for name, kind in EVENT_TYPES.items()
    }
    tool_done = schemas["ToolDoneEvent"]
    assert tool_done["properties"]["status"]["enum"] == sorted(get_args(ToolStatus))
    assert tool_done["required"] == ["tool", "status"]
    assert tool_done["properties"]["output"] == {"description": "Any JSON."}


def test_the_index_lists_every_route(lab: HostInMemory) -> None:
    index = lab.request("GET", "/").json()
    listed = {(route["method"], route["path"]) for route in index["routes"]}
    assert listed == {(route.method, route.path) for route in lab.routes}


def test_bodies_of_hooks_and_telemetry_have_types_and_unknown_hooks_pass(
    lab: HostInMemory,
) -> None:
    document = lab.request("GET", "/openapi.json").json()
    bodies = {
        path: document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        for path in ("/hooks/claude", "/hooks/codex", "/telemetry")
    }
    assert bodies["/hooks/claude"]["schema"]["$ref"].endswith("/HookInput")
    assert len(bodies["/hooks/codex"]["schema"]["anyOf"]) == 2
    schemas = document["components"]["schemas"]
    hook = schemas["HookInput"]
    assert hook["required"] == ["session_id", "hook_event_name"]
    assert "enum" not in hook["properties"]["hook_event_name"]
    assert "tool_result" in schemas["TelemetryPayload"]["properties"]["type"]["enum"]
    assert "content" not in document["paths"]["/telemetry"]["post"]["responses"]["204"]
