"""Uploads: judged by content, kept encrypted, attached by their uploader, fetched by ticket, removed after a day."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

from lianban.chassis import auth
from lianban.chassis.time import at, now
from lianban.contracts.codes import StaffRole
from services.intake.app import attach
from tests.integration.intake.conftest import Intake, a_petition, a_picture


def files(intake: Intake) -> list[str]:
    return sorted(path.name for path in intake.files.rglob("*") if path.is_file())


def test_a_picture_is_taken_in_and_kept_encrypted(intake: Intake) -> None:
    picture = a_picture()
    answer = intake.upload(picture)
    body = answer.get_json()
    assert (answer.status_code, body["media_type"], body["bytes"], body["name"]) == (
        201,
        "image/jpeg",
        len(picture),
        "河.jpg",
    )
    assert len(body["sha256"]) == 64
    (path,) = [path for path in intake.files.rglob("*") if path.is_file()]
    assert path.name == body["id"]
    assert picture[:20] not in path.read_bytes()


def test_what_is_no_picture_is_refused_and_leaves_nothing(intake: Intake) -> None:
    for data, slug in (
        (b"MZ\x90\x00" + bytes(500), "file-type-not-allowed"),
        (b"%PDF-1.4 broken", "pdf-broken"),
        (b"", "file-empty"),
        (a_picture()[:200], "picture-broken"),
    ):
        answer = intake.upload(data, "photo.jpg")
        assert (answer.status_code, answer.get_json()["type"]) == (422, f"/problems/{slug}")
    assert files(intake) == []
    assert intake.upload(a_picture() + bytes(20 << 20)).status_code == 413
    assert intake.upload(bytes(22 << 20)).status_code == 413
    assert intake.client.post("/api/v1/uploads", json={}).status_code == 415
    assert (
        intake.client.post("/api/v1/uploads", data={"other": "x"}, content_type="multipart/form-data").status_code
        == 422
    )


def test_an_upload_is_attached_once_in_the_order_given(intake: Intake) -> None:
    first, second = intake.upload(name="一.jpg").json["id"], intake.upload(name="二.jpg").json["id"]
    done = intake.submit(attachments=[second, first])
    assert intake.said(done["id"])[0].attachments == 2
    texts = intake.client.post(
        "/internal/v1/matters/texts",
        json={"ids": [done["id"]], "purpose": "delivery"},
        headers=intake.service("routing"),
    ).get_json()
    assert [file["name"] for file in texts["items"][0]["attachments"]] == ["二.jpg", "一.jpg"]
    again = intake.client.post("/api/v1/matters", json=a_petition(attachments=[first]))
    assert (again.status_code, again.get_json()["errors"][0]["pointer"]) == (422, "/attachments/0")


def test_nobody_attaches_what_somebody_else_uploaded(intake: Intake) -> None:
    mine = intake.bearer(StaffRole.CHANNEL, kind="channel", subject="a")
    upload = intake.upload(headers=mine).json["id"]
    body = a_petition(attachments=[upload])
    theirs = intake.bearer(StaffRole.CHANNEL, kind="channel", subject="b")
    assert intake.client.post("/api/v1/matters", json=body, headers=theirs).status_code == 422
    assert intake.client.post("/api/v1/matters", json=body).status_code == 422
    assert intake.client.post("/api/v1/matters", json=body, headers=mine).status_code == 201


def test_a_file_is_fetched_with_a_ticket_for_it_and_nothing_else(intake: Intake) -> None:
    picture = a_picture()
    upload = intake.upload(picture).json["id"]
    intake.submit(attachments=[upload])

    def ticket(file: str, **more: int) -> str:
        intake.become("agency_gateway")
        made = auth.issue_ticket(
            UUID(file), owner="intake", holder="agency:city-urban", purpose="delivery", at=now(), **more
        )
        intake.become("intake")
        return made

    answer = intake.client.get(f"/api/v1/files/{upload}?ticket={ticket(upload)}")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, picture, "image/jpeg")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert intake.client.get(f"/api/v1/files/{upload}").status_code == 403
    assert intake.client.get(f"/api/v1/files/{upload}?ticket={ticket(str(uuid4()))}").status_code == 403
    assert intake.client.get(f"/api/v1/files/{upload}?ticket={ticket(upload, seconds=-1)}").status_code == 403
    waiting = intake.upload().json["id"]
    assert intake.client.get(f"/api/v1/files/{waiting}?ticket={ticket(waiting)}").status_code == 404


def test_the_files_of_an_accusation_are_not_handed_out(intake: Intake) -> None:
    upload = intake.upload().json["id"]
    intake.submit(purpose="accusation", attachments=[upload])
    intake.become("agency_gateway")
    ticket = auth.issue_ticket(UUID(upload), owner="intake", holder="agency:city-urban", purpose="delivery", at=now())
    intake.become("intake")
    assert intake.client.get(f"/api/v1/files/{upload}?ticket={ticket}").status_code == 404


def test_what_no_matter_took_within_a_day_is_removed(intake: Intake) -> None:
    kept = intake.upload().json["id"]
    intake.submit(attachments=[kept])
    gone = intake.upload().json["id"]
    assert files(intake) == sorted([kept, gone])
    with at(now() + timedelta(hours=23)):
        assert attach.remove_waiting() == 0
    with at(now() + timedelta(hours=25)):
        assert attach.remove_waiting() == 1
    assert files(intake) == [kept]


def test_what_a_crash_left_without_a_row_is_removed(intake: Intake) -> None:
    kept = intake.upload().json["id"]
    intake.submit(attachments=[kept])
    folder = attach.path_of(uuid4(), now()).parent
    (folder / str(uuid4())).write_bytes(b"x")
    (folder / f"{uuid4()}.part").write_bytes(b"x")
    with at(now() + timedelta(days=2)):
        attach.remove_waiting()
    assert files(intake) == [kept]
