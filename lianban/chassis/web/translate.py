"""Keeps the English catalogue: ``python -m lianban.chassis.web.translate extract|compile|check``.

``extract`` gathers every Chinese message of code and templates into the one catalogue, keeping what is translated;
``compile`` makes the binary form that the services read (done at set-up, not committed); ``check`` lists messages
without English and fails when there are any.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[3]
CATALOGUE = Path(__file__).parent / "translations" / "en" / "LC_MESSAGES" / "messages.po"
FOLDERS = ("lianban", "services")
KEYWORDS = {
    "_": None,
    "_l": None,
    "gettext": None,
    "ngettext": (1, 2),
    "lazy_gettext": None,
    "pgettext": ((1, "c"), 2),
}
"""What says a message; ``pgettext`` names its context first, for a Chinese word that English says in several ways."""

HEADER = """\
# English for what code and templates say in Chinese. Written by `python -m lianban.chassis.web.translate extract`;
# fill in msgstr by hand, then `compile`.
msgid ""
msgstr ""
"Language: en\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""


def gather() -> Catalog:
    """All messages that code and templates say."""
    catalog = Catalog(project="lianban", charset="utf-8")
    for folder in FOLDERS:
        found = extract_from_dir(
            str(ROOT / folder),
            method_map=[("**/templates/**.html", "jinja2"), ("**.py", "python")],
            options_map={"**/templates/**.html": {"trimmed": "true", "silent": "false"}},
            keywords=KEYWORDS,
        )
        for filename, _line, message, _comments, context in found:
            catalog.add(message, context=context, locations=[(f"{folder}/{filename}", 0)])
    return catalog


def load() -> Catalog:
    """The catalogue as it is."""
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


def extract() -> None:
    """Bring the catalogue up to date with code and templates; translations are kept, obsolete messages go."""
    catalog = load()
    catalog.update(gather(), no_fuzzy_matching=True, update_header_comment=False)
    catalog.obsolete.clear()
    save(catalog)


def save(catalog: Catalog) -> None:
    """Write the catalogue in a stable order, with a header that changes only by hand."""
    written = io.BytesIO()
    write_po(written, catalog, sort_output=True, include_lineno=False, width=120, omit_header=True)
    CATALOGUE.write_text(HEADER + written.getvalue().decode(), encoding="utf-8")


def compile_catalogue() -> None:
    """Write the binary catalogue beside the readable one."""
    with CATALOGUE.with_suffix(".mo").open("wb") as file:
        write_mo(file, load())


def untranslated() -> list[str]:
    """Messages that code and templates say and that have no English yet."""
    known = load()
    missing = []
    for message in gather():
        if message.id and not _english(known.get(message.id, message.context)):
            missing.append(str(message.id))
    return sorted(missing)


def _english(message: Message | None) -> bool:
    if message is None:
        return False
    return all(message.string) if isinstance(message.string, tuple | list) else bool(message.string)


def main(arguments: list[str]) -> int:
    """Run one of the commands; the exit code."""
    match arguments:
        case ["extract"]:
            extract()
        case ["compile"]:
            compile_catalogue()
        case ["check"]:
            missing = untranslated()
            for text in missing:
                print(text)
            return 1 if missing else 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
