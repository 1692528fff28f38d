"""The contract that is generated is a contract, and the whole of it."""

from __future__ import annotations

import re

from .lab import Lab


def test_every_route_is_in_the_contract(lab: Lab) -> None:
    document = lab.request("GET", "/openapi.json").json()
    for route in lab.routes:
        operation = document["paths"][re.sub("<(.+?)>", r"{\1}", route.path)][
            route.method.lower()
        ]
        assert str(route.status) in operation["responses"]
        if route.body is not None:
            assert route.consumes in operation["requestBody"]["content"]


def test_parameters_come_from_the_types(lab: Lab) -> None:
    document = lab.request("GET", "/openapi.json").json()
    operation = document["paths"]["/sessions/{session_id}/messages"]["get"]
    found = {(p["in"], p["name"], p["schema"].get("type")) for p in operation["parameters"]}
    assert found == {
        ("path", "session_id", "string"),
        ("query", "wait", "number"),
        ("query", "lease", "number"),
        ("query", "peek", "boolean"),
    }


def test_patterns_are_those_of_json_schema(lab: Lab) -> None:
    assert rb"\\Z" not in lab.request("GET", "/openapi.json").body


def test_every_reference_leads_somewhere(lab: Lab) -> None:
    text = lab.request("GET", "/openapi.json").body.decode()
    schemas = lab.request("GET", "/openapi.json").json()["components"]["schemas"]
    names = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert names
    assert names <= set(schemas)


def test_the_index_lists_every_route(lab: Lab) -> None:
    index = lab.request("GET", "/").json()
    listed = {(route["method"], route["path"]) for route in index["routes"]}
    assert listed == {(route.method, route.path) for route in lab.routes}
