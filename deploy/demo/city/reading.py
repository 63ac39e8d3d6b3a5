"""Reading hand-written YAML strictly: every mistake is told with its file, its place and what would be right."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import yaml

Code = TypeVar("Code", bound=StrEnum)


class BadCity(ValueError):
    """The demo city's data contradicts itself; ``problems`` names every place."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the demo city's data has mistakes:\n  " + "\n  ".join(problems))
        self.problems = tuple(problems)


class Entry:
    """One mapping of a YAML file; ``where`` names it in messages. Unknown and missing keys are mistakes."""

    def __init__(self, where: str, raw: Any, problems: list[str]) -> None:
        self.where = where
        self.problems = problems
        self._raw: dict[str, Any] = raw if isinstance(raw, dict) else {}
        self._seen: set[str] = set()
        if not isinstance(raw, dict):
            self.wrong("should be a mapping")

    def wrong(self, what: str) -> None:
        """Note a mistake of this entry."""
        self.problems.append(f"{self.where}: {what}")

    def get(self, key: str) -> Any:
        """The raw value, or ``None``."""
        self._seen.add(key)
        return self._raw.get(key)

    def text(self, key: str, default: str | None = None) -> str:
        """A text that is not empty, unless there is a default."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value.strip():
            self.wrong(f"{key} should be a text")
            return ""
        return value.strip()

    def optional(self, key: str) -> str | None:
        """A text, or ``None`` where it is absent or null."""
        return None if self.get(key) is None else self.text(key)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(f"{key} should be a whole number")
            return 0
        return value

    def flag(self, key: str, *, default: bool | None) -> bool | None:
        """True or false."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.wrong(f"{key} should be true or false")
            return default
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of different texts; absent is empty."""
        value = self.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.wrong(f"{key} should be a list of texts")
            return ()
        if len(set(value)) != len(value):
            self.wrong(f"{key} names something twice")
        return tuple(value)

    def code(self, key: str, kind: type[Code], default: Code) -> Code:
        """A value of a code list; ``default`` stands in where it is wrong."""
        value = self.get(key)
        try:
            return kind(value)
        except ValueError:
            known = ", ".join(item.value for item in kind)
            self.wrong(f"{key} {value!r} is unknown; known are {known}")
            return default

    def entries(self, key: str) -> Iterator[Entry]:
        """The mappings of a list."""
        value = self.get(key)
        if value is not None and not isinstance(value, list):
            self.wrong(f"{key} should be a list")
            value = None
        for index, raw in enumerate(value or []):
            name = (raw.get("code") or raw.get("key") or raw.get("username")) if isinstance(raw, dict) else None
            yield Entry(f"{self.where} {key}[{name or index}]", raw, self.problems)

    def named(self, key: str) -> Iterator[tuple[str, Entry]]:
        """The members of a mapping of mappings."""
        value = self.get(key)
        if not isinstance(value, dict):
            self.wrong(f"{key} should be a mapping")
            value = {}
        for name, raw in value.items():
            yield str(name), Entry(f"{self.where} {key}.{name}", raw, self.problems)

    def part(self, key: str) -> Entry:
        """A mapping inside this one."""
        return Entry(f"{self.where} {key}", self.get(key), self.problems)

    def done(self) -> None:
        """Call last: keys that nobody asked for are mistakes."""
        for key in self._raw:
            if key not in self._seen:
                self.wrong(f"does not know {key!r}; known are {', '.join(sorted(self._seen))}")


def open_file(path: Path, problems: list[str]) -> Entry:
    """The top mapping of a YAML file; raises :class:`BadCity` where it is absent or no YAML."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadCity([f"{path.name}: {error}"]) from error
    return Entry(path.name, raw, problems)
