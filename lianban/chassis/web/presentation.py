"""What all pages share: filters for dates and codes, tones of badges, each role's navigation, addresses of files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from flask import Flask, request
from flask_babel import LazyString
from jinja2 import pass_context
from jinja2.runtime import Context
from werkzeug.urls import iri_to_uri

from lianban.chassis import site
from lianban.chassis.settings import settings
from lianban.chassis.time import CHINA
from lianban.chassis.web.access import principal
from lianban.chassis.web.idempotency import once_key
from lianban.chassis.web.languages import LANGUAGES, _, _l, language
from lianban.contracts import codes
from lianban.contracts.codes import CodeList, StaffRole

STATIC = Path(__file__).parent / "static"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of the navigation; without roles it is the petitioner's."""

    label: LazyString
    path: str
    roles: frozenset[StaffRole] = frozenset()


NAVIGATION = (
    Link(_l("首页"), "/"),
    Link(_l("提交信访事项"), "/submit"),
    Link(_l("查询与评价"), "/matters"),
    Link(_l("登记工作台"), "/intake/", frozenset({StaffRole.CLERK, StaffRole.IMPORTER})),
    Link(_l("转办工作台"), "/routing/", frozenset({StaffRole.OFFICER})),
    Link(_l("单位工作台"), "/desk/", frozenset({StaffRole.AGENCY})),
    Link(_l("对接控制台"), "/desk/lanes", frozenset({StaffRole.OPERATOR})),
    Link(
        _l("督查看板"),
        "/oversight/",
        frozenset({StaffRole.SUPERVISOR, StaffRole.AUDITOR, StaffRole.OFFICER}),
    ),
    Link(_l("工作日历"), "/oversight/calendar", frozenset({StaffRole.OPERATOR})),
)

GOOD, BAD, WARN, BUSY, CALM = "good", "bad", "warn", "busy", "calm"
_TONES: dict[type[CodeList], dict[str, str]] = {
    codes.MatterState: {
        "duplicate": WARN, "closed_repeat": WARN, "other_procedure": WARN, "discipline": WARN, "wrong_body": WARN,
        "closed": GOOD, "final": GOOD, "archived": CALM, "withdrawn": CALM, "registered": BUSY, "received": BUSY,
    },
    codes.AssignmentState: {
        "proposed": CALM, "objected": WARN, "released": CALM, "upheld": WARN, "withdrawn": CALM,
        "opinion_given": GOOD, "replied": GOOD, "done": GOOD,
    },
    codes.DeliveryState: {"delivered": GOOD, "unknown": WARN, "rejected": BAD, "parked": BAD, "pending": CALM},
    codes.ClockOutcome: {"met": GOOD, "late": BAD, "cancelled": CALM, "lapsed": CALM},
    codes.ClaimResult: {"supported": GOOD, "explained": CALM, "not_supported": WARN},
    codes.RatingValue: {"satisfied": GOOD, "basically_satisfied": CALM, "dissatisfied": BAD},
    codes.YearStatus: {"official": GOOD, "provisional": WARN},
    codes.AgencyRole: {"lead": BUSY, "co_handler": CALM, "copy": CALM},
}  # fmt: skip


def _instant(value: Any) -> datetime | date | None:
    if isinstance(value, str):
        value = datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(CHINA) if value.tzinfo is not None else value
    return value if isinstance(value, date) else None


def show_date(value: datetime | date | str | None) -> str:
    """The day in China: 2026年11月23日 or 23 Nov 2026; a dash where there is none."""
    day = _instant(value)
    if day is None:
        return "—"
    if language() == "en":
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return f"{day.year}年{day.month}月{day.day}日"


def show_datetime(value: datetime | str | None) -> str:
    """Day and minute in China."""
    instant = _instant(value)
    if not isinstance(instant, datetime):
        return show_date(instant)
    return f"{show_date(instant)} {instant:%H:%M}"


def show_label(value: Any, code_list: str | None = None) -> str:
    """The label of a code in the page's language; ``code_list`` names its class where the value is a plain string."""
    if value is None or value == "":
        return "—"
    if isinstance(value, CodeList):
        return value.label(language())
    if code_list is not None:
        found: CodeList = getattr(codes, code_list)(value)
        return found.label(language())
    return str(value)


