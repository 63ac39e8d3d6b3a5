"""The form of a profile: what may stand in its YAML, checked member by member."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

import marshmallow as ma

from lianban.contracts.codes import ExchangeKind
from services.agency_gateway.adapters.rest_push import expressions
from services.agency_gateway.domain.delivery import BackOff
from services.agency_gateway.domain.lane import BreakerPolicy
from services.agency_gateway.domain.profile import (
    AdapterName,
    Auth,
    AuthKind,
    Call,
    Inbound,
    Limits,
    Profile,
    Question,
    RestPush,
    TargetBy,
)

OUTBOUND = (
    ExchangeKind.ASSIGNMENT,
    ExchangeKind.ASSIGNMENT_CHANGED,
    ExchangeKind.ASSIGNMENT_WITHDRAWN,
    ExchangeKind.SUPPLEMENT,
    ExchangeKind.CO_HANDLER_OPINION,
    ExchangeKind.CASE_CLOSED,
)
"""The kinds of messages that the gateway sends."""


class InvalidProfile(ValueError):
    """A profile that cannot be used; ``problems`` maps each wrong member's path to what is wrong with it."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in problems.items()))
        self.problems = dict(problems)


def _expression(value: str) -> None:
    wrong = expressions.check(value)
    if wrong is not None:
        raise ma.ValidationError(f"Not a JMESPath expression: {wrong}")


def _leaves(template: Any) -> None:
    match template:
        case str():
            _expression(template)
        case Mapping():
            for inner in template.values():
                _leaves(inner)
        case list():
            for inner in template:
                _leaves(inner)
        case bool() | int() | float() | None:
            pass
        case _:
            raise ma.ValidationError(f"{type(template).__name__} cannot stand in a body")


def _address(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ma.ValidationError("Must be http://… or https://… without user, query and fragment")


def _path(value: str) -> None:
    if not value.startswith("/"):
        raise ma.ValidationError("Must begin with /")
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
    except ValueError as error:
        raise ma.ValidationError(f"Braces do not match: {error}") from error
    if not all(name.isidentifier() for name in names):
        raise ma.ValidationError("Only {names} may stand in braces")


class _Strict(ma.Schema):
    class Meta:
        unknown = ma.RAISE


class _Expression(ma.fields.String):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=_expression, **kwargs)


def _expressions() -> ma.fields.Dict:
    return ma.fields.Dict(keys=ma.fields.String(), values=_Expression(), load_default=dict)


class _Limits(_Strict):
    concurrency = ma.fields.Integer(strict=True, load_default=4, validate=ma.validate.Range(1, 64))
    per_minute = ma.fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=ma.validate.Range(1, 60_000)
    )
    connect_seconds = ma.fields.Float(load_default=3.0, validate=ma.validate.Range(0.1, 30))
    total_seconds = ma.fields.Float(load_default=10.0, validate=ma.validate.Range(0.2, 120))
    answer_bytes = ma.fields.Integer(strict=True, load_default=262_144, validate=ma.validate.Range(1024, 16_777_216))


class _BackOff(_Strict):
    first_seconds = ma.fields.Float(load_default=1.0, validate=ma.validate.Range(0.05, 3600))
    longest_seconds = ma.fields.Float(load_default=300.0, validate=ma.validate.Range(0.05, 86_400))


class _Breaker(_BackOff):
    failures = ma.fields.Integer(strict=True, load_default=5, validate=ma.validate.Range(1, 100))
    first_seconds = ma.fields.Float(load_default=5.0, validate=ma.validate.Range(0.05, 3600))
    longest_seconds = ma.fields.Float(load_default=120.0, validate=ma.validate.Range(0.05, 86_400))


class _Auth(_Strict):
    kind = ma.fields.Enum(AuthKind, by_value=True, required=True)
    name = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Regexp(r"^[!-~]{1,100}$"))
    secret = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Regexp(r"^[a-z0-9_-]{1,60}$"))

    @ma.validates_schema
    def _complete(self, data: dict[str, Any], **_: Any) -> None:
        if data["kind"] is not AuthKind.NONE and not data["secret"]:
            raise ma.ValidationError("Needed", "secret")
        if data["kind"] in {AuthKind.HEADER, AuthKind.BASIC} and not data["name"]:
            raise ma.ValidationError("Needed", "name")


class _Call(_Strict):
    method = ma.fields.String(
        load_default="POST", validate=ma.validate.OneOf(["GET", "POST", "PUT", "PATCH", "DELETE"])
    )
    path = ma.fields.String(required=True, validate=_path)
    values = _expressions()
    query = _expressions()
    headers = _expressions()
    body = ma.fields.Raw(load_default=None, allow_none=True, validate=_leaves)
    taken = _Expression(load_default=None, allow_none=True)
    reference = _Expression(load_default=None, allow_none=True)

    @ma.validates_schema
    def _filled(self, data: dict[str, Any], **_: Any) -> None:
        names = {name for _, name, _, _ in string.Formatter().parse(data["path"]) if name is not None}
        missing = sorted(names - set(data["values"]))
        if missing:
            raise ma.ValidationError(f"No value for {', '.join(missing)}", "values")


