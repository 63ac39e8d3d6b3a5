"""The number of a matter: what a petitioner reads out on the telephone.

``YYYYMMDD`` (day of registration in China), a running number of seven digits, and a check digit after Damm
(H. M. Damm, 2004), which finds every single wrong digit and every exchange of two neighbours. The running number
is not reset daily and may have gaps; the day and seven digits together never repeat below ten million matters a day.
"""

from __future__ import annotations

from datetime import date

LENGTH = 16
_RUNNING = 7
# A totally anti-symmetric quasigroup of order 10; the check digit of a sequence is the last interim digit.
_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def compose(day: date, running: int) -> str:
    """The number of the ``running``-th matter, registered on ``day``."""
    digits = f"{day:%Y%m%d}{running % 10**_RUNNING:0{_RUNNING}d}"
    return f"{digits}{_check(digits)}"


def normalise(typed: str) -> str:
    """A number as people type it (spaces, hyphens, full-width digits) in its one form."""
    return "".join(str(int(c)) if c.isdecimal() else c for c in typed if not c.isspace() and c not in "-－—")


def is_number(text: str) -> bool:
    """Whether a normalised text is a number with the right check digit."""
    return len(text) == LENGTH and text.isascii() and text.isdigit() and _check(text) == 0


def _check(digits: str) -> int:
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][int(digit)]
    return interim