def tone(value: Any, code_list: str | None = None) -> str:
    """The tone of a code's badge: good, bad, warn, busy or calm."""
    if code_list is not None and not isinstance(value, CodeList):
        value = getattr(codes, code_list)(value)
    return _TONES.get(type(value), {}).get(str(value), BUSY if isinstance(value, CodeList) else CALM)


def options(code_list: type[CodeList] | str, *, without: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """A code list as (value, label) pairs for radio buttons and selects."""
    members = getattr(codes, code_list) if isinstance(code_list, str) else code_list
    return [(member.value, member.label(language())) for member in members if member.value not in without]


def navigation() -> list[tuple[str, str, bool]]:
    """Label, path and whether we are there, for who is asking."""
    who = principal()
    entries = [link for link in NAVIGATION if (who.has(*link.roles) if link.roles else not who.roles)]
    here = request.path.rstrip("/") + "/"
    return [(str(link.label), link.path, _is_here(here, link.path)) for link in entries]


def _is_here(here: str, path: str) -> bool:
    return here == "/" if path == "/" else here.startswith(path.rstrip("/") + "/")


def language_switch() -> list[tuple[str, str, bool]]:
    """Code, name and whether it is the present one, for each language."""
    return [(code, name, code == language()) for code, name in LANGUAGES.items()]


def here_with(**changes: str | int | None) -> str:
    """The address of this page with some query parameters changed (None takes one away)."""
    query = request.args.copy()
    query.pop("lang", None)
    for name, value in changes.items():
        query.poplist(name)
        if value is not None:
            query[name] = str(value)
    encoded = "&".join(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in query.items(multi=True))
    return iri_to_uri(request.path) + (f"?{encoded}" if encoded else "")


TRAIL = 20


def page_links(next_cursor: str | None) -> dict[str, str | None]:
    """Addresses of the previous, next and first page of a list; the cursors passed travel along in ``trail``."""
    trail = [part for part in request.args.get("trail", "").split(".") if part][-TRAIL:]
    after = request.args.get("after")
    links: dict[str, str | None] = {"first": None, "previous": None, "next": None}
    if after:
        links["first"] = here_with(after=None, trail=None)
        links["previous"] = (
            here_with(after=trail[-1], trail=".".join(trail[:-1]) or None)
            if trail
            else here_with(after=None, trail=None)
        )
    if next_cursor:
        links["next"] = here_with(after=next_cursor, trail=".".join([*trail, after] if after else trail) or None)
    return links


def site_name() -> str:
    """The name of the installation, from ``[site] name`` and ``name_en`` of the site's policy."""
    about = site.table("site")
    return str((about.get("name_en") if language() == "en" else None) or about.get("name") or "")


@cache
def _fingerprint(name: str, stamp: int) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]


def asset(name: str) -> str:
    """The address of a static file, with its fingerprint so that a new version is fetched at once."""
    return f"/static/{name}?v={_fingerprint(name, (STATIC / name).stat().st_mtime_ns)}"


def show_month(value: date) -> str:
    """A month by its first day: 2026年11月 or Nov 2026."""
    return f"{_MONTHS[value.month - 1]} {value.year}" if language() == "en" else f"{value.year}年{value.month}月"


def _at_each_request(shows: Callable[..., str]) -> Callable[..., str]:
    """A filter that Jinja does not work out once for all, in whatever language the template was compiled in."""

    @pass_context
    def shown(_: Context, *values: Any) -> str:
        return shows(*values)

    return shown


def install(app: Flask) -> None:
    """Make filters and functions known to templates."""
    filters: tuple[tuple[str, Callable[..., str]], ...] = (
        ("date", show_date),
        ("datetime", show_datetime),
        ("month", show_month),
        ("label", show_label),
        ("tone", tone),
    )
    for name, shows in filters:
        app.jinja_env.filters[name] = _at_each_request(shows)
    app.jinja_env.globals.update(
        asset=asset,
        here_with=here_with,
        language=language,
        language_switch=language_switch,
        navigation=navigation,
        once_key=once_key,
        options=options,
        page_links=page_links,
        principal=principal,
        site_name=site_name,
        environment_name=lambda: settings().environment,
        _=_,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
