"""One attempt to give a department a message, or to ask whether it has it, judged by what came back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from lianban.contracts.codes import ExchangeKind
from services.agency_gateway.adapters.rest_push import translation, wire
from services.agency_gateway.adapters.rest_push.expressions import BadExpression, evaluate
from services.agency_gateway.domain.delivery import (
    CannotAsk,
    Delivered,
    Failed,
    Known,
    LookUp,
    NoAnswer,
    NotKnown,
    Outcome,
    Refused,
    Stuck,
    Unclear,
)
from services.agency_gateway.domain.profile import Profile, RestPush
from services.agency_gateway.domain.trouble import Trouble

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Exchanged:
    """How an attempt ended, with the bytes that went out and came back, for the journal."""

    outcome: Outcome
    sent: bytes | None = None
    answer: bytes | None = None


def deliver(profile: Profile, message: Mapping[str, Any], secrets: Mapping[str, str]) -> Exchanged:
    """Send a message (our plain canonical message, with ``reference`` where the department told one) once."""
    push = _push(profile)
    call = push.calls[ExchangeKind(message["kind"])]
    try:
        request = translation.request(profile, push, call, message, secrets)
    except BadExpression as error:
        return Exchanged(Stuck(Trouble.BAD_MAPPING, error.detail))
    except translation.SecretMissing as error:
        return Exchanged(Stuck(Trouble.NO_SECRET, str(error)))
    try:
        answer = _send(profile, request)
    except wire.NotSent as error:
        return Exchanged(Failed(error.trouble, error.detail))
    except wire.NoWord as error:
        return Exchanged(Unclear(error.trouble, error.detail), request.body)
    try:
        outcome = _judge_status(answer)
        if outcome is None:
            outcome = _judge_body(profile, answer, call.taken, call.reference)
    except Exception as error:
        log.exception("answer.not_judged", agency=profile.agency)
        outcome = Unclear(Trouble.BUG, type(error).__name__)
    return Exchanged(outcome, request.body, answer.body)


def ask(profile: Profile, message: Mapping[str, Any], secrets: Mapping[str, str]) -> LookUp:
    """Ask the department by our key whether it has a message."""
    push = _push(profile)
    question = push.question
    if question is None or ExchangeKind(message["kind"]) is not ExchangeKind.ASSIGNMENT:
        return CannotAsk(repeat_is_safe=push.repeat_is_safe)
    try:
        answer = _send(profile, translation.request(profile, push, question.call, message, secrets))
    except BadExpression as error:
        return NoAnswer(Trouble.BAD_MAPPING, error.detail)
    except translation.SecretMissing as error:
        return NoAnswer(Trouble.NO_SECRET, str(error))
    except wire.WireError as error:
        return NoAnswer(error.trouble, error.detail)
    if answer.status == 404:
        return _absence(answer)
    said = _judge_status(answer)
    if said is not None:
        trouble = said.trouble if isinstance(said, Failed | Unclear | Refused) else Trouble.UNREADABLE_ANSWER
        return NoAnswer(trouble, _status(answer))
    try:
        body = _json(answer)
        found = evaluate(question.found, body, profile.codes)
        if not found:
            return NotKnown()
        reference = evaluate(question.call.reference, body, profile.codes) if question.call.reference else None
    except (ValueError, BadExpression):
        return NoAnswer(Trouble.UNREADABLE_ANSWER, _status(answer))
    return Known(str(reference) if reference is not None else None)


def _absence(answer: wire.Answer) -> LookUp:
    """A 404 means "not known" only where it is the department's system that speaks, not a stray web server."""
    try:
        _json(answer)
    except ValueError:
        return NoAnswer(Trouble.NO_SUCH_ADDRESS, _status(answer))
    return NotKnown()


def _push(profile: Profile) -> RestPush:
    if profile.rest_push is None:
        raise TypeError("a profile of adapter rest_push says how to push")
    return profile.rest_push


def _send(profile: Profile, request: wire.Request) -> wire.Answer:
    limits = profile.limits
    return wire.send(
        request,
        connect_seconds=limits.connect_seconds,
        total_seconds=limits.total_seconds,
        answer_bytes=limits.answer_bytes,
    )


def _status(answer: wire.Answer) -> str:
    return f"HTTP {answer.status} {answer.content_type}".strip()


def _judge_status(answer: wire.Answer) -> Outcome | None:
    """What the status alone says; ``None``: success, the body decides."""
    detail = _status(answer)
    match answer.status:
        case status if 200 <= status < 300:
            return None
        case status if 300 <= status < 400:
            # A POST answered with "see other" may well have been taken.
            return Unclear(Trouble.REDIRECTED, detail)
        case 401 | 403 | 407:
            return Failed(Trouble.CREDENTIALS_REFUSED, detail)
        case 404 | 405:
            return Failed(Trouble.NO_SUCH_ADDRESS, detail)
        case 408 | 425 | 429:
            return Failed(Trouble.BUSY, detail, answer.retry_after)
        case 409:
            return Unclear(Trouble.CONFLICT, detail)
        case status if 400 <= status < 500:
            return Refused(Trouble.REFUSED, detail)
        case _:
            # The department may have stored the message before it failed, so it is asked.
            return Unclear(Trouble.SERVER_ERROR, detail)


def _judge_body(profile: Profile, answer: wire.Answer, taken: str | None, reference: str | None) -> Outcome:
    if not answer.body and reference is None and taken is None:
        return Delivered()
    try:
        body = _json(answer)
        if taken is not None and not evaluate(taken, body, profile.codes):
            return Refused(Trouble.REFUSED, _status(answer))
        found = evaluate(reference, body, profile.codes) if reference is not None else None
    except (ValueError, BadExpression):
        return Unclear(Trouble.UNREADABLE_ANSWER, _status(answer))
    if reference is not None and not isinstance(found, str | int):
        return Unclear(Trouble.UNREADABLE_ANSWER, _status(answer))
    return Delivered(str(found)[:200] if found is not None else None)


def _json(answer: wire.Answer) -> Any:
    try:
        return json.loads(answer.body)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError("not JSON") from error
