"""Makes the Flask application of a service, with everything in it that all services share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

import flask
import flask_smorest
from flask import Flask, g, request
from flask.json.provider import DefaultJSONProvider
from marshmallow import Schema, fields
from werkzeug.middleware.proxy_fix import ProxyFix

from lianban.chassis.settings import settings
from lianban.chassis.web import access, languages, observation, presentation, problems, protection

API_VERSION = "1"

View = TypeVar("View", bound=Callable[..., Any])


class ProblemError(Schema):
    """One thing wrong in the input."""

    pointer = fields.String(metadata={"description": "RFC 6901 pointer into the body"})
    parameter = fields.String(metadata={"description": "Name of the parameter"})
    place = fields.String(data_key="in", metadata={"description": "Where the parameter stands: query, path, header"})
    message = fields.String(required=True)


class Problem(Schema):
    """RFC 9457 problem details."""

    type = fields.String(required=True, metadata={"description": "/problems/<slug>"})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    reference = fields.String(required=True, metadata={"description": "Id of the request in the logs"})
    errors = fields.List(fields.Nested(ProblemError))


class _Documentation(flask_smorest.Api):
    """Documents the views; errors are turned into problems by :mod:`problems`, not here."""

    ERROR_SCHEMA = Problem

    def _register_error_handlers(self) -> None:
        pass


class Api(flask_smorest.Blueprint):
    """A group of API views: ``Api("matters", __name__, url_prefix="/api/v1/matters", description="…")``.

    flask-smorest's blueprint with our parser, and with types for the decorators that services use.
    """

    ARGUMENTS_PARSER = protection.Parser()

    def get(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve GET at ``rule``."""
        return self._route(rule, "GET", options)

    def post(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve POST at ``rule``."""
        return self._route(rule, "POST", options)

    def put(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve PUT at ``rule``."""
        return self._route(rule, "PUT", options)

    def patch(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve PATCH at ``rule``."""
        return self._route(rule, "PATCH", options)

    def delete(self, rule: str, **options: Any) -> Callable[[View], View]:
        """Serve DELETE at ``rule``."""
        return self._route(rule, "DELETE", options)

    def _route(self, rule: str, method: str, options: dict[str, Any]) -> Callable[[View], View]:
        decorate: Callable[[View], View] = self.route(rule, methods=[method], **options)
        return decorate

    def arguments(self, schema: type[Schema] | Schema, **options: Any) -> Callable[[View], View]:
        """Hand the parsed and validated input to the view; ``location`` is ``json`` unless told."""
        # A class would be made anew, with all its fields, for every request.
        made = schema() if isinstance(schema, type) else schema
        decorate: Callable[[View], View] = super().arguments(made, **options)
        return decorate

    def response(
        self, status: int, schema: type[Schema] | Schema | None = None, **options: Any
    ) -> Callable[[View], View]:
        """Turn what the view returns into the answer with this status."""
        decorate: Callable[[View], View] = super().response(status, schema, **options)
        return decorate

    def alt_response(self, status: int, **options: Any) -> Callable[[View], View]:
        """Document another answer of the view."""
        decorate: Callable[[View], View] = super().alt_response(status, **options)
        return decorate


class Pages(flask.Blueprint):
    """A group of pages; templates lie in ``templates/<service>/`` beside the module that makes it."""

    def __init__(self, name: str, import_name: str, **options: Any) -> None:
        options.setdefault("template_folder", "templates")
        super().__init__(name, import_name, **options)


class _Json(DefaultJSONProvider):
    """Flask's JSON with readable Chinese and with dates as RFC 3339 writes them."""

    ensure_ascii = False

    @staticmethod
    def default(value: Any) -> Any:
        """Dates and instants in ISO form, everything else as Flask does it."""
        return value.isoformat() if isinstance(value, date) else DefaultJSONProvider.default(value)


def create_app(
    service: str, *, api: Sequence[Api] = (), pages: Sequence[Pages] = (), config: Mapping[str, Any] | None = None
) -> Flask:
    """The Flask application of a service; raises :class:`TypeError` when a view does not say who may use it."""
    app = Flask("lianban.chassis.web", static_folder="static", static_url_path="/static")
    given = settings()
    app.config.update(
        SECRET_KEY=given.secret_key or None,
        SESSION_COOKIE_NAME=f"lianban_{service}",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=given.public_url.startswith("https:"),
        MAX_CONTENT_LENGTH=protection.MEGABYTE,
        MAX_FORM_PARTS=500,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
        API_TITLE=f"Lianban {service}",
        API_VERSION=API_VERSION,
        OPENAPI_VERSION="3.1.0",
        **(config or {}),
    )
    app.json = _Json(app)
    page_names = frozenset(blueprint.name for blueprint in pages)

    @app.before_request
    def know_the_door() -> None:
        g.is_page = request.blueprint in page_names
        if request.blueprint is None:
            g.is_page = problems.is_page()

    observation.install(app, service)
    languages.install(app)
    protection.install(app)
    presentation.install(app)
    documentation = _Documentation(
        app,
        spec_kwargs={
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}}
        },
    )
    for blueprint in api:
        documentation.register_blueprint(blueprint)
    for page_blueprint in pages:
        app.register_blueprint(page_blueprint)
    problems.install(app)
    access.check_views(app)
    app.extensions["lianban"] = {"service": service, "spec": documentation.spec, "pages": page_names}
    # One hop is trusted: the edge, which sets these headers itself and drops what the browser sent.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    return app
