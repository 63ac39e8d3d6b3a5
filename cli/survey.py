"""What a running stack says about itself: processes, events, lanes, clocks, calendar, disk, and what needs a person.

Read from the databases, so that it can be told while a service is down; what cannot be read is None.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from http.client import HTTPException
from typing import Any, TypeVar

import psycopg

from deploy.local.layout import HOST, SERVICES
from deploy.local.stack import Stack
from lianban.chassis import calendar
from lianban.chassis.database import Database
from lianban.chassis.inspect import MOST_COUNTED
from lianban.chassis.outbox import backlog
from lianban.chassis.time import china_day, now
from lianban.chassis.transaction import Transaction

EVENTS = f"""
select waiting as outbox, oldest as outbox_oldest,
       parked, extract(epoch from now() - received)::float8 as parked_oldest, quarantined
from ({backlog(most="%(most)s")}) as o,
     (select count(*) filter (where state = 'parked') as parked,
             min(received_at) filter (where state = 'parked') as received,
             case when count(*) < %(most)s then count(*) filter (where state = 'quarantined')
                  else nullif(count(*) filter (where state = 'quarantined'), 0) end as quarantined
      from (select state, received_at from inbox limit %(most)s) as kept) as i
"""
"""Counted no further than to a number at which nobody asks for the exact one: the worst night must be told quickly.
Whether there are quarantined ones behind so many is not known."""
OF_EVENTS = ("outbox", "outbox_oldest", "parked", "parked_oldest", "quarantined")
QUEUES = "队列 queues"
DEPTH = re.compile(r'^rabbitmq_queue_messages\{[^}]*queue="([^"]+)"[^}]*\} (\d+)', re.MULTILINE)
WATCHED = re.compile(r"^lianban_oversight_clocks_watched_timestamp_seconds (\S+)$", re.MULTILINE)
WORST = 8
"""So many lanes in trouble are named."""
PARKED_SECONDS = 900
BEHIND_SECONDS = 3600
UNKNOWN_SECONDS = 900
"""From when on an event that waits, or a message that waits or may have arrived, needs a person; as alerts have it."""
UNWATCHED_SECONDS = 60
QUEUED = 200
"""Messages in a service's queues, each with up to 50 events; as the alert has it."""

T = TypeVar("T")


def survey(stack: Stack) -> dict[str, Any]:
    """Everything that ``lianban status`` shows; the stack runs."""
    found: dict[str, Any] = {
        "running": True,
        "at": now().isoformat(timespec="seconds"),
        "url": stack.url,
        "home": str(stack.layout.home),
        "broker_metrics": f"http://{HOST}:{stack.layout.ports.broker_metrics}/metrics",
        "processes": _processes(stack),
        "lanes": _read(stack, "agency_gateway", _lanes),
        "clocks": _read(stack, "oversight", _clocks),
        "calendar": _read(stack, "oversight", _calendar),
        "disk": _disk(stack),
    }
    if found["clocks"] is not None:
        found["clocks"]["watched_seconds_ago"] = _watched(stack)
    found["unread"] = _unread(found)
    found["ready"] = all(row["ready"] for row in found["processes"])
    found["attention"] = [{"alert": alert, "text": text} for alert, text in attention(found)]
    return found


