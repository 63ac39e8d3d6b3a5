"""Use cases on the registers: regions, agencies, the responsibility catalogue, staff.

``lianban demo seed`` and the operator's commands call these; repeating one changes nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from argon2 import PasswordHasher

from lianban.chassis.errors import Rejected
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import StaffRole
from lianban.contracts.refs import agency_id, region_id
from lianban.contracts.routing import AgencyRegistered, RegionRegistered
from lianban.law import places
from services.routing.domain.register import Agency, MatterType, Region, Staff
from services.routing.domain.vouching import USERNAME
from services.routing.store import registers
from services.routing.store import staff as accounts

_AGENCY_CODE = re.compile(r"[a-z0-9-]{3,40}\Z")
_REGION_CODE = re.compile(r"[0-9]{12}\Z")
PASSWORD_LENGTH = 10
"""Fewest characters of a password (GB/T 22239-2019, 8.1.4.1: passwords are to be complex)."""


def staff_id(username: str) -> UUID:
    """The id of a staff account, the same whenever the account is registered anew."""
    return uuid5(NAMESPACE_URL, f"urn:lianban:staff:{username}")


def register_region(tx: Transaction, item: Region, *, at: datetime) -> None:
    """Add a region or change it, and tell the others; its parent must be registered before."""
    if not _REGION_CODE.match(item.code):
        raise Rejected("region-code", "区划代码应为12位数字。", "A region code has twelve digits.", field="code")
    if places.level_of(item.code) is not item.level:
        raise Rejected(
            "region-level",
            "区划代码“{code}”与级别不符。",
            "Region code “{code}” does not fit its level.",
            field="level",
            code=item.code,
        )
    if item.parent_code is not None and registers.region(tx, item.parent_code) is None:
        raise Rejected(
            "unknown-region",
            "没有区划“{code}”。",
            "There is no region “{code}”.",
            field="parent_code",
            code=item.parent_code,
        )
    if registers.region(tx, item.code) == item:
        return
    tx.lock(region_id(item.code))
    registers.put_region(tx, item, at=at)
    tx.emit(
        RegionRegistered(code=item.code, name=item.name, level=item.level, parent_code=item.parent_code),
        subject=region_id(item.code),
        at=at,
    )


def register_agency(tx: Transaction, item: Agency, *, at: datetime) -> None:
    """Add an agency or change it, and tell the others; its region must be registered before."""
    if not _AGENCY_CODE.match(item.code):
        raise Rejected(
            "agency-code",
            "单位代码只能含小写字母、数字和连字符，3至40位。",
            "An agency code has 3 to 40 lower-case letters, digits and hyphens.",
            field="code",
        )
    if registers.region(tx, item.region_code) is None:
        raise Rejected(
            "unknown-region",
            "没有区划“{code}”。",
            "There is no region “{code}”.",
            field="region_code",
            code=item.region_code,
        )
    if registers.agency(tx, item.code) == item:
        return
    tx.lock(agency_id(item.code))
    registers.put_agency(tx, item, at=at)
    tx.emit(
        AgencyRegistered(
            code=item.code,
            name=item.name,
            level=item.level,
            region_code=item.region_code,
            petition_office=item.petition_office,
            superior_government=item.superior_government,
            superior_vertical=item.superior_vertical,
            active=item.active,
        ),
        subject=agency_id(item.code),
        at=at,
    )


def register_matter_type(tx: Transaction, item: MatterType, *, at: datetime) -> None:
    """Add an item of the responsibility catalogue or change it; the text model learns it within seconds."""
    registers.put_matter_type(tx, item, at=at)


def register_staff(tx: Transaction, item: Staff, password: str | None, *, at: datetime) -> UUID:
    """Add a staff account or change it; ``None`` keeps the password. Returns the account's id."""
    if not USERNAME.match(item.username):
        raise Rejected(
            "username",
            "用户名只能含小写字母、数字和 . _ -，2至64位。",
            "A user name has 2 to 64 lower-case letters, digits and . _ -",
            field="username",
        )
    if StaffRole.AGENCY in item.roles and (item.agency is None or registers.agency(tx, item.agency) is None):
        raise Rejected(
            "agency-missing",
            "承办单位人员必须属于一个已登记的单位。",
            "Staff of an agency need a registered agency.",
            field="agency",
        )
    known = staff_id(item.username)
    current = accounts.by_id(tx, known)
    if current is not None and current.staff == item and password is None:
        return known
    accounts.put(tx, known, item, None if password is None else hash_password(password), at=at)
    return known


def hash_password(password: str) -> str:
    """The argon2id hash of a new password; raises :class:`Rejected` when it is too short."""
    if len(password) < PASSWORD_LENGTH:
        raise Rejected(
            "password-short",
            "密码至少{n}位。",
            "A password has at least {n} characters.",
            field="password",
            n=PASSWORD_LENGTH,
        )
    return PasswordHasher().hash(password)
