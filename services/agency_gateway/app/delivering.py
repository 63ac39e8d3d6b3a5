"""Carrying messages to departments: claim, compose, call with no transaction open, write down what became of it.

One loop claims for all lanes, at most what each lane has room for; every call then runs by itself. So a department
that hangs holds its own few calls and nothing else.
"""

from __future__ import annotations

import json
import socket
import threading
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import structlog

from lianban.chassis import traces
from lianban.chassis.auth import issue_ticket
from lianban.chassis.database import OF_ONE_STATEMENT, UNAVAILABLE
from lianban.chassis.patience import patience
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DeliveryState
from services.agency_gateway.adapters import rest_push
from services.agency_gateway.app import composing, journaling, metrics, profiles
from services.agency_gateway.app.settling import say, settle
from services.agency_gateway.domain.delivery import (
    Delivered,
    NotKnown,
    Offered,
    Outcome,
    Postponed,
    Step,
    Stuck,
    after_question,
    may_send_after,
)
from services.agency_gateway.domain.journal import canonical
from services.agency_gateway.domain.message import Message, plain
from services.agency_gateway.domain.profile import AdapterName, Profile
from services.agency_gateway.domain.trouble import Trouble
from services.agency_gateway.store import deliveries, desk, feed
from services.agency_gateway.store.deliveries import Claimed, Standing

log = structlog.get_logger()

MOST_CALLS = 256
"""Calls under way in this process at most; each lane has its own, smaller limit."""
BATCH = 64
"""Messages claimed at once; their texts are fetched together."""
LEASE = timedelta(seconds=180)
"""A message in work for longer than the longest permitted call belongs to a process that died."""
WRITE_WAIT_SECONDS = 0.15
"""How long an outcome may wait for others to be written down with, while many come."""
WRITE_PAUSE_SECONDS = 2.0
"""The longest pause before an outcome that could not be written down is written again."""


@cache
def _worker() -> str:
    """The name of this process: the next process of the same name is its successor."""
    return f"{socket.gethostname()}:{settings().http_port}"