def attention(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What needs a person now, causes before consequences: each with the alert whose runbook says what to do."""
    disk, lanes, clocks = found["disk"], found["lanes"], found["clocks"]
    if disk["free_bytes"] < max(0.05 * disk["size_bytes"], 1e9):
        yield "LianbanDiskFull", f"磁盘只剩 disk: {disk['free_bytes'] / 1e9:.1f} GB left"
    for row in found["processes"]:
        if not row["ready"]:
            down = row["state"] != "running" or row.get("why") == "does not answer yet"
            alert = "LianbanServiceDown" if down else "LianbanServiceNotReady"
            alert = "LianbanBrokerDown" if row["name"] in ("rabbitmq", "epmd") else alert
            yield alert, f"{row['name']} 未就绪 not ready: {row.get('why') or row['state']}"
    if found["unread"]:
        alert = "LianbanBrokerDown" if found["unread"] == [QUEUES] else "LianbanServiceNotReady"
        yield alert, f"读不到 could not be read: {', '.join(found['unread'])}"
    for row in found["processes"]:
        name = row["name"]
        if (row.get("outbox_oldest") or 0) > 60:
            yield "LianbanOutboxStuck", f"{name} 发件箱最早事件 oldest in outbox: {age(row['outbox_oldest'])}"
        if row.get("quarantined"):
            yield "LianbanQuarantineNotEmpty", f"{name} 隔离区 in quarantine: {row['quarantined']}"
        if row.get("poison"):
            yield "LianbanPoisonNotEmpty", f"{name} 毒信队列 in the poison queue: {row['poison']}"
        if (row.get("queued") or 0) > QUEUED:
            yield "LianbanQueueGrows", f"{name} 队列中待处理消息 messages in its queues: {row['queued']}"
        # Where not all are counted, the oldest need not be among them.
        uncounted = (row.get("parked") or 0) + (row.get("quarantined") or 0) >= MOST_COUNTED
        if (row.get("parked_oldest") or 0) > PARKED_SECONDS or uncounted:
            told = f"{row['parked']}, 最早 oldest {age(row['parked_oldest'])}"
            yield "LianbanEventsParked", f"{name} 等待事件 events parked: {told}"
    for lane in (lanes or {}).get("worst", ()):
        named = f"{lane['name']} ({lane['agency']})"
        if lane["circuit"] != "closed":
            yield "LianbanLaneOpen", f"{named} 通道断开：{lane['trouble_zh']} lane not flowing: {lane['trouble_en']}"
        if lane["person"]:
            yield "LianbanDeliveriesNeedPerson", f"{named} 需人工 for a person: {lane['person']}"
        if lane["circuit"] == "closed" and not lane["person"] and (lane["oldest_seconds"] or 0) > BEHIND_SECONDS:
            yield "LianbanLaneBehind", f"{named} 最早未送达 oldest not delivered: {age(lane['oldest_seconds'])}"
        if (lane["unknown_seconds"] or 0) > UNKNOWN_SECONDS:
            yield "LianbanDeliveriesUnknown", f"{named} 结果不明 outcome unknown: {lane['unknown']}"
    if clocks and (clocks["watched_seconds_ago"] or 0) > UNWATCHED_SECONDS:
        yield "LianbanClocksLate", f"时限检查滞后 clocks were last watched {age(clocks['watched_seconds_ago'])} ago"
    if clocks and clocks["watched_seconds_ago"] is None and _up(found, "oversight") > UNWATCHED_SECONDS:
        yield "LianbanClocksLate", "时限未在检查 nobody watches the clocks"
    this, following = (found["calendar"] or ({"status": "official"}, {"status": "official"}))[:2]
    if this["status"] != "official" or (following["status"] != "official" and china_day(now()).month == 12):
        year = this["year"] if this["status"] != "official" else following["year"]
        yield "LianbanCalendarProvisional", f"{year} 年工作日历未公布 the work calendar of {year} is provisional"


def _up(found: dict[str, Any], name: str) -> float:
    """For how long a process has been ready to run; 0 where it does not."""
    return max(
        (row.get("seconds") or 0 for row in found["processes"] if row["name"] == name and row["ready"]), default=0
    )


def age(seconds: float | None) -> str:
    """A duration in a few characters: 9s, 12m, 3:07h, 4d."""
    if seconds is None:
        return ""
    minutes = int(seconds) // 60
    if minutes == 0:
        return f"{int(seconds)}s"
    if minutes < 60:
        return f"{minutes}m"
    return f"{minutes // 60}:{minutes % 60:02d}h" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)}d"


# --- parts


def _processes(stack: Stack) -> list[dict[str, Any]]:
    depths = _depths(stack)
    listed = {process.name: process for process in stack.table}
    rows = []
    for name, state in stack.supervisor.states().items():
        row: dict[str, Any] = {
            "name": name,
            "state": state["statename"].lower(),
            "pid": state["pid"] or None,
            "seconds": int(time.time() - state["start"]) if state["statename"] == "RUNNING" else None,
            "ready": state["statename"] == "RUNNING",
        }
        process = listed.get(name)
        if process:
            why = stack.unready(process)
            row |= {"service": process.environment or None, "ready": not why, "why": why or None}
            if process.ops:
                row["operations"] = f"http://{HOST}:{process.ops(stack.layout.ports)}"
                row["version"] = _json(row["operations"] + "/healthz").get("version")
                row["parts"] = _parts(row["operations"])
        if name in SERVICES:  # told once: a second process has the same queues and the same database
            row |= _queues(name, depths)
            row |= _read(stack, name, _events) or dict.fromkeys(OF_EVENTS)
        rows.append(row)
    order = {process.name: number for number, process in enumerate(stack.table)}
    return sorted(rows, key=lambda row: order.get(row["name"], -1))


def _unread(found: dict[str, Any]) -> list[str]:
    """What could not be read, in words: nobody may take its absence for a good sign."""
    missing = [f"{row['name']} 事件 events" for row in found["processes"] if row.get("outbox", 0) is None]
    parts = {"lanes": "通道 lanes", "clocks": "时限 clocks", "calendar": "日历 calendar"}
    missing += [words for part, words in parts.items() if found[part] is None]
    untold = any(row.get(queue, 0) is None for row in found["processes"] for queue in ("queued", "poison"))
    return missing + ([QUEUES] if untold else [])


def _read(stack: Stack, service: str, question: Callable[[Transaction], T]) -> T | None:
    """What a service's database answers; None where it cannot."""
    database = Database(stack.database_url(service), service=service, size=1, statement_timeout=5)
    try:
        with database.session() as tx:
            return question(tx)
    except psycopg.Error:
        return None


def _events(tx: Transaction) -> dict[str, Any]:
    return dict(tx.execute(EVENTS, {"most": MOST_COUNTED}).fetchone() or {})


def _lanes(tx: Transaction) -> dict[str, Any]:
    from services.agency_gateway.domain.lane import Circuit
    from services.agency_gateway.domain.trouble import Trouble
    from services.agency_gateway.store import lanes

    found = lanes.overview(tx)
    moment = now()

    def since(at: datetime | None) -> float | None:
        return (moment - at).total_seconds() if at else None

    troubled = [
        lane
        for lane in found
        if lane.circuit is not Circuit.CLOSED
        or lane.person
        or (since(lane.unknown_at) or 0) > UNKNOWN_SECONDS
        or (since(lane.oldest_at) or 0) > BEHIND_SECONDS
    ]
    return {
        "lanes": len(found),
        "oldest_seconds": max((since(lane.oldest_at) or 0 for lane in found), default=0) or None,
        "not_flowing": sum(lane.circuit is not Circuit.CLOSED for lane in found),
        **{
            state: sum(getattr(lane, state) for lane in found)
            for state in ("waiting", "sending", "offered", "unknown", "person")
        },
        "worst": [
            {
                "agency": lane.agency_code,
                "name": lane.agency_name,
                "circuit": lane.circuit.value,
                "backlog": lane.backlog,
                "unknown": lane.unknown,
                "person": lane.person,
                "oldest_seconds": since(lane.oldest_at),
                "unknown_seconds": since(lane.unknown_at),
                "trouble": lane.last_trouble,
                "trouble_zh": Trouble(lane.last_trouble).zh if lane.last_trouble else None,
                "trouble_en": Trouble(lane.last_trouble).en if lane.last_trouble else None,
            }
            for lane in troubled[:WORST]
        ],
    }


def _clocks(tx: Transaction) -> dict[str, Any]:
    from services.oversight.store import clocks

    standings = clocks.standings(tx, china_day(now()))
    binding = [standing for standing in standings if standing.rule not in clocks.PETITIONERS]
    return {
        "running": sum(s.due_later + s.due_today + s.overdue for s in binding),
        "due_today": sum(s.due_today for s in binding),
        "overdue": sum(s.overdue for s in binding),
        "provisional": sum(s.provisional for s in standings),
        "overdue_by_rule": {s.rule: s.overdue for s in binding if s.overdue},
    }


def _calendar(tx: Transaction) -> list[dict[str, Any]]:
    known = calendar.years(tx)
    this = china_day(now()).year
    return [
        {"year": year, "status": known[year].value if year in known else "provisional"} for year in (this, this + 1)
    ]


def _disk(stack: Stack) -> dict[str, int]:
    usage = shutil.disk_usage(stack.layout.home)
    return {"free_bytes": usage.free, "size_bytes": usage.total}


def _watched(stack: Stack) -> float | None:
    """How long ago oversight had no clock left to look at; None where it does not answer or has just begun."""
    text = _text(f"http://{HOST}:{stack.layout.ports.ops('oversight')}/metrics")
    match = WATCHED.search(text)
    return round(time.time() - float(match[1]), 1) if match and float(match[1]) else None


def _depths(stack: Stack) -> dict[str, int]:
    """How many messages lie in each queue, from the broker's own metrics; empty where it does not tell."""
    text = _text(f"http://{HOST}:{stack.layout.ports.broker_metrics}/metrics/per-object")
    return {queue: int(depth) for queue, depth in DEPTH.findall(text)}


def _queues(service: str, depths: dict[str, int]) -> dict[str, int | None]:
    """What lies in a service's queues; a queue of which the broker says nothing is no empty one."""
    inward = [depth for queue, depth in depths.items() if queue.startswith(f"{service}.in.")]
    return {"queued": sum(inward) if inward else None, "poison": depths.get(f"{service}.poison")}


def _parts(operations: str) -> dict[str, str]:
    """The parts of a process, each `ok` or why not."""
    try:
        try:
            with urllib.request.urlopen(operations + "/readyz", timeout=3) as answer:  # noqa: S310  (our own address)
                body = answer.read()
        except urllib.error.HTTPError as error:
            body = error.read()
    except (OSError, HTTPException):
        return {}
    try:
        return dict(json.loads(body)["parts"])
    except (ValueError, KeyError, TypeError):
        return {}


def _json(url: str) -> dict[str, Any]:
    try:
        loaded = json.loads(_text(url) or "{}")
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _text(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own address on loopback)
            return str(answer.read().decode())
    except (OSError, HTTPException):
        return ""
