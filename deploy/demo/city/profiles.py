"""How each agency of the demo city is connected: gateway profiles made from the templates in ``profiles/``."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.demo.city.load import FOLDER, Adapter, Agency, City, Part
from deploy.demo.city.reading import BadCity, open_file

GENERAL_TRADE = "general"


@dataclass(frozen=True, slots=True)
class Profiles:
    """The templates and what differs from agency to agency."""

    city: City
    templates: dict[Adapter, dict[str, Any]]
    limits: dict[str, dict[str, int]]
    trades: dict[str, str]
    short_names: dict[str, str]

    def document(self, agency: Agency, *, departments_url: str) -> dict[str, Any]:
        """The profile that the gateway registers for an agency; ``departments_url`` is where the departments are."""
        made = copy.deepcopy(self.templates[agency.adapter])
        made["agency"] = agency.code
        if agency.code in self.limits:
            made["limits"] = {**made.get("limits", {}), **self.limits[agency.code]}
        if agency.adapter is Adapter.REST_PUSH:
            made["rest_push"]["base_url"] = departments_url
            made["codes"]["departments"] = self.departments(agency)
        return made

    def departments(self, agency: Agency) -> dict[str, str]:
        """The names by which an agency's people call others, with our codes; short names mean those of its place."""
        known = {other.name: other.code for other in self.city.agencies.values()}
        for name, function in self.short_names.items():
            found = self.city.resolve(Part(function), agency.region)
            if found is not None:
                known[name] = found.code
        return known

    def trade(self, agency: Agency) -> str:
        """The kind of department whose sentences the demo programs use for an agency."""
        return next((self.trades[f] for f in agency.functions if f in self.trades), GENERAL_TRADE)


def profiles(city: City, folder: Path = FOLDER / "profiles") -> Profiles:
    """The profiles of the city; raises :class:`~deploy.demo.city.reading.BadCity` with every mistake."""
    problems: list[str] = []
    mapping = open_file(folder / "mapping.yaml", problems)
    chosen, limits = mapping.part("templates"), dict[str, dict[str, int]]()
    templates = {adapter: _template(folder / chosen.text(adapter.value)) for adapter in Adapter}
    chosen.done()
    for code, entry in mapping.named("limits"):
        limits[code] = {"concurrency": entry.whole("concurrency"), "per_minute": entry.whole("per_minute")}
        entry.done()
        if code not in city.agencies:
            entry.wrong("is no agency of the city")
    tables: dict[str, dict[str, str]] = {}
    for key in ("trades", "short_names"):
        table = mapping.get(key)
        tables[key] = dict(table) if isinstance(table, dict) else {}
    for name in (*tables["trades"], *tables["short_names"].values()):
        if name not in city.functions:
            mapping.wrong(f"unknown function {name!r}")
    mapping.done()
    if problems:
        raise BadCity(problems)
    return Profiles(city, templates, limits, tables["trades"], tables["short_names"])


def _template(path: Path) -> dict[str, Any]:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(raw, dict):
        raise BadCity([f"{path.name}: should be a mapping"])
    return raw
