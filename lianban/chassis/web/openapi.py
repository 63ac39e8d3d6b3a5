"""One OpenAPI 3.1 document for all services, made of what each of them documents about its views."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

from flask import Flask


class TwoOwners(ValueError):
    """Two services serve the same path, so the edge could not know whom to ask."""


def build_openapi(apps: Iterable[Flask], *, version: str, server: str | None = None) -> dict[str, Any]:
    """The merged document of the services' public APIs; internal endpoints are left out."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "联办 Lianban",
            "version": version,
            "description": "信访事项联合办理接口。Errors are RFC 9457 problem details; "
            "lists are paged with `limit` and `after`; a POST with `Idempotency-Key` has one effect.",
        },
        "tags": [],
        "paths": {},
        "components": {},
    }
    if server is not None:
        merged["servers"] = [{"url": server}]
    owners: dict[str, str] = {}
    for app in apps:
        service = str(app.extensions["lianban"]["service"])
        document = _renamed(app.extensions["lianban"]["spec"].to_dict(), service, merged["components"])
        for path, item in document.get("paths", {}).items():
            if path.startswith("/internal/"):
                continue
            if path in owners:
                raise TwoOwners(f"{path} is served by {owners[path]} and {service}")
            owners[path] = service
            merged["paths"][path] = item
        merged["tags"].extend(document.get("tags", []))
        for kind, entries in document.get("components", {}).items():
            merged["components"].setdefault(kind, {}).update(entries)
    for answer in merged["components"].get("responses", {}).values():
        _as_problem(answer)
    return merged


def _renamed(document: dict[str, Any], service: str, taken: dict[str, Any]) -> dict[str, Any]:
    """The document with a service's name before each schema that another service describes differently."""
    document = copy.deepcopy(document)
    schemas = document.get("components", {}).get("schemas", {})
    clashes = [
        name
        for name, schema in schemas.items()
        if name in taken.get("schemas", {}) and taken["schemas"][name] != schema
    ]
    if not clashes:
        return document
    prefix = "".join(part.capitalize() for part in service.split("_"))
    text = json.dumps(document)
    for name in clashes:
        text = text.replace(f'"#/components/schemas/{name}"', f'"#/components/schemas/{prefix}{name}"')
    document = json.loads(text)
    schemas = document["components"]["schemas"]
    for name in clashes:
        schemas[f"{prefix}{name}"] = schemas.pop(name)
    return document


def _as_problem(answer: dict[str, Any]) -> None:
    """Give an answer that holds a problem document the media type that it is sent with."""
    content = answer.get("content", {})
    shown = content.get("application/json", {}).get("schema", {}).get("$ref")
    if shown == "#/components/schemas/Problem":
        answer["content"] = {"application/problem+json": content["application/json"]}