class _Question(_Call):
    method = ma.fields.String(load_default="GET", validate=ma.validate.OneOf(["GET", "POST"]))
    found = _Expression(required=True)
    wait_seconds = ma.fields.Float(load_default=2.0, validate=ma.validate.Range(0, 3600))


class _Inbound(_Strict):
    target = _Expression(required=True)
    target_by = ma.fields.Enum(TargetBy, by_value=True, required=True)
    id = _Expression(required=True)
    kind = _Expression(required=True)
    token_header = ma.fields.String(
        load_default=None, allow_none=True, validate=ma.validate.Regexp(r"^[A-Za-z0-9-]{1,100}$")
    )
    reference = _Expression(load_default=None, allow_none=True)
    version = _Expression(load_default=None, allow_none=True)
    text = _Expression(load_default=None, allow_none=True)
    reason = _Expression(load_default=None, allow_none=True)
    legal_basis = _Expression(load_default=None, allow_none=True)
    proposed_agency = _Expression(load_default=None, allow_none=True)
    results = _Expression(load_default=None, allow_none=True)
    facts = _Expression(load_default=None, allow_none=True)
    remedy = _Expression(load_default=None, allow_none=True)
    stated_at = _Expression(load_default=None, allow_none=True)


class _RestPush(_Strict):
    base_url = ma.fields.String(required=True, validate=_address)
    auth = ma.fields.Nested(_Auth, load_default=lambda: {"kind": AuthKind.NONE, "name": None, "secret": None})
    calls = ma.fields.Dict(
        keys=ma.fields.String(validate=ma.validate.OneOf([kind.value for kind in OUTBOUND])),
        values=ma.fields.Nested(_Call),
        required=True,
    )
    question = ma.fields.Nested(_Question, load_default=None, allow_none=True)
    repeat_is_safe = ma.fields.Boolean(load_default=False)
    inbound = ma.fields.Nested(_Inbound, load_default=None, allow_none=True)

    @ma.validates_schema
    def _useful(self, data: dict[str, Any], **_: Any) -> None:
        if ExchangeKind.ASSIGNMENT.value not in data["calls"]:
            raise ma.ValidationError("An assignment must be among the calls", "calls")


class _Profile(_Strict):
    agency = ma.fields.String(required=True, validate=ma.validate.Regexp(r"^[a-z0-9-]{3,40}$"))
    adapter = ma.fields.Enum(AdapterName, by_value=True, required=True)
    level = ma.fields.Integer(strict=True, required=True, validate=ma.validate.Range(0, 3))
    limits = ma.fields.Nested(_Limits, load_default=lambda: cast("Any", _Limits().load({})))
    back_off = ma.fields.Nested(_BackOff, load_default=lambda: cast("Any", _BackOff().load({})))
    breaker = ma.fields.Nested(_Breaker, load_default=lambda: cast("Any", _Breaker().load({})))
    codes = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.Dict(keys=ma.fields.String()), load_default=dict)
    rest_push = ma.fields.Nested(_RestPush, load_default=None, allow_none=True)

    @ma.validates_schema
    def _fits(self, data: dict[str, Any], **_: Any) -> None:
        if (data["adapter"] is AdapterName.REST_PUSH) != (data["rest_push"] is not None):
            raise ma.ValidationError("Stands there exactly where the adapter is rest_push", "rest_push")


def read(document: Any) -> Profile:
    """The profile in a document; raises :class:`InvalidProfile` with every problem."""
    if not isinstance(document, Mapping):
        raise InvalidProfile({"": "Not a mapping"})
    try:
        loaded = cast("dict[str, Any]", _Profile().load(document))
    except ma.ValidationError as error:
        raise InvalidProfile(dict(_flat(error.messages))) from error
    push = loaded["rest_push"]
    return Profile(
        agency=loaded["agency"],
        adapter=loaded["adapter"],
        level=loaded["level"],
        limits=Limits(**loaded["limits"]),
        back_off=_back_off(loaded["back_off"]),
        breaker=BreakerPolicy(loaded["breaker"]["failures"], _back_off(loaded["breaker"])),
        codes={name: {str(code): value for code, value in table.items()} for name, table in loaded["codes"].items()},
        rest_push=_rest_push(push) if push is not None else None,
    )


def _back_off(loaded: Mapping[str, Any]) -> BackOff:
    return BackOff(loaded["first_seconds"], max(loaded["first_seconds"], loaded["longest_seconds"]))


def _rest_push(loaded: Mapping[str, Any]) -> RestPush:
    question = dict(loaded["question"]) if loaded["question"] is not None else None
    return RestPush(
        base_url=loaded["base_url"],
        calls={ExchangeKind(kind): Call(**call) for kind, call in loaded["calls"].items()},
        auth=Auth(**loaded["auth"]),
        question=Question(found=question.pop("found"), wait_seconds=question.pop("wait_seconds"), call=Call(**question))
        if question is not None
        else None,
        repeat_is_safe=loaded["repeat_is_safe"],
        inbound=Inbound(**loaded["inbound"]) if loaded["inbound"] is not None else None,
    )


def _flat(messages: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(messages, Mapping):
        found = []
        for key, inner in messages.items():
            found += _flat(inner, path if key == "_schema" else f"{path}.{key}".strip("."))
        return found
    return [(path, " ".join(str(message) for message in messages) if isinstance(messages, list) else str(messages))]