class _Calls:
    """The calls under way in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.under_way = 0
        self.recovered = False

    def begin(self, number: int) -> None:
        with self._changed:
            self.under_way += number

    def end(self) -> None:
        with self._changed:
            self.under_way -= 1
            self._changed.notify_all()

    def wait_until_idle(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.under_way == 0, timeout=seconds)


_calls = _Calls()


def wait_until_idle(seconds: float) -> bool:
    """Wait until no call is under way in this process; false where the time is over first."""
    return _calls.wait_until_idle(seconds)


def dispatch() -> int:
    """Claim due messages and start carrying them; a worker loop. Returns how many were claimed."""
    if not _calls.recovered:
        recover(worker=_worker())
        _calls.recovered = True
    room = min(BATCH, MOST_CALLS - _calls.under_way)
    if room <= 0:
        return 0
    with database().transaction(whole=False) as tx:
        claimed = deliveries.claim(tx, at=now(), worker=_worker(), lease=LEASE, lanes=room, most=room)
    if claimed:
        _calls.begin(len(claimed))
        threading.Thread(target=_carry_all, args=(claimed,), daemon=True).start()
    return len(claimed)


def put_on_desks() -> int:
    """Deliver what is due on the agencies' desks and call nobody's system; returns how many were delivered.

    For seeded histories: every department worked on the desk before its system was connected.
    """
    with database().transaction() as tx:
        deliveries.bring_to_desks(tx)
        claimed = deliveries.claim(tx, at=now(), worker=_worker(), lease=LEASE, lanes=BATCH, most=BATCH)
    if not claimed:
        return 0
    known, _, composed = _compose(claimed)
    _calls.begin(len(claimed))
    for item in claimed:
        _write_down([_Ended(item, _lay(composed[item.id]), known.get(item.agency_code, Profile(item.agency_code)))])
    return len(claimed)


def _lay(message: composing.Composed) -> _Result:
    return _Result(Delivered(), message=plain(message)) if isinstance(message, Message) else _Result(message)


def recover(*, worker: str | None = None) -> int:
    """Take up what a process left in ``sending`` when it died; a worker loop.

    With ``worker`` also what an earlier process of this name left, without waiting for the lease. Where a department's
    system was being called the outcome is unknown; elsewhere nothing had left the house.
    """
    with database().transaction() as tx:
        left = deliveries.interrupted(tx, worker=worker, at=now())
    for delivery_id in left:
        with database().transaction() as tx:
            _take_up(tx, delivery_id, at=now())
    return len(left)


def _take_up(tx: Transaction, delivery_id: UUID, *, at: datetime) -> None:
    matter_id = deliveries.matter_of(tx, delivery_id)
    if matter_id is None:
        return
    tx.lock(matter_id)
    standing = deliveries.lock(tx, delivery_id)
    if standing is None or standing.state is not DeliveryState.SENDING or standing.offered:
        return
    called = standing.adapter is AdapterName.REST_PUSH
    state = DeliveryState.UNKNOWN if called else DeliveryState.PENDING
    step = Step(state, at, Trouble.INTERRUPTED if called else None)
    deliveries.move(tx, delivery_id, step, at=at)
    say(tx, standing, step, at=at)
    tx.wake("deliver")


def _compose(claimed: list[Claimed]) -> tuple[dict[str, Profile], composing.Told, dict[UUID, composing.Composed]]:
    with database().transaction(whole=False) as tx:
        known = profiles.profiles_of(tx, sorted({item.agency_code for item in claimed}))
        told = composing.gather(tx, claimed, known)
    composed = composing.compose([item for item in claimed if item.agency_code in known], told)
    unread: composing.Composed = Postponed(Trouble.BAD_PROFILE)
    return known, told, {item.id: composed.get(item.id, unread) for item in claimed}


def _carry_all(claimed: list[Claimed]) -> None:
    left = len(claimed)
    try:
        known, told, composed = _compose(claimed)
        for item in _by_present_profiles(claimed, known):
            profile = known.get(item.agency_code, Profile(item.agency_code))
            secrets = told.secrets.get(item.agency_code, {})
            arguments = (item, composed[item.id], profile, secrets, told.reference(item))
            left -= 1
            if left:
                threading.Thread(target=_carry, args=arguments, daemon=True).start()
            else:
                _carry(*arguments)  # this thread has nothing else to do
    except UNAVAILABLE:
        # What was claimed is taken up again when its lease is over, or by the next process.
        log.warning("delivery.interrupted", messages=left)
    except Exception:
        log.exception("delivery.batch_failed", messages=left)
    finally:
        for _ in range(left):
            _calls.end()


def _by_present_profiles(claimed: list[Claimed], known: Mapping[str, Profile]) -> list[Claimed]:
    """The messages as they go; one that goes by another adapter is noted before anybody is called.

    Should this process die in the call, the next one knows then whether a department's system may have the message.
    """
    going = [_by(known[item.agency_code], item) if item.agency_code in known else item for item in claimed]
    moved = [item for item, before in zip(going, claimed, strict=True) if item != before]
    if moved:
        with database().transaction() as tx:
            deliveries.go_by(tx, moved)
    return going


def _by(profile: Profile, item: Claimed) -> Claimed:
    """The message as it goes by the agency's present profile: the profile may have changed while it was under way.

    What may have reached a system that is no longer connected stays where it is: a person decides. What was given to
    the desk stays there as well.
    """
    named = profile.adapter_for(item.kind)
    stays = item.adapter is AdapterName.DESK or item.ask
    return item if stays else replace(item, adapter=named)


def _carry(
    item: Claimed, composed: composing.Composed, profile: Profile, secrets: Mapping[str, str], reference: str | None
) -> None:
    attributes = {"lianban.adapter": item.adapter.value, "lianban.agency": item.agency_code}
    with traces.span(f"deliver {item.kind.value}", parent=traces.Carried.read(item.trace), **attributes):
        started = clock.perf_counter()
        try:
            result = _attempt(item, composed, profile, secrets, reference)
        except Exception:
            log.exception("delivery.failed", delivery_id=str(item.id), agency=item.agency_code)
            result = _Result(Stuck(Trouble.BUG), unsure=item.ask)
        metrics.delivery_seconds.labels(item.adapter.value).observe(clock.perf_counter() - started)
        ended = _Ended(item, result, profile, traces.current())
    _outcomes.add(ended)


class _Result:
    """What an attempt ended in, and what must be kept of it.

    ``unsure``: whether an earlier attempt reached the department is as unknown as before.
    """

    def __init__(
        self,
        outcome: Outcome,
        *,
        message: dict[str, Any] | None = None,
        sent: bytes | None = None,
        answer: bytes | None = None,
        sent_at: datetime | None = None,
        unsure: bool = False,
    ) -> None:
        self.outcome = outcome
        self.unsure = unsure
        self.message = message
        self.sent = sent
        self.answer = answer
        self.sent_at = sent_at
        self.answered_at = now()


@dataclass(frozen=True, slots=True)
class _Ended:
    """An attempt that is over and must be written down, with the trace in which it was made."""

    item: Claimed
    result: _Result
    profile: Profile
    trace: traces.Carried | None = None


class _Outcomes:
    """Attempts that are over: the first that ends writes down what ends meanwhile as well, in one transaction.

    After one it waits for company for the next, the longer the more there was to write.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Ended] = []
        self._writing = False

    def add(self, ended: _Ended) -> None:
        """Have an outcome written down, by this thread or by the one that is writing."""
        with self._lock:
            self._waiting.append(ended)
            if self._writing:
                return
            self._writing = True
        try:
            while batch := self._next():
                began = clock.monotonic()
                _write_down(batch)
                clock.sleep(patience(clock.monotonic() - began, least=0.0, most=WRITE_WAIT_SECONDS))
        except BaseException:  # this thread is ended: another one goes on
            with self._lock:
                self._writing = False
            raise

    def _next(self) -> list[_Ended]:
        """What waits, of each delivery one attempt; the end of writing where nothing does."""
        with self._lock:
            batch: dict[UUID, _Ended] = {}
            later = []
            for ended in self._waiting:
                if batch.setdefault(ended.item.id, ended) is not ended:
                    later.append(ended)
            self._waiting = later
            self._writing = bool(batch)
            return list(batch.values())


