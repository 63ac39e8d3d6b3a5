"""What a service says about itself: each part reports whether it works, and why not."""

from __future__ import annotations

from dataclasses import dataclass, field

from lianban.chassis import metrics


@dataclass(slots=True)
class Readiness:
    """The parts of one process with their last word; a part that never spoke is not ready."""

    parts: dict[str, str | None] = field(default_factory=dict)

    def expect(self, part: str) -> None:
        """A part will report; until then it is not ready."""
        if part not in self.parts:
            self.down(part, "starting")

    def up(self, part: str) -> None:
        """The part works."""
        self.parts[part] = None
        metrics.ready.labels(part).set(1)

    def down(self, part: str, why: str) -> None:
        """The part does not work, and why in words that an operator understands."""
        self.parts[part] = why
        metrics.ready.labels(part).set(0)

    @property
    def ready(self) -> bool:
        """Whether every expected part works."""
        return all(why is None for why in self.parts.values())


readiness = Readiness()
"""The readiness of this process."""
