"""The description says what the code does, because it is made from it."""

from typing import Any

import msgspec
import pytest

from gateway.api.openapi import document
from gateway.api.resources import ENDPOINTS
from tests.api.desk import Desk

DOCUMENT = document()
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


async def test_it_is_served_without_a_key(small_desk: Desk) -> None:
    served = (await small_desk.http.get("/openapi.json")).json()
    assert served["paths"] == msgspec.json.decode(msgspec.json.encode(DOCUMENT["paths"]))
    assert served["openapi"].startswith("3.1")


def test_every_route_is_described_once() -> None:
    described = {operation["operationId"] for _, _, operation in OPERATIONS}
    assert described == {endpoint.operation_id for endpoint in ENDPOINTS}
    assert len(described) == len(OPERATIONS) == len(ENDPOINTS)
    assert all(operation["summary"] for _, _, operation in OPERATIONS)


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {reference.rpartition("/")[2] for reference in references(DOCUMENT)} <= set(schemas)


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=[o[2]["operationId"] for o in OPERATIONS])
def test_a_writing_route_describes_both_encodings_and_every_route_its_errors(
    path: str, method: str, operation: Any
) -> None:
    if method == "post":
        assert set(operation["requestBody"]["content"]) == {"application/json", "application/x-www-form-urlencoded"}
    else:
        assert "requestBody" not in operation
    in_path = {name.strip("{}") for name in path.split("/") if name.startswith("{")}
    assert {p["name"] for p in operation["parameters"] if p["in"] == "path"} == in_path
    assert {"200", "400", "401", "403", "404", "500"} <= set(operation["responses"])


async def test_health_is_told_without_a_key(small_desk: Desk) -> None:
    assert (await small_desk.http.get("/healthz")).json() == {"status": "ok"}
    ready = await small_desk.http.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": []})
