"""Matters in the stages that pages are about, brought there through the API."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from PIL import Image, ImageDraw

from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.contracts.codes import StaffRole
from tests.e2e.doors import a_session, a_token, by_hand
from tests.e2e.people import BLACK_RIVER, Submitted, submit

DESK = "nanqiao-subdistrict"
"""An agency without a system of its own, whose desk the tests work on."""
DESK_REGION = "990101001000"
DESK_CLERK = "agency-nanqiao"


def a_photo() -> bytes:
    """A picture of a black river, small."""
    picture = Image.new("RGB", (320, 240), (176, 196, 202))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(0, 240), (120, 110), (200, 110), (320, 240)], fill=(24, 24, 26))
    made = io.BytesIO()
    picture.save(made, "JPEG")
    return made.getvalue()


@dataclass
class World:
    """What the pages are about."""

    stack: Stack
    waiting: Submitted
    decided: Submitted
    on_desk: Submitted
    desk_assignment: str


def routed(stack: Stack, matter: Submitted, lead: str, *co_handlers: str) -> dict[str, str]:
    """Route a matter as an officer does; the assignments by agency."""
    officer = a_session(a_token(stack, StaffRole.OFFICER, territory="990100000000"))
    case = f"{stack.url}/api/v1/cases/{matter.id}"
    until(lambda: officer.get(case, timeout=20).status_code == 200, "the case is open")
    wanted = [{"agency_code": lead, "role": "lead"}]
    wanted += [{"agency_code": code, "role": "co_handler"} for code in co_handlers]
    answer = officer.post(
        f"{case}/assignments",
        json={"assignments": wanted, "kind": "transfer"},
        headers={"Idempotency-Key": str(uuid4())},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    return {part["agency"]["code"]: part["id"] for part in answer.json()["assignments"]}


def on_desk(stack: Stack, title: str, lead: str = DESK, *co_handlers: str) -> tuple[Submitted, str]:
    """A matter that lies on the desk of the agency that tests work for, and its assignment."""
    matter = submit(stack, BLACK_RIVER | {"title": title, "region_code": DESK_REGION})
    part = routed(stack, matter, lead, *co_handlers)[DESK]
    system = a_session(a_token(stack, StaffRole.AGENCY, agency=DESK))

    def lies_there() -> Any:
        answer = system.get(f"{stack.url}/exchange/v1/assignments/{part}", timeout=20)
        return answer.status_code == 200 and any(item["delivered_at"] for item in answer.json()["messages"])

    until(lies_there, "the desk has its assignment")
    return matter, part


def build(stack: Stack) -> World:
    """One matter that waits for an officer, one that lies on a desk, one that is decided."""
    by_hand(stack, DESK)
    waiting = submit(stack, BLACK_RIVER | {"title": "印染厂排水口附近的井水有异味"})
    decided = submit(stack, BLACK_RIVER)
    routed(stack, decided, "city-ecology", "city-urban", "dongping-town")
    lying, part = on_desk(stack, "南桥街道夜市油烟太大", DESK, "city-urban")
    decided.until("decided")
    until(lambda: len(decided.status()["documents"]) == 3, "three documents")
    return World(stack, waiting, decided, lying, part)
