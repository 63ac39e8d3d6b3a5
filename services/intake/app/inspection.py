"""A real look at a file's content: what it is, and whether it can be opened. Its name says nothing."""

from __future__ import annotations

import io
import logging
import warnings
from typing import Any, cast

import filetype
from PIL import Image, UnidentifiedImageError
from pypdf import PdfReader

from lianban.chassis.errors import Rejected
from services.intake.domain.attachment import EXTENSIONS, LARGEST_PICTURE, PAGES

LARGEST_PROGRESSIVE = 24_000_000
"""Pixels up to which a progressive JPEG is decoded for the check (some 70 MB)."""

logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the file

_PICTURES = ("JPEG", "PNG", "GIF", "WEBP")
_KINDS = (
    (b"MZ", "可执行程序（Windows）", "a Windows program"),
    (b"\x7fELF", "可执行程序（Linux）", "a Linux program"),
    (b"\xca\xfe\xba\xbe", "可执行程序", "a program"),
    (b"\xcf\xfa\xed\xfe", "可执行程序（macOS）", "a macOS program"),
    (b"#!", "脚本程序", "a script"),
    (b"PK\x03\x04", "压缩包或者Office文档", "an archive or an Office document"),
    (b"Rar!", "压缩包", "an archive"),
    (b"7z\xbc\xaf\x27\x1c", "压缩包", "an archive"),
    (b"\xd0\xcf\x11\xe0", "旧版Office文档", "an old Office document"),
    (b"<!DOCTYPE", "网页", "a web page"),
    (b"<html", "网页", "a web page"),
    (b"<svg", "矢量图（SVG）", "an SVG drawing"),
    (b"<?xml", "XML文件", "an XML file"),
)


def inspect(data: bytes) -> str:
    """The media type of a file that may be attached; raises Rejected with what was found otherwise."""
    media_type = _signature(data)
    if media_type is None:
        zh, en = _found(data)
        raise Rejected(
            "file-type-not-allowed",
            "这个文件的内容是{found_zh}，不是照片（JPEG、PNG、GIF、WebP）、PDF或者录音（MP3、M4A、WAV）。",
            "This file's content is {found_en}, not a picture (JPEG, PNG, GIF, WebP), PDF or sound (MP3, M4A, WAV).",
            field="/file",
            found_zh=zh,
            found_en=en,
        )
    if media_type.startswith("image/"):
        _open_picture(data)
    elif media_type == "application/pdf":
        _open_pdf(data)
    return media_type


def _signature(data: bytes) -> str | None:
    """What the first bytes promise, where it may be attached."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "audio/wav"
    if data[4:8] == b"ftyp" and data[8:12] in (b"M4A ", b"M4B "):
        return "audio/mp4"
    if _is_mp3(data):
        return "audio/mpeg"
    kind = filetype.guess(data[:8192])
    found = kind.mime if kind is not None else None
    if found in EXTENSIONS and not found.startswith("audio/"):
        return str(found)
    return None


def _is_mp3(data: bytes) -> bool:
    """MPEG layer III frames, perhaps after an ID3 tag (whose length is in four bytes of seven bits)."""
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        start = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9])
    head = data[start : start + 4096].lstrip(b"\x00")
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer, rate, frequency = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer == 1 and rate not in (0, 15) and frequency != 3


def _found(data: bytes) -> tuple[str, str]:
    head = data[:512].lstrip()
    for start, zh, en in _KINDS:
        if data.startswith(start) or head[: len(start)].lower() == start.lower():
            return zh, en
    kind = filetype.guess(data[:8192])
    if kind is not None:
        return f"“{kind.mime}”", f'"{kind.mime}"'
    try:
        data[:4096].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < min(len(data), 4096) - 4:
            return "无法识别的数据", "unknown data"
    return "纯文本", "plain text"


def _open_picture(data: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_PICTURES) as picture:
                width, height = picture.size
                if width * height > LARGEST_PICTURE:
                    raise Rejected(
                        "picture-too-large",
                        "图片尺寸过大（{width}×{height}像素），请缩小后再上传。",
                        "The picture is too large ({width}×{height} pixels); make it smaller.",
                        field="/file",
                        width=width,
                        height=height,
                    )
                if picture.format in ("JPEG", "MPO") and _cheap_to_decode(picture):
                    # A JPEG has no checksum: decode it at an eighth of its size, which finds a cut-off file.
                    picture.draft("RGB", (max(1, width // 8), max(1, height // 8)))
                    picture.load()
                else:
                    picture.verify()
    except Rejected:
        raise
    except Image.DecompressionBombError:
        raise Rejected(
            "picture-too-large",
            "图片尺寸过大，请缩小后再上传。",
            "The picture is too large; make it smaller.",
            field="/file",
        ) from None
    except (
        UnidentifiedImageError,
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        TypeError,
        ArithmeticError,
        MemoryError,
        AttributeError,
        KeyError,
        OverflowError,
    ):
        # Pillow raises nearly anything for damaged files.
        raise Rejected(
            "picture-broken",
            "图片已损坏，无法打开，请重新选择。",
            "The picture is damaged and cannot be opened.",
            field="/file",
        ) from None


def _cheap_to_decode(picture: Image.Image) -> bool:
    """A progressive JPEG is held in memory whole while it is decoded, however small the result."""
    return "progressive" not in picture.info or picture.width * picture.height <= LARGEST_PROGRESSIVE


def _open_pdf(data: bytes) -> None:
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted:
            raise Rejected(
                "pdf-encrypted",
                "PDF设有密码，承办单位无法打开，请去掉密码后再上传。",
                "The PDF is protected by a password; remove it first.",
                field="/file",
            )
        claimed = cast("Any", reader.root_object["/Pages"]).get("/Count", 0)
        pages = PAGES + 1 if claimed > PAGES else len(reader.pages)
        if pages > PAGES:
            raise Rejected(
                "pdf-too-long", "PDF超过{most}页。", "The PDF has more than {most} pages.", field="/file", most=PAGES
            )
        if pages == 0:
            raise ValueError("no pages")
        _ = reader.pages[0].mediabox, reader.pages[pages - 1].mediabox
    except Rejected:
        raise
    except Exception:  # noqa: BLE001 - pypdf raises nearly anything for damaged files, and each means: cannot be opened
        raise Rejected(
            "pdf-broken",
            "PDF文件已损坏，无法打开，请重新选择。",
            "The PDF is damaged and cannot be opened.",
            field="/file",
        ) from None
