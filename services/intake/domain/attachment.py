"""Which files may be attached, and what their names become."""

from __future__ import annotations

import unicodedata
from datetime import timedelta
from pathlib import PurePosixPath

LARGEST = 20 * 1024 * 1024
"""Bytes of one file."""
LARGEST_PICTURE = 120_000_000
"""Pixels of one picture; more than any telephone takes, less than a decompression bomb."""
PAGES = 1_000
"""Pages of one PDF."""
WAITING = timedelta(hours=24)
"""How long an upload waits for its matter."""

EXTENSIONS = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
}
"""The media types that may be attached, with the ending that their names get."""

_RESERVED = frozenset('<>:"/\\|?*')
_LONGEST = 120


def safe_name(given: str, media_type: str) -> str:
    """The file's name without folders and characters that harm, with the ending of what it really is."""
    last = PurePosixPath(unicodedata.normalize("NFC", given).replace("\\", "/")).name
    kept = "".join(
        c for c in last if c not in _RESERVED and unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    )
    ending = EXTENSIONS[media_type]
    stem, dot, found = kept.strip(" .").rpartition(".")
    if not dot or len(found) > 5:
        stem = kept.strip(" .")
    elif f".{found.lower()}" == ending or (ending == ".jpg" and found.lower() in ("jpeg", "jpe")):
        ending = f".{found}"
    return f"{stem.strip(' .')[:_LONGEST] or 'file'}{ending}"
