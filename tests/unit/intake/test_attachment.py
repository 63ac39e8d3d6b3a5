"""Files are judged by their content; their names are made harmless."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import pytest
from PIL import Image
from pypdf import PdfWriter

from lianban.chassis.errors import Rejected
from services.intake.app.inspection import inspect
from services.intake.domain.attachment import safe_name


def picture(kind: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (90, 20, 20)).save(out, kind, **options)
    return out.getvalue()


def pdf(pages: int = 1, password: str = "") -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    if password:
        writer.encrypt(password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return out.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of some hundred bytes that claims to be enormous."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


MP3 = b"\xff\xfb\x90\x64" + bytes(413)
ID3 = b"ID3\x03\x00\x00\x00\x00\x00\x0a" + bytes(10) + MP3
M4A = b"\x00\x00\x00\x20ftypM4A \x00\x00\x00\x00M4A mp42isom" + bytes(64)


def show(value: object) -> str | None:
    return "" if isinstance(value, bytes) else None


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (picture("JPEG"), "image/jpeg"),
        (picture("JPEG", progressive=True), "image/jpeg"),
        (picture("PNG"), "image/png"),
        (picture("GIF"), "image/gif"),
        (picture("WEBP"), "image/webp"),
        (pdf(), "application/pdf"),
        (sound(), "audio/wav"),
        (MP3, "audio/mpeg"),
        (ID3, "audio/mpeg"),
        (M4A, "audio/mp4"),
    ],
    ids=show,
)
def test_what_may_be_attached_is_recognised(data: bytes, media_type: str) -> None:
    assert inspect(data) == media_type


@pytest.mark.parametrize(
    ("data", "slug", "says"),
    [
        (b"MZ\x90\x00" + bytes(400), "file-type-not-allowed", "Windows"),
        (b"\x7fELF\x02\x01\x01" + bytes(400), "file-type-not-allowed", "Linux"),
        (b"#!/bin/sh\nrm -rf /\n", "file-type-not-allowed", "脚本"),
        (b"PK\x03\x04" + bytes(400), "file-type-not-allowed", "压缩包"),
        (b"<!doctype html><script>alert(1)</script>", "file-type-not-allowed", "网页"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "file-type-not-allowed", "SVG"),
        ("河水发黑".encode(), "file-type-not-allowed", "纯文本"),
        (bytes(range(128, 256)) * 40, "file-type-not-allowed", "无法识别"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x00\x00isommp41" + bytes(64), "file-type-not-allowed", "video/mp4"),
        (picture("BMP"), "file-type-not-allowed", "image/"),
        (picture("JPEG", (400, 300))[:-400], "picture-broken", "损坏"),
        (picture("PNG")[:60], "picture-broken", "损坏"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "picture-broken", "损坏"),
        (bomb(), "picture-too-large", "尺寸过大"),
        (bomb(12_000, 12_000), "picture-too-large", "12000×12000"),
        (b"%PDF-1.7\nnothing of the kind", "pdf-broken", "损坏"),
        (pdf()[:200], "pdf-broken", "损坏"),
        (pdf(password="x"), "pdf-encrypted", "密码"),
        (pdf(pages=1001), "pdf-too-long", "1000页"),
    ],
    ids=show,
)
def test_what_may_not_be_attached_is_refused_with_what_was_found(data: bytes, slug: str, says: str) -> None:
    with pytest.raises(Rejected) as caught:
        inspect(data)
    assert (caught.value.slug, caught.value.status) == (slug, 422)
    assert says in caught.value.zh


@pytest.mark.parametrize(
    ("given", "media_type", "name"),
    [
        ("河.jpg", "image/jpeg", "河.jpg"),
        ("IMG_1.JPEG", "image/jpeg", "IMG_1.JPEG"),
        ("../../etc/passwd", "image/png", "passwd.png"),
        ("C:\\fakepath\\照片.png", "image/png", "照片.png"),
        ("rechnung.pdf.exe", "application/pdf", "rechnung.pdf.pdf"),
        ("gnp\u202egpj.exe", "image/jpeg", "gnpgpj.jpg"),
        ('a"b<c>.pdf', "application/pdf", "abc.pdf"),
        ("", "audio/mpeg", "file.mp3"),
        ("...", "audio/wav", "file.wav"),
        ("x" * 300 + ".pdf", "application/pdf", "x" * 120 + ".pdf"),
        ("第3.5节的说明材料", "application/pdf", "第3.5节的说明材料.pdf"),
    ],
)
def test_names_become_harmless_and_end_as_what_the_file_is(given: str, media_type: str, name: str) -> None:
    assert safe_name(given, media_type) == name
