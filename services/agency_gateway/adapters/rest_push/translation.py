"""Our words into the department's and back, as the profile says."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

from lianban.contracts.codes import ClaimResult, ExchangeKind, ObjectionReason
from services.agency_gateway.adapters.rest_push.expressions import BadExpression, UnknownCode, evaluate, fill
from services.agency_gateway.adapters.rest_push.wire import Request
from services.agency_gateway.domain.profile import Auth, AuthKind, Call, Inbound, Profile, RestPush, TargetBy
from services.agency_gateway.domain.statement import ClaimPart, Statement

M = TypeVar("M", bound=StrEnum)


class SecretMissing(Exception):
    """The profile names a secret that is not registered."""


def request(
    profile: Profile, push: RestPush, call: Call, message: Mapping[str, Any], secrets: Mapping[str, str]
) -> Request:
    """The HTTP request that a call makes of our message.

    Raises :class:`BadExpression` or :class:`SecretMissing`.
    """
    codes = profile.codes
    values = {name: _text(evaluate(e, message, codes), f"path value {name}") for name, e in call.values.items()}
    try:
        path = call.path.format_map({name: quote(value, safe="") for name, value in values.items()})
    except (KeyError, IndexError, ValueError) as error:
        raise BadExpression(f"path {call.path}: {type(error).__name__}") from error
    query = {
        name: _text(value, f"query {name}")
        for name, e in call.query.items()
        if (value := evaluate(e, message, codes)) is not None
    }
    headers = {"Accept": "application/json", "User-Agent": "Lianban-Gateway/1", **_credentials(push.auth, secrets)}
    for name, e in call.headers.items():
        headers[name] = _header(_text(evaluate(e, message, codes), f"header {name}"))
    body: bytes | None = None
    if call.body is not None:
        body = json.dumps(fill(call.body, message, codes), ensure_ascii=False, separators=(",", ":")).encode()
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
    url = push.base_url.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
    return Request(call.method, url, headers, body)


def _text(value: Any, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadExpression(f"{what} is no text")
    return str(value)


def _header(value: str) -> str:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return quote(value)
    return value.replace("\r", " ").replace("\n", " ")


def _credentials(auth: Auth, secrets: Mapping[str, str]) -> dict[str, str]:
    if auth.kind is AuthKind.NONE:
        return {}
    if auth.secret is None or auth.secret not in secrets:
        raise SecretMissing(auth.secret or "")
    secret = secrets[auth.secret]
    match auth.kind:
        case AuthKind.HEADER:
            return {auth.name or "X-Api-Key": secret}
        case AuthKind.BASIC:
            return {"Authorization": "Basic " + base64.b64encode(f"{auth.name or ''}:{secret}".encode()).decode()}
        case AuthKind.BEARER:
            return {"Authorization": f"Bearer {secret}"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A department's call in our words; ``statement`` is absent where its status means nothing to us."""

    target_by: TargetBy
    target: str
    sender_id: str
    statement: Statement | None


class UnreadableCall(Exception):
    """A department's call that the profile's mapping cannot read; ``field`` names the member of our statement."""

    def __init__(self, field: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.field = field
        self.zh = zh
        self.en = en


def statement(profile: Profile, inbound: Inbound, body: Any, *, received_at: datetime) -> Reading:
    """Read a status call of the department; raises :class:`UnreadableCall`."""
    reader = _Reader(profile, body)
    target = reader.text("target", inbound.target, longest=200)
    sender_id = reader.text("id", inbound.id, longest=200)
    kind = reader.value("kind", inbound.kind)
    if kind is None:
        return Reading(inbound.target_by, target, sender_id, None)
    stated_at = reader.instant("stated_at", inbound.stated_at) or received_at
    version = reader.optional("version", inbound.version)
    return Reading(
        inbound.target_by,
        target,
        sender_id,
        Statement(
            sender_id=sender_id,
            kind=reader.member("kind", kind, ExchangeKind),
            stated_at=stated_at,
            text=reader.optional_text("text", inbound.text) or "",
            reference=reader.optional_text("reference", inbound.reference),
            version=version if isinstance(version, int) and not isinstance(version, bool) else None,
            reason=reader.optional_member("reason", inbound.reason, ObjectionReason),
            legal_basis=reader.optional_text("legal_basis", inbound.legal_basis),
            proposed_agency=reader.optional_text("proposed_agency", inbound.proposed_agency),
            results=reader.parts("results", inbound.results),
            facts=reader.optional_text("facts", inbound.facts),
            remedy=reader.optional_text("remedy", inbound.remedy),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the members of one call, each error naming its member."""

    profile: Profile
    body: Any

    def value(self, field: str, expression: str) -> Any:
        try:
            return evaluate(expression, self.body, self.profile.codes)
        except UnknownCode as error:
            raise UnreadableCall(
                field,
                f"代码表“{error.list_name}”里没有这个值：{error.value}",
                f"The code list {error.list_name!r} has no such value: {error.value}",
            ) from error
        except BadExpression as error:
            raise UnreadableCall(
                field, f"按接入配置读取失败：{error.detail}", f"The profile's mapping failed: {error.detail}"
            ) from error

    def optional(self, field: str, expression: str | None) -> Any:
        return None if expression is None else self.value(field, expression)

    def optional_text(self, field: str, expression: str | None) -> str | None:
        value = self.optional(field, expression)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise UnreadableCall(field, "应为文字", "Must be a text")
        return str(value)

    def text(self, field: str, expression: str, *, longest: int) -> str:
        value = self.optional_text(field, expression)
        if value is None:
            raise UnreadableCall(field, "此项必填", "Required")
        if len(value) > longest:
            raise UnreadableCall(field, f"超过 {longest} 个字符", f"Longer than {longest} characters")
        return value

    def instant(self, field: str, expression: str | None) -> datetime | None:
        value = self.optional_text(field, expression)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise UnreadableCall(field, "不是有效的时间", "Not an instant (ISO 8601)") from None
        if moment.tzinfo is None:
            raise UnreadableCall(field, "时间应带时区", "The instant has no offset")
        return moment

    def member(self, field: str, value: Any, kind: type[M]) -> M:
        try:
            return kind(value)
        except ValueError:
            raise UnreadableCall(
                field, f"不在代码表中：{str(value)[:60]}", f"Not in the code list: {str(value)[:60]}"
            ) from None

    def optional_member(self, field: str, expression: str | None, kind: type[M]) -> M | None:
        value = self.optional(field, expression)
        return None if value is None else self.member(field, value, kind)

    def parts(self, field: str, expression: str | None) -> tuple[ClaimPart, ...]:
        value = self.optional(field, expression)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > 100 or not all(isinstance(item, dict) for item in value):
            raise UnreadableCall(field, "应为不超过 100 项的列表", "Must be a list of at most 100 objects")
        return tuple(self._part(f"{field}/{n}", item) for n, item in enumerate(value) if item.get("result") is not None)

    def _part(self, field: str, item: dict[str, Any]) -> ClaimPart:
        try:
            claim_id = UUID(str(item.get("claim_id")))
        except ValueError:
            raise UnreadableCall(f"{field}/claim_id", "不是诉求标识", "Not the id of a claim") from None
        text = item.get("text")
        return ClaimPart(
            claim_id=claim_id,
            result=self.member(f"{field}/result", item["result"], ClaimResult),
            text=text if isinstance(text, str) else "",
        )
