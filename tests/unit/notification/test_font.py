"""The press's own font: it looks and measures like the one it is made from, and nothing is lost with it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pypdf
import pytest
import structlog
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops

from services.notification import font, make_font, worker

pytestmark = pytest.mark.skipif(
    not font.sources(), reason="Noto Serif CJK, of which the font is made, is not installed"
)

SUBJECT = "关于阿依古丽·买买提——“路灯”（AVTo fi 2026）的投诉"
RARE = "李喆堃𠮷"
CONTENT = {
    "kind": "acceptance_notice", "title": "受理告知书", "number": "联办受告〔2026〕1号", "issuer": "锦川市信访局",
    "names": ["锦川市信访局"], "addressee": RARE, "subject": SUBJECT, "matter_number": "XF202600000001",
    "region": "锦川区", "received_on": "2026年11月23日", "happened_on": "2026年11月24日", "issued_on": "2026年11月28日",
    "lead": "锦川区城市管理局", "co_handlers": [], "handle_until": "2027年1月23日", "provisional": False,
    "claims": [{"ordinal": number, "text": f"第{number}项：{SUBJECT}，请依法核查。"} for number in range(1, 21)],
}  # fmt: skip


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The font, made of the characters of these tests only, which takes a second."""
    folder = tmp_path_factory.mktemp("fonts")
    characters = set(worker.TEMPLATE.read_text() + str(CONTENT) + "0123456789") & make_font.common_characters()
    for weight, source in font.sources().items():
        make_font.make(source, folder / f"{weight}.ttf", weight, characters)
    return folder


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], worker.Press]:
    def with_font(folder: Path | None) -> worker.Press:
        monkeypatch.setattr(font, "made", lambda: folder)
        return worker.Press()

    return with_font


def fonts_in(pdf: bytes) -> set[str]:
    """The names of the fonts that a PDF brings along."""
    found: set[str] = set()
    for page in pypdf.PdfReader(io.BytesIO(pdf)).pages:
        resources: Any = page["/Resources"]
        found |= {str(each.get_object()["/BaseFont"]).split("+")[1] for each in resources["/Font"].values()}
    return found


def words(pdf: bytes) -> str:
    return "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_a_document_is_printed_in_the_own_font_and_a_character_that_it_lacks_in_the_installed_one(
    own: Path, press: Callable[[Path | None], worker.Press]
) -> None:
    pdf = press(own).print(CONTENT)
    assert {name.removesuffix("-Identity-H") for name in fonts_in(pdf)} == {
        "LianbanSong-Regular", "LianbanSong-Bold", "NotoSerifCJKsc-Regular",
    }  # fmt: skip
    assert f"{RARE}：" in words(pdf)


def test_without_the_own_font_the_press_prints_the_same_words_with_the_installed_one_and_says_so(
    own: Path, press: Callable[[Path | None], worker.Press]
) -> None:
    with structlog.testing.capture_logs() as said:
        pdf = press(None).print(CONTENT)
    assert [(line["log_level"], line["event"]) for line in said] == [("warning", "press.own_font_missing")]
    assert not any("Lianban" in name for name in fonts_in(pdf))
    assert words(pdf) == words(press(own).print(CONTENT))


@pytest.mark.parametrize("weight", font.WEIGHTS)
def test_lines_and_characters_measure_what_they_do_in_the_installed_font(own: Path, weight: str) -> None:
    source = font.sources()[weight]
    simplified = make_font._number_of("Noto Serif CJK SC", source)
    made, installed = TTFont(own / f"{weight}.ttf"), TTFont(source, fontNumber=simplified, lazy=True)
    for table, names in {
        "head": ("unitsPerEm",),
        "hhea": ("ascent", "descent", "lineGap"),
        "OS/2": ("sTypoAscender", "sTypoDescender", "sTypoLineGap", "usWinAscent", "usWinDescent", "sCapHeight",
                 "sxHeight", "usWeightClass", "fsSelection", "fsType"),
    }.items():  # fmt: skip
        for name in names:
            assert getattr(made[table], name) == getattr(installed[table], name), name
    theirs = installed.getBestCmap()
    glyphs = made.getBestCmap()
    assert len(glyphs) > 200
    for code, glyph in glyphs.items():
        assert made["hmtx"][glyph][0] == installed["hmtx"][theirs[code]][0], chr(code)


def test_pages_look_the_same_line_by_line(own: Path, press: Callable[[Path | None], worker.Press]) -> None:
    """Edges may differ by a shade; a line that moved, or a dash of another length, would be black on white."""
    before, after = (pictures(press(folder)) for folder in (None, own))
    assert len(before) == len(after) == 3
    for one, other in zip(before, after, strict=True):
        counts = ImageChops.difference(one, other).histogram()
        assert sum(counts[128:]) == 0
        assert sum(counts[64:]) < 500


def pictures(press: worker.Press) -> list[Image.Image]:
    """The pages of the document as grey pictures."""
    camera: Any = Camera(press._compiler)
    press._compiler = camera
    press.print(CONTENT)
    return [Image.open(io.BytesIO(page)).convert("L") for page in camera.pages]


@dataclass
class Camera:
    """In the compiler's place it makes pictures of what is to be printed."""

    compiler: Any
    pages: list[bytes] = field(default_factory=list)

    def compile(self, call: bytes, **_: Any) -> bytes:
        self.pages = self.compiler.compile(call, format="png", ppi=96)
        return b""


def test_the_usual_characters_are_those_of_gb_2312_with_the_dash_and_the_dot_as_they_are_typed() -> None:
    characters = make_font.common_characters()
    assert sum("\u4e00" <= character <= "\u9fff" for character in characters) == 6763
    assert set("—·“”‘’…〔〕《》，。；：？！（）、％￥№ Aa09~") <= characters
    assert not {"喆", "―", "・", ""} & characters


def test_the_folder_tells_version_and_recipe_and_the_font_counts_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(font, "MADE", tmp_path)
    monkeypatch.setattr(font, "RECIPE", tmp_path / "recipe")
    (tmp_path / "recipe").write_text("cubic to quadratic")
    source = font.sources()["Regular"]
    folder = font.folder(source)
    assert folder == tmp_path / f"song-{TTFont(source, fontNumber=0)['head'].fontRevision:.3f}-df723112"
    assert font.made() is None

    def broken(*_: Any) -> None:
        assert font.made() is None
        raise OSError("no space left")

    monkeypatch.setattr(make_font, "make", broken)
    with pytest.raises(OSError, match="no space left"):
        make_font.main()
    assert font.made() is None
    monkeypatch.setattr(make_font, "make", lambda source, target, *_: target.write_text(source.name))
    make_font.main()
    assert font.made() == folder
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "Regular.ttf": "NotoSerifCJK-Regular.ttc", "Bold.ttf": "NotoSerifCJK-Bold.ttc",
    }  # fmt: skip
    monkeypatch.setattr(make_font, "make", broken)
    make_font.main()  # finds it there


def test_where_the_installed_font_is_another_one_nothing_is_made_and_set_up_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(font, "MADE", tmp_path / "made")
    monkeypatch.setattr(font, "INSTALLED", (str(tmp_path),))
    make_font.main()
    assert "not installed" in capsys.readouterr().out
    assert font.made() is None
    assert not (tmp_path / "made").exists()