_outcomes = _Outcomes()


def _attempt(
    item: Claimed, composed: composing.Composed, profile: Profile, secrets: Mapping[str, str], reference: str | None
) -> _Result:
    if not isinstance(composed, Message):
        return _Result(composed, unsure=item.ask)
    if item.adapter is AdapterName.DESK:
        return _lay(composed)
    if item.adapter is AdapterName.PULL:
        return _Result(Offered(), message=plain(composed))
    if profile.rest_push is None or item.kind not in profile.rest_push.calls:
        stuck = Stuck(Trouble.BAD_MAPPING, f"the profile has no call for {item.kind.value}")
        return _Result(stuck, unsure=item.ask)
    message = with_links(composed, item.agency_code) | {"reference": reference}
    unsure = False
    if item.ask:
        answer = rest_push.ask(profile, message, secrets)
        if not may_send_after(answer):
            return _Result(after_question(answer))
        unsure = not isinstance(answer, NotKnown)
    sent_at = now()
    exchanged = rest_push.deliver(profile, message, secrets)
    return _Result(exchanged.outcome, sent=exchanged.sent, answer=exchanged.answer, sent_at=sent_at, unsure=unsure)


def with_links(message: Message, agency: str) -> dict[str, Any]:
    """The plain message whose attachments carry short-lived links, bound to the agency."""
    files = message.matter.attachments if message.matter is not None else ()
    return plain(message, {file.id: link_to(file.id, agency) for file in files})


