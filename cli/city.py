"""Setting up the demo city: registers, responsibility catalogue, staff, and how each agency is connected.

Everything goes through the services' own use cases and the demo programs' own doors; repeating changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import requests
from rich.progress import Progress

from cli.target import as_service
from deploy.demo.city import load as city_of
from deploy.demo.city import profiles as connections
from deploy.demo.city.load import Adapter, Agency, City, MatterType
from deploy.local.checks import Trouble
from deploy.local.keys import write_private
from deploy.local.stack import Stack
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from services.agency_gateway.app import profiles
from services.agency_gateway.store import agencies as gateway_agencies
from services.agency_gateway.store import profiles as registered
from services.intake.store import reference
from services.routing.app import registering
from services.routing.domain import register
from services.routing.store import staff as accounts

HEARD_SECONDS = 120
"""How long the services may take to hear of the registers."""
REQUEST_SECONDS = 10
SYSTEM = (2.0, 6.0)
"""How fast departments with a system of their own answer by themselves: seconds per step, from and to."""
DESK = (6.0, 15.0)
"""Agencies on the desk are slower, so that a person may be faster."""
RETURN_WORD = "演示退单"
"""Who writes this in a petition sees the lead object."""
STALL_WORD = "演示拖延"
"""Who writes this in a petition sees the matter accepted and never answered."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A demo account."""

    username: str
    name: str
    shown: str


def sign_ins(city: City) -> list[SignIn]:
    """The demo accounts, in the order of the file."""
    return [SignIn(member.username, member.name, member.shown) for member in city.staff]


def password(city: City) -> str:
    """The password of all demo accounts."""
    return os.environ.get(city.password_setting) or city.default_password


def register_city(city: City, progress: Progress) -> None:
    """Bring regions, agencies, catalogue and staff into routing's registers."""
    with as_service("routing"):
        fill_registers(city, progress)


def fill_registers(city: City, progress: Progress) -> None:
    """Fill the registers of whichever routing service's settings are at hand."""
    ordered = sorted(city.regions.values(), key=lambda region: len(region.code.rstrip("0")))
    total = len(ordered) + len(city.agencies) + len(city.types) + len(city.staff)
    task = progress.add_task("名册与权责清单 registers and catalogue", total=total)
    for region in ordered:
        item = register.Region(region.code, region.name, region.level, region.parent_code)
        with database().transaction() as tx:
            registering.register_region(tx, item, at=now())
        progress.advance(task)
    for agency in city.agencies.values():
        with database().transaction() as tx:
            registering.register_agency(tx, _agency(agency), at=now())
        progress.advance(task)
    with database().transaction() as tx:
        for matter_type in city.types.values():
            registering.register_matter_type(tx, _matter_type(matter_type), at=now())
            progress.advance(task)
    _register_staff(city, lambda: progress.advance(task))


def _register_staff(city: City, done: Callable[[], None]) -> None:
    """The accounts; an account that is there keeps its password, unless the operator has set one for the demo."""
    given = password(city)
    asked = bool(os.environ.get(city.password_setting))
    for member in city.staff:
        item = register.Staff(
            username=member.username,
            name=member.name,
            roles=member.roles,
            agency=member.agency,
            territory=member.territory,
        )
        with database().transaction() as tx:
            known = accounts.by_id(tx, registering.staff_id(member.username))
            secret = given if asked or known is None or known.password_hash is None else None
            registering.register_staff(tx, item, secret, at=now())
        done()


def _agency(agency: Agency) -> register.Agency:
    return register.Agency(
        code=agency.code,
        name=agency.name,
        level=agency.level,
        region_code=agency.region,
        petition_office=agency.petition_office,
        superior_government=agency.superior_government,
        superior_vertical=agency.superior_vertical,
        functions=agency.functions,
        phone=agency.contact.phone,
        address=agency.contact.address,
        duty_hours=agency.contact.hours,
    )


def _matter_type(item: MatterType) -> register.MatterType:
    return register.MatterType(
        code=item.code,
        item=item.item,
        field=item.field,
        name=item.zh,
        name_en=item.en,
        lead=register.Part(item.lead.function, item.lead.level),
        co_handlers=tuple(register.Part(part.function, part.level) for part in item.co),
        keywords=item.keywords,
        examples=item.examples,
        basis=tuple(register.LegalBasis(basis.law, basis.article) for basis in item.bases),
    )


def wait_until_heard(city: City, progress: Progress) -> None:
    """Wait until intake and the gateway have heard of every region and agency; raises :class:`Trouble`."""
    task = progress.add_task("各服务收到名册 the services hear of it", total=2)
    _wait("agency_gateway", lambda tx: set(gateway_agencies.active(tx)) >= set(city.agencies))
    progress.advance(task)
    _wait("intake", lambda tx: all(reference.region_name(tx, code) for code in city.regions))
    progress.advance(task)


def _wait(service: str, heard: Callable[[Any], bool]) -> None:
    deadline = time.monotonic() + HEARD_SECONDS
    with as_service(service):
        while True:
            with database().transaction() as tx:
                if heard(tx):
                    return
            if time.monotonic() > deadline:
                raise Trouble(f"{service} did not hear of the registers in {HEARD_SECONDS} s.", "See: lianban status")
            time.sleep(0.1)


