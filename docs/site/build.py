"""The site of these pages: ``make docs``. The pages are plain Markdown and readable without it; the site adds the
navigation, which is the map in ``index.md``, and a search that works offline. A warning is an error.

    python docs/site/build.py FOLDER
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from tempfile import TemporaryDirectory

from sphinx.cmd.build import main as sphinx

ROOT = Path(__file__).resolve().parents[2]

BESIDE = {
    "README.md": "readme.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
}
"""Files of the project that are pages, too; the rest of the pages is in this folder."""

_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_SECTION = re.compile(r"^\*\*(.+)\*\*$")
_TARGET = re.compile(r"\]\(([^)#\s]+\.md)")


def places() -> dict[str, str]:
    """Path in the project → path in the site, of every page."""
    docs = ROOT / "docs"
    own = {page.relative_to(ROOT).as_posix(): page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    return own | BESIDE


def moved(text: str, page: str, known: dict[str, str]) -> str:
    """The text of a page with its links as the site has them. Raises ``ValueError`` for one that leads nowhere."""

    def link(found: re.Match[str]) -> str:
        target = found[2]
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        meant = normpath(str(PurePosixPath(page).parent / target))
        if meant in known:
            new = relpath(known[meant], str(PurePosixPath(known[page]).parent) or ".")
            return f"{found[1]}{new}{found[3] or ''}{found[4]}"
        if (ROOT / meant).is_file() and meant.startswith("docs/operate/"):  # given to load, at the same place
            return found[0]
        raise ValueError(f"{page} leads to {target}, which is not there")

    return _LINK.sub(link, text)


def navigation(index: str) -> list[tuple[str, list[str]]]:
    """Heading → pages, as the map has them."""
    sections: list[tuple[str, list[str]]] = []
    for line in index.splitlines():
        if heading := _SECTION.match(line):
            sections.append((heading[1], []))
        elif sections:
            sections[-1][1].extend(target.removesuffix(".md") for target in _TARGET.findall(line))
    return sections


def stage(folder: Path) -> None:
    """The pages as Sphinx takes them."""
    known = places()
    for page, place in known.items():
        text = moved((ROOT / page).read_text("utf-8"), page, known)
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    shutil.copytree(ROOT / "docs" / "operate", folder / "operate")
    index = folder / "index.md"
    text = index.read_text("utf-8")
    for heading, pages in navigation(text):
        text += f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n" + "\n".join(pages) + "\n```\n"
    index.write_text(text, "utf-8")
    decisions = folder / "explanation" / "design" / "README.md"
    pages = sorted(one.stem for one in decisions.parent.glob("0*.md"))
    listed = "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"
    decisions.write_text(decisions.read_text("utf-8") + listed, "utf-8")
    shutil.copy(Path(__file__).with_name("conf.py"), folder / "conf.py")


def build(folder: Path) -> int:
    """Writes the site into ``folder``; gives the exit code."""
    with TemporaryDirectory() as source:
        stage(Path(source))
        return sphinx(["--fail-on-warning", "--keep-going", "--quiet", "-b", "html", source, str(folder)])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(build(Path(sys.argv[1])))