def link_to(file: UUID, agency: str) -> str:
    """The address under which an agency may fetch a file of the matter for some minutes."""
    ticket = issue_ticket(file, owner="intake", holder=f"agency:{agency}", purpose="delivery", at=now())
    return f"{settings().public_url.rstrip('/')}/api/v1/files/{file}?ticket={ticket}"


def _write_down(batch: list[_Ended]) -> None:
    """Write down outcomes; where the database is away, wait for it rather than forget what departments said.

    When the lease is over somebody else takes the message up and asks the department.
    """
    lease_over, pause = clock.monotonic() + LEASE.total_seconds(), 0.2
    while True:
        try:
            with database().transaction() as tx:
                _write_all(tx, batch, at=now())
        except Exception as error:
            alone = len(batch) == 1
            if isinstance(error, UNAVAILABLE) and (alone or not isinstance(error, OF_ONE_STATEMENT)):
                if clock.monotonic() < lease_over:
                    clock.sleep(pause)
                    pause = min(2 * pause, WRITE_PAUSE_SECONDS)
                    continue
            elif not alone:
                _one_by_one(batch)
                return
            for ended in batch:
                log.exception(
                    "delivery.not_written_down", delivery_id=str(ended.item.id), agency=ended.item.agency_code
                )
        for _ in batch:
            _calls.end()
        return


def _one_by_one(batch: list[_Ended]) -> None:
    """Write outcomes down each by itself, so that the one that cannot be written does not hold up the others."""
    for ended in batch:
        threading.Thread(target=_write_down, args=([ended],), daemon=True).start()


def _write_all(tx: Transaction, batch: list[_Ended], *, at: datetime) -> None:
    standings, more = deliveries.take(tx, [ended.item for ended in batch], at=at)
    for ended in sorted(batch, key=lambda ended: ended.item.agency_code):  # lanes in one order
        with traces.span("write down", parent=ended.trace):
            _write(tx, ended, standings.get(ended.item.id), at=at)
    if more:
        tx.wake("deliver")


def _write(tx: Transaction, ended: _Ended, standing: Standing | None, *, at: datetime) -> None:
    item, result = ended.item, ended.result
    step = None
    if standing is not None:
        step = settle(
            tx,
            replace(standing, adapter=item.adapter),
            result.outcome,
            ended.profile,
            attempt=item.sent_at,
            at=at,
            unsure=result.unsure,
        )
    # What was sent is journaled in any case; what is laid down here only where the attempt still counts.
    laid = result.message if step is not None else None
    if laid is not None:
        _lay_down(tx, item, json.dumps(laid, ensure_ascii=False), at=at)
    body = result.sent if result.sent is not None else canonical(laid) if laid else None
    if body is not None:
        journaling.record(
            tx,
            agency=item.agency_code,
            direction="out",
            kind=item.kind.value,
            message_id=str(item.id),
            assignment_id=item.assignment_id,
            matter_id=item.matter_id,
            body=body,
            answer=result.answer,
            received_at=item.created_at,
            passed_on_at=result.sent_at or at,
            answered_at=result.answered_at if result.answer is not None else None,
            answer_passed_on_at=at if result.answer is not None else None,
        )


def _lay_down(tx: Transaction, item: Claimed, text: str, *, at: datetime) -> None:
    if item.adapter is AdapterName.DESK:
        desk.put(
            tx,
            delivery_id=item.id,
            assignment_id=item.assignment_id,
            agency=item.agency_code,
            kind=item.kind,
            version=item.version,
            sealed=seal(text, context=desk_context(item.id)),
            at=at,
        )
    else:
        feed.lock(tx, item.agency_code)
        feed.offer(tx, item.id, item.agency_code, seal(text, context=feed_context(item.id)), at)


def desk_context(delivery_id: UUID) -> str:
    """What a message on the desk is sealed for."""
    return f"desk_item.sealed:{delivery_id}"


def feed_context(delivery_id: UUID) -> str:
    """What a message in the feed is sealed for."""
    return f"feed_item.sealed:{delivery_id}"
