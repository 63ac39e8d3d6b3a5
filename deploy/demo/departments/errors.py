"""What callers get to hear when a request cannot be met."""

from __future__ import annotations


class Refused(Exception):
    """The caller's fault; answered as ``{"error": {"code": …, "message": …}}``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
