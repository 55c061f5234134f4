#!/usr/bin/env python
"""Catalogues of the hosted pages: takes every text out of templates, words.py, times.py and purposes.py into locale/<language>.po, keeps what is translated.

tools/messages.py            bring all catalogues up to date
tools/messages.py --add it   begin a new language
tools/messages.py --check    exit code 1 if a catalogue lacks a text
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

PORTAL = Path(__file__).parents[1] / "services" / "gateway" / "src" / "gateway" / "portal"
LOCALE = PORTAL / "locale"
TRIM = {"trim_blocks": "true", "lstrip_blocks": "true"}  # as in portal/render.py


def texts() -> Catalog:
    found = Catalog(project="Latchkey", charset="utf-8")
    for path, line, text, _, context in extract_from_dir(
        str(PORTAL / "templates"), [("**.html", "jinja2")], options_map={"**.html": TRIM}
    ):
        found.add(text, locations=[(f"templates/{path}", line)], context=context)
    for path, line, text, _, context in extract_from_dir(
        str(PORTAL), [("words.py", "python"), ("times.py", "python"), ("purposes.py", "python")], keywords={"N_": None}
    ):
        found.add(text, locations=[(path, line)], context=context)
    return found


def updated(language: str) -> Catalog:
    path = LOCALE / f"{language}.po"
    if path.exists():
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    else:
        catalogue = Catalog(locale=language, project="Latchkey", charset="utf-8")
    catalogue.update(texts(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.fuzzy = False
    return catalogue


def missing(catalogue: Catalog) -> list[str]:
    """Texts without a translation, or without one of their plural forms."""
    found = []
    for message in catalogue:
        forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
        if message.id and (not all(forms) or (message.pluralizable and len(forms) != catalogue.num_plurals)):
            found.append(str(message.id))
    return found


def rendered(catalogue: Catalog) -> bytes:
    """With a header that says what a reader of the file needs and no date, so that nothing changes but texts."""
    header = (
        f"Language: {catalogue.locale_identifier}",
        f"Plural-Forms: {catalogue.plural_forms}",
        "Content-Type: text/plain; charset=utf-8",
    )
    body = BytesIO()
    write_po(body, catalogue, width=120, include_lineno=False, omit_header=True)
    lines = ['msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in header), "", ""]
    return "\n".join(lines).encode() + body.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--add", metavar="LANGUAGE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    languages = sorted({path.stem for path in LOCALE.glob("*.po")} | ({options.add} if options.add else set()))
    lacking = 0
    for language in languages:
        catalogue = updated(language)
        for text in missing(catalogue):
            lacking += 1
            print(f"{language}: {text}")
        if not options.check:
            LOCALE.mkdir(exist_ok=True)
            (LOCALE / f"{language}.po").write_bytes(rendered(catalogue))
    return 1 if options.check and lacking else 0


if __name__ == "__main__":
    sys.exit(main())
