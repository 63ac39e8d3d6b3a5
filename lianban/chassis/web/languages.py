"""Chinese first, English by switch: which language this request is answered in, and the code to say things in it.

Messages are written in Chinese in code and templates; English stands in the one catalogue
``translations/en/LC_MESSAGES/messages.po``. Pages are Chinese until somebody switches (``?lang=en``, kept in a
cookie); APIs follow ``Accept-Language`` and answer in Chinese without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from flask import Flask, Response, g, has_request_context, request
from flask_babel import Babel
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

__all__ = ["LANGUAGES", "Language", "_", "_l", "language"]

Language = Literal["zh", "en"]
LANGUAGES: dict[Language, str] = {"zh": "中文", "en": "English"}
COOKIE = "lianban_lang"
TRANSLATIONS = Path(__file__).parent / "translations"


def language() -> Language:
    """The language of this request; Chinese where there is no request."""
    if not has_request_context():
        return "zh"
    if "language" not in g:
        g.language = _chosen()
    return g.language  # type: ignore[no-any-return]  # g holds anything


def _chosen() -> Language:
    for given in (request.args.get("lang"), request.cookies.get(COOKIE)):
        if given in LANGUAGES:
            return "en" if given == "en" else "zh"
    if not g.get("is_page", False) and request.accept_languages.best_match(["zh", "en"], "zh") == "en":
        return "en"
    return "zh"


def _remember(response: Response) -> Response:
    given = request.args.get("lang")
    if given in LANGUAGES and g.get("is_page", False):
        response.set_cookie(COOKIE, given, max_age=365 * 86400, samesite="Lax", path="/")
    if not response.headers.get("Content-Language") and response.mimetype in (
        "text/html",
        "application/problem+json",
    ):
        response.headers["Content-Language"] = language()
    return response


def install(app: Flask) -> None:
    """Give the application its language: catalogue, selector and switch."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(TRANSLATIONS)
    Babel(
        app,
        default_locale="zh_Hans_CN",
        default_timezone="Asia/Shanghai",
        locale_selector=lambda: "en" if language() == "en" else "zh_Hans_CN",
    )
    app.after_request(_remember)
