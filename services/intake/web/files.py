"""Uploads, and the files of matters by ticket."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from flask import Response, request

from lianban.chassis.auth import InvalidToken, Ticket, verify_ticket
from lianban.chassis.errors import Rejected
from lianban.chassis.time import now
from lianban.chassis.web import Api, body, idempotent, public
from services.intake.app import attach
from services.intake.domain.attachment import LARGEST
from services.intake.web.reading import caller, documented
from services.intake.web.schemas import UploadSchema

uploads = Api("uploads", __name__, url_prefix="/api/v1/uploads", description="附件上传 / uploads")
files = Api("files", __name__, url_prefix="/api/v1/files", description="附件 / files of matters")


@uploads.post("")
@public
@body(megabytes=21, types=("multipart/form-data",))
@idempotent
@documented(
    uploads,
    summary="上传一个附件 / upload one file",
    requestBody={
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    },
)
@uploads.response(201, UploadSchema)
def upload() -> Any:
    """Take in one picture, PDF or sound of at most 20 MB; only the same caller can attach it, within 24 hours."""
    file = request.files.get("file")
    if file is None:
        raise Rejected("file-missing", "请在file字段中附上文件。", "Send the file in the field “file”.", field="/file")
    data = file.stream.read(LARGEST + 1)
    return attach.receive(data, file.filename or "", uploader=caller().key, at=now())


@files.get("/<uuid:file_id>")
@public
@documented(
    files,
    summary="凭票取附件 / fetch a file with a ticket",
    parameters=[{"in": "query", "name": "ticket", "required": True, "schema": {"type": "string"}}],
    responses={"200": {"description": "文件 / the file", "content": {"application/octet-stream": {}}}},
)
def fetch(file_id: UUID) -> Response:
    """The file, for whom a service of ours gave the ticket."""
    _ticket(file_id)
    found = attach.fetch(file_id)
    return Response(
        found.data,
        mimetype=found.media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name)}",
            "Content-Length": str(len(found.data)),
        },
    )


def _ticket(file_id: UUID) -> Ticket:
    try:
        return verify_ticket(request.args.get("ticket", ""), file=file_id, at=now())
    except InvalidToken as error:
        if error.expired:
            raise Rejected(
                "ticket-expired", "链接已过期，请重新获取。", "The link has expired; get a new one.", status=403
            ) from None
        raise Rejected("ticket-invalid", "链接无效。", "The link is not valid.", status=403) from None
