"""Documents as PDF. Petitioners come with a ticket from intake's status page, staff of the territory with
their sign-in."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

from flask import Response, request

from lianban.chassis import auth
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal_bytes
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import Pages, log_access, principal, public
from lianban.contracts.codes import StaffRole
from lianban.law.places import within
from services.notification.domain.documents import TITLE
from services.notification.store import documents, matters
from services.notification.store.documents import Document

files = Pages("documents", __name__)
READERS = (StaffRole.OFFICER, StaffRole.CLERK, StaffRole.SUPERVISOR, StaffRole.AUDITOR)


@files.get("/documents/<uuid:document_id>.pdf")
@public
def pdf(document_id: UUID) -> Response:
    """One document; a ticket that does not fit and an unknown document look the same."""
    with database().transaction() as tx:
        document = documents.get(tx, document_id)
        if document is not None and not _may_read(tx, document):
            document = None
        sealed = documents.pdf(tx, document_id) if document else None
        if document is None or sealed is None:
            raise Rejected(
                "document-not-found",
                "没有这份文书，或者链接已过期。请回到查询页面重新打开。",
                "There is no such document, or the link has expired. Open it again from the status page.",
                status=404,
            )
        log_access(tx, "read-document", subject=document.matter_id, purpose="document")
    body = unseal_bytes(sealed, context=f"document.pdf:{document_id}")
    name = quote(f"{TITLE[document.kind]}-{document.number}.pdf")
    return Response(
        body,
        content_type="application/pdf",
        headers={
            "Content-Disposition": f"inline; filename=\"{document.kind.value}.pdf\"; filename*=UTF-8''{name}",
            "Cache-Control": "no-store",
        },
    )


def _may_read(tx: Transaction, document: Document) -> bool:
    ticket = request.args.get("ticket")
    if ticket:
        try:
            auth.verify_ticket(ticket, file=document.id, at=now())
        except auth.InvalidToken:
            return False
        return True
    matter = matters.get(tx, document.matter_id)
    who = principal()
    return who.has(*READERS) and matter is not None and within(matter.region_code, who.territory)
