"""One effect however often a request is sent: the answer to an Idempotency-Key is kept with the use case itself.

The key's row, what the use case writes and the stored answer commit together, so a crash leaves either all of it or
nothing. The row goes out before the first statement of the use case, which therefore does nothing under a key that was
used before; a use case that asks the database nothing needs one exchange for all. Of two requests with one key that run
at once the second waits on the row of the first and then gets its answer. Only successes are kept: a rejected request
may be corrected and sent again under the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec
from uuid import uuid4

import psycopg
from flask import Response, g, make_response, request
from flask_smorest import Blueprint as SmorestBlueprint
from psycopg.types.json import Jsonb

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import blind, seal, unseal
from lianban.chassis.transaction import Transaction, Written
from lianban.chassis.web.access import principal

P = ParamSpec("P")
HEADER = "Idempotency-Key"
FIELD = "_once"
USED = "idempotency_pkey"
"""The constraint that refuses a key a second time."""
KEPT_HEADERS = ("Content-Type", "Location", "HX-Redirect")


class _NotKept(Exception):
    """Leaves the transaction, so that it rolls back, with the answer to give all the same."""

    def __init__(self, response: Response) -> None:
        super().__init__("answer not kept")
        self.response = response


def idempotent(view: Callable[P, Any]) -> Callable[P, Any]:
    """Make a POST harmless to repeat: header ``Idempotency-Key`` on APIs, the hidden field ``_once`` on pages.

    Stands directly above ``arguments`` and ``response`` (it keeps the finished response). Transactions that the view
    begins join the key's; the view must not wait for the network. Another body under a used key is refused (422).
    """

    @wraps(view)
    def once(*args: P.args, **kwargs: P.kwargs) -> Any:
        key = _key()
        if key is None:
            return view(*args, **kwargs)
        scope = (f"{principal().kind}:{principal().subject}", f"{request.method} {request.url_rule}", key)
        fingerprint = blind(_body_digest(), field="idempotency.body_hash")
        try:
            with database().one_transaction() as outer:
                claim = outer.tx.write(_CLAIM, (*scope, fingerprint, None, None, None))
                response = make_response(view(*args, **kwargs))
                if outer.failed or response.status_code >= 400:
                    raise _NotKept(response)
                _keep(outer.tx, claim, scope, fingerprint, response)
        except _NotKept as answer:
            return _stored(scope, fingerprint) or answer.response
        except Rejected:
            stored = _stored(scope, fingerprint)
            if stored is None:
                raise
            return stored
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name != USED:
                raise
            stored = _stored(scope, fingerprint)
            if stored is None:  # let go in this moment: see retention
                raise _in_use() from None
            return stored
        return response

    return SmorestBlueprint.doc(  # type: ignore[no-any-return]  # smorest is not typed
        parameters=[
            {
                "in": "header",
                "name": HEADER,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
                "description": "同一键、同一内容只生效一次 / one effect per key and body",
            }
        ]
    )(once)


def once_key() -> str:
    """The value of a form's hidden ``_once`` field: kept when the form is shown again, else new."""
    if "once_key" not in g:
        given = request.form.get(FIELD, "")
        g.once_key = given if _well_formed(given) else str(uuid4())
    return str(g.once_key)


def _well_formed(key: str) -> bool:
    return 1 <= len(key) <= 255 and all("!" <= character <= "~" for character in key)


def _key() -> str | None:
    if g.get("is_page", False):
        return request.form.get(FIELD) if _well_formed(request.form.get(FIELD, "")) else None
    key = request.headers.get(HEADER)
    if key is not None and not _well_formed(key):
        raise Rejected(
            "invalid-idempotency-key",
            "Idempotency-Key 应为 1 至 255 个可见 ASCII 字符。",
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            status=400,
        )
    return key


def _context(scope: tuple[str, str, str]) -> str:
    return "idempotency.response:" + hashlib.sha256("\n".join(scope).encode()).hexdigest()


_CLAIM = """
insert into idempotency (caller, route, key, body_hash, status, response, headers) values (%s, %s, %s, %s, %s, %s, %s)
"""


def _stored(scope: tuple[str, str, str], fingerprint: bytes) -> Response | None:
    """The answer that was given under this key, None where there was none.

    Raises :class:`Rejected` where the body was another one.
    """
    with database().transaction() as tx:
        row = tx.execute(
            "select body_hash, status, response, headers from idempotency"
            " where caller = %s and route = %s and key = %s",
            scope,
        ).fetchone()
    if row is None:
        return None
    if bytes(row["body_hash"]) != fingerprint:
        raise Rejected(
            "idempotency-key-reused",
            "这个 Idempotency-Key 已用于内容不同的请求，请换一个新的键。",
            "This Idempotency-Key was used with another body; choose a new key.",
            status=422,
        )
    response = make_response(unseal(bytes(row["response"]), context=_context(scope)), row["status"])
    for name, value in row["headers"].items():
        response.headers[name] = value
    response.headers["Idempotency-Replayed"] = "true"
    return response


def _in_use() -> Rejected:
    return Rejected(
        "idempotency-key-in-use",
        "相同的请求正在处理，请稍后再试。",
        "The same request is being handled; try again.",
        status=409,
    )


def _keep(tx: Transaction, claim: Written, scope: tuple[str, str, str], fingerprint: bytes, response: Response) -> None:
    # Sealed, because an answer may hold a query code.
    sealed = seal(response.get_data(as_text=True), context=_context(scope))
    headers = Jsonb({name: response.headers[name] for name in KEPT_HEADERS if name in response.headers})
    answer = (response.status_code, sealed, headers)
    if not claim.sent:  # the use case asked nothing: the key goes out with its answer
        claim.params = (*scope, fingerprint, *answer)
        return
    tx.write(
        "update idempotency set status = %s, response = %s, headers = %s where caller = %s and route = %s and key = %s",
        (*answer, *scope),
    )


def _body_digest() -> str:
    # What the request is about stands in its path and in the code that opens a matter as well.
    digest = hashlib.sha256(f"{request.path}\n{request.headers.get('X-Query-Code', '')}\n".encode())
    if request.mimetype in ("multipart/form-data", "application/x-www-form-urlencoded"):
        for name in sorted(set(request.form) - {"csrf_token", FIELD}):
            for value in request.form.getlist(name):
                digest.update(f"{len(name)}:{name}={len(value)}:{value};".encode())
        for name in sorted(request.files):
            for file in request.files.getlist(name):
                digest.update(f"file {name} {file.filename}".encode())
                while chunk := file.stream.read(1 << 16):
                    digest.update(chunk)
                file.stream.seek(0)
    else:
        digest.update(request.get_data(cache=True))
    return digest.hexdigest()
