"""The errors that the chassis understands.

    LianbanError
    ├── Rejected   the caller's fault: becomes a problem document with a slug (RFC 9457)
    ├── Retry      transient: the work is done again later
    └── Poison     will never succeed: goes to quarantine and to a person

Anything else is a bug and is loud.
"""

from __future__ import annotations

from typing import Any


class LianbanError(Exception):
    """The root of the errors that are expected and handled."""


class Rejected(LianbanError):
    """A request that cannot be fulfilled as it is, with what to do in both languages.

    ``field`` is a JSON pointer or form field name; ``params`` fill ``{placeholders}`` in both texts.
    """

    def __init__(
        self, slug: str, zh: str, en: str, *, status: int = 422, field: str | None = None, **params: Any
    ) -> None:
        super().__init__(slug)
        self.slug = slug
        self.zh = zh.format(**params) if params else zh
        self.en = en.format(**params) if params else en
        self.status = status
        self.field = field
        self.params = params


class Retry(LianbanError):
    """A transient obstacle; the same work will be tried again with back-off."""


class Poison(LianbanError):
    """A message that can never be handled as it is."""
