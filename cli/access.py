"""The page of all routes and who may use them, made of what the views themselves say."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass

from flask import Flask

from deploy.local.layout import SERVICES
from lianban.chassis.auth import Access
from lianban.chassis.settings import Settings, use
from lianban.chassis.web.access import access_of
from lianban.contracts.codes import StaffRole

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

INTRODUCTION = """\
# 谁可以使用哪个入口 Who may use which route

<!-- Made by `make docs`; changes here are lost. -->

● may use it, · is refused. APIs answer 401 without a token and 403 without the right; pages send people who are
not signed in to the sign-in page and show others a page with 403. **anonymous** is everybody without a token.
A department's own system (its token is bound to one agency) has the rights of the column *agency*, without pages.
Routes under `/internal/` are for the services among themselves; the edge never passes them on.

The table says which door opens. What lies behind it is bounded further, and what is out of bounds looks as if it did
not exist (404):

- clerks, officers and supervisors see matters of their territory only (and a clerk those that they registered);
- an agency sees its own assignments only;
- a matter is opened by its number and query code, a file or document by a ticket that expires.

"""


@dataclass(frozen=True, slots=True)
class Route:
    """One door: method and path, who may use it, and what it is for."""

    service: str
    method: str
    path: str
    page: bool
    access: Access
    purpose: str

    @property
    def internal(self) -> bool:
        """Whether only other services may use it, past the edge."""
        return self.path.startswith("/internal/")

    def admits(self, role: StaffRole) -> bool:
        """Whether a person with this role may use it."""
        if self.access.open:
            return True
        fits = not self.access.kinds or bool({"staff", "channel"} & self.access.kinds)
        return fits and (not self.access.roles or role in self.access.roles)


def applications() -> dict[str, Flask]:
    """The Flask application of every service, made without any surroundings."""
    with use(Settings(service="intake", public_url="http://127.0.0.1")):
        return {name: importlib.import_module(f"services.{name}.web").create_app() for name in SERVICES}


def routes() -> list[Route]:
    """Every route of every service, in the order of services and paths."""
    found = []
    for service, app in applications().items():
        pages = app.extensions["lianban"]["pages"]
        for rule in app.url_map.iter_rules():
            if rule.endpoint == "static":
                continue
            view = app.view_functions[rule.endpoint]
            for method in METHODS:
                if method not in (rule.methods or ()):
                    continue
                one = getattr(view.view_class, method.lower()) if hasattr(view, "view_class") else view
                path = re.sub(r"<(?:[^:<>]*:)?([^<>]+)>", r"{\1}", rule.rule)
                page = rule.endpoint.split(".")[0] in pages
                found.append(Route(service, method, path, page, access_of(one), _purpose(one)))
    order = {name: number for number, name in enumerate(SERVICES)}
    return sorted(found, key=lambda route: (order[route.service], route.path, route.method))


def _purpose(view: object) -> str:
    return (inspect.getdoc(view) or "").split("\n")[0].rstrip(".").replace("|", "\\|")


def page() -> str:
    """The page, as Markdown."""
    roles = list(StaffRole)
    known = routes()
    parts = [INTRODUCTION]
    for service in SERVICES:
        mine = [route for route in known if route.service == service]
        parts.append(f"## {service}\n\n")
        doors = [route for route in mine if not route.internal]
        heads = ["route", "what", "anonymous", *(f"{role.value}<br>{role.label('zh')}" for role in roles)]
        parts.append(_line(heads) + _line(["---", "---", *(":-:" for _ in range(len(roles) + 1))]))
        for route in doors:
            marks = ["●" if route.access.open else "·", *("●" if route.admits(role) else "·" for role in roles)]
            parts.append(_line([f"`{route.method} {route.path}`", route.purpose, *marks]))
        parts.append("\n")
        inner = [route for route in mine if route.internal]
        if inner:
            parts.append("Services only:\n\n")
            parts.extend(f"- `{route.method} {route.path}` {route.purpose}\n" for route in inner)
            parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |\n"
