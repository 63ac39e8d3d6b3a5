"""The press's own font: which it is, and where it lies (docs/adr/0016-the-press-has-its-own-font.md).

Set-up makes it from the installed Noto Serif CJK (``make_font.py``). Where it is missing, the template takes the
installed font, and documents look the same.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

FAMILY = "Lianban Song"
"""The name by which the template asks for it."""
RECIPE = Path(__file__).with_name("make_font.py")
WEIGHTS = ("Regular", "Bold")

INSTALLED = ("/usr/share/fonts/opentype/noto", "/usr/share/fonts/truetype/wqy", "/usr/share/fonts/noto-cjk")
"""Where distributions put Chinese fonts."""
MADE = Path(__file__).resolve().parents[2] / "build" / "fonts"


def sources() -> dict[str, Path]:
    """The installed font's collection for each weight; empty where they are not all there."""
    for folder in INSTALLED:
        found = {weight: Path(folder, f"NotoSerifCJK-{weight}.ttc") for weight in WEIGHTS}
        if all(path.exists() for path in found.values()):
            return found
    return {}


def folder(regular: Path) -> Path:
    """Where the font lies that is made from this version of the installed one, by this recipe."""
    return MADE / f"song-{version(regular)}-{recipe()}"


def made() -> Path | None:
    """The folder with the press's own font, if set-up has made it from what is installed now."""
    found = sources()
    if not found:
        return None
    chosen = folder(found["Regular"])
    return chosen if chosen.is_dir() else None


def recipe() -> str:
    """What stands for the recipe in names: another one makes another font."""
    return hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:8]


def version(collection: Path) -> str:
    """The version of an OpenType collection: ``fontRevision`` in the table ``head`` of its first font.

    Read by hand, so that the press need not load a library for it.
    """
    with collection.open("rb") as file:
        file.seek(12)
        (font,) = struct.unpack(">I", file.read(4))
        file.seek(font + 4)
        (tables,) = struct.unpack(">H6x", file.read(8))
        directory = dict(struct.unpack(">4s4xI4x", file.read(16)) for _ in range(tables))
        file.seek(directory[b"head"] + 4)
        (revision,) = struct.unpack(">i", file.read(4))
    return f"{revision / 65536:.3f}"
