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
            merged["paths"][path] = _with_problems(item)
        merged["tags"].extend(document.get("tags", []))
        for kind, entries in document.get("components", {}).items():
            merged["components"].setdefault(kind, {}).update(entries)
    error = merged["components"].get("responses", {}).get("DEFAULT_ERROR")
    if error is not None:
        error["content"] = {"application/problem+json": next(iter(error["content"].values()))}
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


def _with_problems(item: dict[str, Any]) -> dict[str, Any]:
    """An item whose validation answer is described as the problem document it is."""
    for operation in item.values():
        if not isinstance(operation, dict):
            continue
        for status, answer in operation.get("responses", {}).items():
            if str(status)[0] in "45" and isinstance(answer, dict) and "content" in answer:
                answer["content"] = {"application/problem+json": next(iter(answer["content"].values()))}
    return item