class Connections:
    """How the agencies are connected, with keys derived from the stack's own secret: the same in every run."""

    def __init__(self, stack: Stack, city: City, *, pace: float | None = None) -> None:
        self.stack = stack
        self.city = city
        self.pace = pace
        self.profiles = connections.profiles(city)
        self.demo = stack.env("departments")

    def secret(self, what: str, agency: str) -> str:
        """A key that belongs to one agency."""
        known = self.demo["DEPARTMENTS_ADMIN_KEY"].encode()
        return hmac.digest(known, f"{what}:{agency}".encode(), hashlib.sha256).hex()

    def token(self, agency: str) -> str:
        """With what an agency's system calls the exchange."""
        return profiles.TOKEN_PREFIX + self.secret("token", agency)

    def register(self, progress: Progress) -> None:
        """Register every agency's profile with the gateway."""
        task = progress.add_task("接入方式 how agencies are connected", total=len(self.city.agencies))
        with as_service("agency_gateway"):
            for agency in self.city.agencies.values():
                self._register(agency)
                progress.advance(task)

    def _register(self, agency: Agency) -> None:
        document = self.profiles.document(agency, departments_url=self.demo["DEPARTMENTS_URL"])
        keys = {"api-key": self.secret("api-key", agency.code)} if agency.adapter is Adapter.REST_PUSH else {}
        with database().transaction() as tx:
            known = registered.get(tx, agency.code)
            if known is not None and known.document == document:
                return
            profiles.register_profile(tx, document, secrets=keys, tokens={"demo": self.token(agency.code)}, at=now())

    def set_up_departments(self, progress: Progress) -> None:
        """Make a tenant in the departments' program for every agency that has a system of its own."""
        wanted = self._of(Adapter.REST_PUSH)
        task = progress.add_task("部门自有系统 the departments' own systems", total=len(wanted))
        session = requests.Session()
        session.trust_env = False  # a neighbour on loopback, never behind a proxy
        session.headers["X-Admin-Key"] = self.demo["DEPARTMENTS_ADMIN_KEY"]
        url = f"{self.demo['DEPARTMENTS_URL']}/admin/tenants"
        known = {item["code"]: item["autopilot"] for item in _until_ready(session, "GET", url).json()["tenants"]}
        for agency in wanted:
            tenant = self._tenant(agency)
            if self.pace is None and agency.code in known:
                # Somebody may have set it otherwise on the department's own page.
                tenant["autopilot"] = known[agency.code]
            answer = _until_ready(session, "POST", url, tenant)
            if answer.status_code not in (200, 201):
                raise Trouble(
                    f"The departments' program refused {agency.code}: HTTP {answer.status_code} {answer.text[:200]}",
                    "See the log departments.log.",
                )
            progress.advance(task)

    def _tenant(self, agency: Agency) -> dict[str, Any]:
        return {
            "code": agency.code,
            "name": agency.name,
            "trade": self.profiles.trade(agency),
            "api_key": self.secret("api-key", agency.code),
            "webhook_url": f"{self.stack.url}/exchange/v1/callbacks/{agency.code}",
            "webhook_key": self.token(agency.code),
            "autopilot": self._autopilot(
                SYSTEM, {"match": RETURN_WORD, "kind": "MAIN", "action": "return", "code": "R03"}
            ),
        }

    def set_up_puller(self, progress: Progress) -> None:
        """Tell the pull client for which agencies it works; it looks by itself whether that changed."""
        task = progress.add_task("拉取客户端 the pull client", total=1)
        wanted = [self._pulling(agency, desk=False) for agency in self._of(Adapter.PULL)]
        wanted += [self._pulling(agency, desk=True) for agency in self._of(Adapter.DESK)]
        path = self.stack.layout.puller
        known = {item["agency"]: item["autopilot"] for item in json.loads(path.read_text("utf-8"))}
        if self.pace is None:
            wanted = [item | {"autopilot": known.get(item["agency"], item["autopilot"])} for item in wanted]
        content = json.dumps(wanted, ensure_ascii=False, indent=1).encode()
        if path.read_bytes() != content:
            write_private(path, content)
        progress.advance(task)

    def _pulling(self, agency: Agency, *, desk: bool) -> dict[str, Any]:
        objects = {"match": RETURN_WORD, "role": "lead", "action": "object", "reason": "other_lead"}
        return {
            "agency": agency.code,
            "token": self.token(agency.code),
            "trade": self.profiles.trade(agency),
            "desk": desk,
            "autopilot": self._autopilot(DESK if desk else SYSTEM, objects) | self._since(),
        }

    def _since(self) -> dict[str, str]:
        """The city's past is left to people."""
        past = self.stack.layout.past
        return {"since": past.read_text("utf-8").split("\n")[0]} if past.exists() else {}

    def _autopilot(self, seconds: tuple[float, float], objects: dict[str, str]) -> dict[str, Any]:
        low, high = (each * (1.0 if self.pace is None else self.pace) for each in seconds)
        rules = [objects, {"match": STALL_WORD, "action": "stall"}]
        return {"mode": "on", "min_seconds": low, "max_seconds": high, "rules": rules}

    def _of(self, adapter: Adapter) -> list[Agency]:
        return [agency for agency in self.city.agencies.values() if agency.adapter is adapter]


def _until_ready(
    session: requests.Session, method: str, url: str, body: dict[str, Any] | None = None
) -> requests.Response:
    """Ask a program that may still be starting; raises :class:`Trouble`."""
    deadline = time.monotonic() + HEARD_SECONDS
    while True:
        try:
            answer = session.request(method, url, json=body, timeout=REQUEST_SECONDS)
            if answer.status_code < 500:
                return answer
            why = f"HTTP {answer.status_code}"
        except requests.RequestException as error:
            why = type(error).__name__
        if time.monotonic() > deadline:
            raise Trouble(f"The departments' program does not answer: {why}.", "See the log departments.log.")
        time.sleep(0.3)


def load() -> City:
    """The demo city of this clone."""
    return city_of.load()


def lines(rows: Iterable[SignIn], word: str) -> list[str]:
    """The demo accounts as text, one a line."""
    return [f"  {row.username:<18} {row.name}  {row.shown}" for row in rows] + [f"  密码 password: {word}"]
