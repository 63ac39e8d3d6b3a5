"""Makes the press's own font from the installed Noto Serif CJK: ``python -m services.notification.make_font``.

Typst embeds in each PDF the characters that it needs. That is half of the work on a document where the font has
PostScript outlines, as the installed one has; from a font with TrueType outlines they are little more than copied. This
makes one of the characters that documents are mostly written with. Shapes, widths, kerning and line metrics stay what
they are.

The licence (SIL Open Font License 1.1) allows the conversion, and embedding in documents. The font has a name of its
own, keeps the notices of the original, and is made where it is used: it is no part of what Lianban hands out.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont, newTable

from services.notification import font

SIMPLIFIED = "Noto Serif CJK SC"
FEATURES = ["calt", "ccmp", "kern", "liga", "locl", "mark"]
"""Those of the font's features that are on in horizontal text without being asked for."""
SCRIPTS = [
    "DFLT.dflt",
    *(f"{script}.{language}" for script in ("cyrl", "grek", "hani", "kana", "latn") for language in ("dflt", "ZHS")),
]
"""Whose rules are kept: the template's language is simplified Chinese."""
TOLERANCE = 1.0
"""How far a quadratic curve may lie from the cubic one it stands for: a thousandth of the character's height."""
UNUSED_TABLES = ["BASE", "VORG", "vhea", "vmtx"]
"""Vertical text."""
FAMILY, STYLE, UNIQUE, FULL, VERSION, POSTSCRIPT = 1, 2, 3, 4, 5, 6
COPYRIGHT, TRADEMARK, LICENCE, LICENCE_URL = 0, 7, 13, 14
"""Kinds of entries in a font's table of names."""


def common_characters() -> set[str]:
    """GB 2312 (6,763 Chinese characters, full-width punctuation and others) and ASCII.

    GBK has the same characters in the same places, but names the dash and the middle dot of foreign names as they are
    typed.
    """
    rows, cells = range(0xA1, 0xF8), range(0xA1, 0xFF)
    characters = "".join(bytes((row, cell)).decode("gbk", "ignore") for row in rows for cell in cells)
    return set(characters) | {chr(code) for code in range(0x20, 0x7F)}


def make(source: Path, target: Path, weight: str, characters: Iterable[str]) -> None:
    """Write one weight of the font: of the collection's font for simplified Chinese, the given characters."""
    number = _number_of(SIMPLIFIED, source)
    full = TTFont(source, fontNumber=number, lazy=True)
    made = TTFont(source, fontNumber=number, lazy=True, recalcTimestamp=False)
    made.getGlyphOrder()  # stands in the outlines' table
    del made["CFF "]  # without it the choice of characters is a matter of a second
    _choose(made, characters)
    _draw(made, full)
    _name(made, weight)
    made.save(target)


def _number_of(family: str, collection: Path) -> int:
    with TTCollection(str(collection), lazy=True) as fonts:
        families = [each["name"].getDebugName(FAMILY) for each in fonts]
    return families.index(family)


def _choose(made: TTFont, characters: Iterable[str]) -> None:
    options = subset.Options(
        layout_features=FEATURES,
        layout_scripts=SCRIPTS,
        name_IDs=[COPYRIGHT, TRADEMARK, LICENCE, LICENCE_URL],
        glyph_names=False,
    )
    options.drop_tables += UNUSED_TABLES
    subsetter = subset.Subsetter(options)
    subsetter.populate(text="".join(characters))
    subsetter.subset(made)


def _draw(made: TTFont, full: TTFont) -> None:
    """Give the font the outlines of its glyphs as quadratic curves, and the tables that go with them."""
    outlines, glyphs = full.getGlyphSet(), {}
    for name in made.getGlyphOrder():
        pen = TTGlyphPen(None)
        outlines[name].draw(Cu2QuPen(pen, TOLERANCE, reverse_direction=True))
        glyphs[name] = pen.glyph()
    made["loca"] = newTable("loca")
    made["glyf"] = newTable("glyf")
    made["glyf"].glyphOrder, made["glyf"].glyphs = made.getGlyphOrder(), glyphs
    for name, glyph in glyphs.items():
        glyph.recalcBounds(made["glyf"])
        # Where this is not the outline's left edge, programs that show a PDF move the outline there.
        made["hmtx"][name] = (made["hmtx"][name][0], glyph.xMin)
    # Largest counts: those of outlines are computed when the font is saved, those of hinting are nought.
    numbers = made["maxp"]
    numbers.tableVersion, numbers.maxZones = 0x00010000, 1
    for field in (
        "maxTwilightPoints", "maxStorage", "maxFunctionDefs", "maxInstructionDefs", "maxStackElements",
        "maxSizeOfInstructions", "maxComponentElements",
    ):  # fmt: skip
        setattr(numbers, field, 0)
    made.sfntVersion = "\0\1\0\0"


def _name(made: TTFont, weight: str) -> None:
    revision = f"Version {made['head'].fontRevision:.3f}, recipe {font.recipe()}"
    own = {
        FAMILY: font.FAMILY,
        STYLE: weight,
        UNIQUE: f"{font.FAMILY} {weight} {revision}",
        FULL: f"{font.FAMILY} {weight}",
        VERSION: revision,
        POSTSCRIPT: f"{font.FAMILY.replace(' ', '')}-{weight}",
    }
    for kind, text in own.items():
        made["name"].setName(text, kind, 3, 1, 0x409)  # Windows, Unicode, English


def main() -> None:
    """Make the font unless it is there. It appears as a whole; older ones stay, a press may be printing with them."""
    sources = font.sources()
    if not sources:
        print("Noto Serif CJK is not installed: documents are printed with the Chinese font that there is")
        return
    folder = font.folder(sources["Regular"])
    if folder.is_dir():
        return
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for weight, source in sources.items():
        make(source, unfinished / f"{weight}.ttf", weight, common_characters())
    unfinished.rename(folder)


if __name__ == "__main__":
    main()
