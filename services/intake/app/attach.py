"""Files: taken in after a real look at their content, kept encrypted, given to a matter, fetched by ticket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

from lianban.chassis.errors import Rejected
from lianban.chassis.offload import offload
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal, seal_bytes, unseal, unseal_bytes
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from services.intake.app import metrics
from services.intake.app.inspection import inspect
from services.intake.domain.attachment import LARGEST, WAITING, safe_name
from services.intake.domain.petition import Fault, Faulty
from services.intake.store import uploads

SWEEP = 200


@dataclass(frozen=True, slots=True)
class Received:
    """An upload that was taken in."""

    id: UUID
    name: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Content:
    """A file with its content."""

    matter: UUID
    name: str
    media_type: str
    data: bytes


def receive(data: bytes, given_name: str, *, uploader: str, at: datetime) -> Received:
    """Take a file in; raises Rejected with what was found where it is no picture, PDF or sound that can be opened."""
    try:
        taken = _receive(data, given_name, uploader=uploader, at=at)
    except Rejected as rejected:
        metrics.uploads.labels(rejected.slug).inc()
        raise
    metrics.uploads.labels("taken").inc()
    return taken


def _receive(data: bytes, given_name: str, *, uploader: str, at: datetime) -> Received:
    if not data:
        raise Rejected("file-empty", "文件是空的，请重新选择。", "The file is empty; choose it again.", field="/file")
    if len(data) > LARGEST:
        raise Rejected(
            "file-too-large",
            "文件超过20 MB，请压缩后再上传。",
            "The file is larger than 20 MB; make it smaller.",
            status=413,
            field="/file",
        )
    with database().transaction() as tx:
        tx.settle()  # a key that was used before is found here, before anything is written to the disk
    upload = uuid4()
    path = path_of(upload, at)
    media_type, digest = offload(_inspect_and_keep, data, path, upload)
    name = safe_name(given_name, media_type)
    new = uploads.NewUpload(
        upload, uploader, seal(name, context=f"upload.name:{upload}"), media_type, len(data), digest, at
    )
    try:
        with database().transaction() as tx:
            uploads.insert(tx, new)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Received(upload, name, media_type, len(data), digest.hex())


def give(
    tx: Transaction, wanted: Sequence[UUID], *, uploader: str, matter: UUID, supplement: UUID | None = None
) -> None:
    """Give waiting uploads to a matter; only who uploaded them can, and only once. Raises Faulty."""
    given = uploads.attach(tx, wanted, uploader=uploader, matter=matter, supplement=supplement)
    faults = [
        Fault(
            f"/attachments/{index}",
            "unknown-attachment",
            "没有这个附件，或者已被使用、已过期，请重新上传",
            "there is no such upload, or it was used or has expired; upload it again",
        )
        for index, upload in enumerate(wanted)
        if upload not in given
    ]
    if faults:
        raise Faulty(faults)


def fetch(upload: UUID) -> Content:
    """A file that belongs to a matter; raises Rejected (404) where there is none."""
    with database().transaction() as tx:
        row = uploads.attached(tx, upload)
    path = path_of(upload, row["uploaded_at"]) if row else None
    if row is None or path is None or not path.is_file():
        raise Rejected("not-found", "没有这个文件。", "There is no such file.", status=404)
    data = offload(_open, path, upload)
    return Content(row["matter_id"], name_of(upload, row["name"]), row["media_type"], data)


def name_of(upload: UUID, sealed: bytes) -> str:
    """The name of an upload."""
    return unseal(sealed, context=f"upload.name:{upload}")


def path_of(upload: UUID, at: datetime) -> Path:
    """Where an upload's file lies: a folder for each day (UTC) on which files came."""
    return _folder(at) / str(upload)


def remove_waiting() -> int:
    """Worker loop: remove uploads that no matter took within a day, and files that a crash left without a row."""
    moment = now()
    with database().transaction() as tx:
        gone = uploads.remove_waiting(tx, moment - WAITING, SWEEP)
    for row in gone:
        path_of(row["id"], row["uploaded_at"]).unlink(missing_ok=True)
    return len(gone) + _remove_orphans(_folder(moment - timedelta(days=2)))


def _remove_orphans(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    files = {UUID(path.name): path for path in folder.iterdir() if len(path.name) == 36}
    removed = 0
    ids = list(files)
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        with database().transaction() as tx:
            known = uploads.known(tx, some)
        for upload in some:
            if upload not in known:
                files[upload].unlink(missing_ok=True)
                removed += 1
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)
    return removed


def _folder(at: datetime) -> Path:
    return settings().files_path / "intake" / f"{at.astimezone(UTC):%Y%m%d}"


def _inspect_and_keep(data: bytes, path: Path, upload: UUID) -> tuple[str, bytes]:
    media_type = inspect(data)
    sealed = seal_bytes(data, context=f"upload:{upload}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    return media_type, hashlib.sha256(data).digest()


def _open(path: Path, upload: UUID) -> bytes:
    return unseal_bytes(path.read_bytes(), context=f"upload:{upload}")
