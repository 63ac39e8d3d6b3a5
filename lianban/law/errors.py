"""What the law does not allow, as errors of one kind.

::

    NotAllowed
    ├── IllegalMove     lifecycle: a move that the table of states does not have
    ├── IdentityError   identity: an identifier that cannot be right
    └── ClockError      projector: a change that the rule of a clock does not allow
"""

from __future__ import annotations


class NotAllowed(ValueError):
    """The law or its data do not allow it; ``slug`` names the reason, ``zh`` and ``en`` say it."""

    def __init__(self, slug: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.slug = slug
        self.zh = zh
        self.en = en
