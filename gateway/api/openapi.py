"""The description of the API (OpenAPI 3.1), made from the endpoints themselves: what they decode is what it says."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect as shapes

from gateway.api.endpoint import Endpoint
from gateway.api.problems import ErrorAnswer
from gateway.api.resources import ENDPOINTS
from gateway.domain import permission
from gateway.wire.common import API_VERSION

_REF: Final = "#/components/schemas/{name}"
_MEDIA_TYPES: Final = ("application/json", "application/x-www-form-urlencoded")
_PATH_PARAMETER: Final = re.compile(r"\{(\w+):str\}")
_ERRORS: Final = {
    400: "A parameter is unknown, missing or of a wrong type, names nothing, or breaks a rule.",
    401: "No API key, or none that opens anything.",
    402: "The payment that was asked for failed; `decline_code` says why.",
    403: "The key is good, but not for this.",
    404: "There is no such object in the account and mode of the key.",
    409: "The object is busy, or a request with the same Idempotency-Key is being served.",
    413: "The body is larger than 1 MiB.",
    429: "The key has made too many requests; Retry-After says when to try again.",
    500: "A fault of ours; the Request-Id names it.",
    503: "The chain or the database cannot be asked now.",
}
_READ_ERRORS: Final = (400, 401, 403, 404, 429, 500, 503)

Document = dict[str, Any]

_SECURITY: Final[list[Document]] = [{"bearer": []}, {"basic": []}]


def document(endpoints: Sequence[Endpoint[Any]] = ENDPOINTS, *, server: str = "/") -> Document:
    """Describe the endpoints; equal code gives equal documents."""
    types: list[Any] = [ErrorAnswer]
    types += [endpoint.params for endpoint in endpoints]
    types += [endpoint.answer for endpoint in endpoints]
    schemas, components = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REF)
    refs = dict(zip(dict.fromkeys(types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        # PATCH is accepted as POST and HEAD as GET; both are described once.
        paths.setdefault(path, {})[endpoint.methods[0].lower()] = _operation(endpoint, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Dues",
            "version": API_VERSION,
            "description": "Recurring ERC-20 payments: a self-hosted gateway in the wire format of the Stripe SDKs.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "security": _SECURITY,
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(components)},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A secret key (sk_…), or a restricted one (rk_…) with the operation's x-permission.",
                },
                "basic": {"type": "http", "scheme": "basic", "description": "The secret key as user, no password."},
                "publishable": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A publishable key (pk_test_… or pk_live_…) with the client secret of the object.",
                },
            },
        },
    }


def _operation(endpoint: Endpoint[Any], refs: dict[Any, Any]) -> Document:
    answer = refs[endpoint.answer]
    if endpoint.is_list:
        answer = _search_of(answer) if endpoint.is_search else _list_of(answer)
    in_query = not endpoint.writes or "DELETE" in endpoint.methods
    described: Document = {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "x-permission": permission.name(endpoint.resource, endpoint.level),
        "tags": [endpoint.path.removeprefix("/v1/").partition("/")[0]],
        "parameters": [
            *_path_parameters(endpoint),
            *(_query_parameters(endpoint) if in_query else ()),
            *(_IDEMPOTENCY if endpoint.writes else ()),
        ],
        "responses": {
            "200": {
                "description": "Done." if endpoint.writes else "Found.",
                "headers": _HEADERS,
                "content": {"application/json": {"schema": answer}},
            },
            **{
                str(status): {
                    "description": _ERRORS[status],
                    "content": {"application/json": {"schema": refs[ErrorAnswer]}},
                }
                for status in (_ERRORS if endpoint.writes else _READ_ERRORS)
            },
        },
    }
    if endpoint.public:
        described["security"] = [*_SECURITY, {"publishable": []}]
    if not in_query:
        described["requestBody"] = {
            "required": _has_required(endpoint.params),
            "content": {media_type: _body(refs[endpoint.params], media_type) for media_type in _MEDIA_TYPES},
        }
    return described


def _body(schema: Document, media_type: str) -> Document:
    if media_type == _MEDIA_TYPES[0]:
        return {"schema": schema}
    nested = {"style": "deepObject", "explode": True}
    return {"schema": schema, "encoding": dict.fromkeys(("metadata", "items", "expand"), nested)}


_HEADERS: Final[Document] = {
    "Request-Id": {"schema": {"type": "string"}, "description": "Names this request in logs and events."}
}
_IDEMPOTENCY: Final = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "description": "Repeating a request under the same key has one effect and the same answer, for 30 days.",
    },
)


def _list_of(entry: Document) -> Document:
    return {
        "type": "object",
        "required": ["object", "data", "has_more", "url"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": entry},
            "has_more": {"type": "boolean"},
            "url": {"type": "string"},
        },
    }


def _search_of(entry: Document) -> Document:
    return {
        "type": "object",
        "required": ["object", "data", "has_more", "next_page", "url"],
        "properties": {
            "object": {"const": "search_result"},
            "data": {"type": "array", "items": entry},
            "has_more": {"type": "boolean"},
            "next_page": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "total_count": {"type": "integer", "description": "There with expand[]=total_count; counted up to 10,000."},
            "url": {"type": "string"},
        },
    }


def _path_parameters(endpoint: Endpoint[Any]) -> list[Document]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PATH_PARAMETER.findall(endpoint.path)
    ]


def _has_required(params: type[Any]) -> bool:
    found = shapes.type_info(params)
    return isinstance(found, shapes.StructType) and any(field.required for field in found.fields)


def _query_parameters(endpoint: Endpoint[Any]) -> list[Document]:
    """One parameter per field; nested ones are written with brackets."""
    (schema,), components = msgspec.json.schema_components([endpoint.params], ref_template=_REF)
    own = components[schema["$ref"].rpartition("/")[2]]
    required = set(own.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "style": "deepObject", "explode": True}
        | {"schema": field}
        for name, field in own["properties"].items()
    ]
