"""The doors of oversight: the board for people, the same figures as JSON for programs."""

from __future__ import annotations

from flask import Flask

from lianban.chassis import web
from services.oversight.web.api import api
from services.oversight.web.board import board


def create_app() -> Flask:
    """The Flask application of oversight."""
    return web.create_app("oversight", api=[api], pages=[board])
