"""What people submit under load: petitions of two kinds, made from templates whose routing is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MAIL = "mail.qinghe.example"


class Kind(StrEnum):
    """How many agencies a matter takes."""

    SINGLE = "single"
    JOINT3 = "joint3"

    @property
    def agencies(self) -> int:
        """The number of agencies: the lead and its co-handlers."""
        return 1 if self is Kind.SINGLE else 3


@dataclass(frozen=True, slots=True)
class Template:
    """A petition without its petitioner, and the agencies to which it goes, the lead in front."""

    kind: str
    title: str
    content: str
    claims: tuple[str, ...]
    region_code: str
    agencies: tuple[str, ...]


def petition(template: Template, serial: str) -> dict[str, Any]:
    """The body of ``POST /api/v1/matters``; ``serial`` (digits) tells one petitioner from another."""
    return {
        "channel": "hotline",
        "purpose": "appeal",
        "title": template.title,
        "content": f"{template.content}\n来电流水 {serial}。",
        "claims": list(template.claims),
        "region_code": template.region_code,
        "petitioner": {
            "name": "周广田",
            "phone": f"161{int(serial) % 10**8:08d}",
            "email": f"load{serial}@{MAIL}",
            "address": f"清河市建设北路 {int(serial) % 997 + 1} 号",
        },
    }
