"""What every door does with a request: who calls, the JSON body, and how faults are answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Response, request
from werkzeug.exceptions import BadRequest

from lianban.chassis.web import Api, language, principal, problem
from services.intake.domain.caller import PETITIONER, Caller
from services.intake.domain.petition import Fault, Faulty, unknown_fields

View = TypeVar("View", bound=Callable[..., Any])


def documented(api: Api, **documentation: Any) -> Callable[[View], View]:
    """Describe a view in the OpenAPI document, where the decorators of its arguments do not."""
    decorate: Callable[[View], View] = api.doc(**documentation)
    return decorate


def caller() -> Caller:
    """Who submits."""
    who = principal()
    if not who.signed_in:
        return PETITIONER
    key = f"{who.kind}:{who.subject}"
    return Caller(key=key, name=key, roles=who.roles)


def json_object(*fields: str) -> Mapping[str, Any]:
    """The JSON object in the body, with no other ``fields`` where any are named; raises BadRequest or Faulty."""
    try:
        value = request.get_json()
    except RecursionError:
        raise BadRequest from None
    if not isinstance(value, dict):
        raise Faulty([Fault("", "not-an-object", "正文应为JSON对象", "the body must be a JSON object")])
    if fields and (faults := unknown_fields(value, "", frozenset(fields))):
        raise Faulty(faults)
    return value


def said(fault: Fault) -> str:
    """A fault in the language of the request."""
    return f"{fault.zh}。" if language() == "zh" else f"{fault.en[:1].upper()}{fault.en[1:]}."


def form_errors(error: Faulty, **names: str) -> dict[str, str]:
    """Faults as ``{field name: message}`` of a form; ``names`` rename first parts of pointers."""
    found: dict[str, str] = {}
    for fault in error.faults:
        name = fault.pointer.strip("/").replace("/", ".")
        head = name.partition(".")[0]
        found.setdefault(names.get(name) or names.get(f"{head}_") or name, said(fault))
    return found


def on_faulty(error: Faulty) -> Response:
    """Every fault with its place, as one problem document."""
    return problem(
        422, errors=tuple({"pointer": fault.pointer, "message": said(fault)} for fault in error.faults[:100])
    )
