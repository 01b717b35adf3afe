"""The site: it builds without a warning, has every page, and asks nobody for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from heliograph.ingress.rest import apipage
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "docs/site/build.py", str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_in_the_navigation(site: Path) -> None:
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).with_suffix(".html").as_posix() for page in docs.rglob("*.md")}
    assert pages <= {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    led = set(re.findall(r'<a class="reference internal" href="([^"#]+)', (site / "index.html").read_text()))
    assert pages - {"index.html"} <= led | {page for page in pages if page.startswith("explanation/design/0")}


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"((?:https?:)?//[^\"]+)", page.read_text())
        assert loaded == [], page


def test_the_search_knows_the_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert '"howto/python-client"' in index
    assert '"idempot' in index or "idempot:" in index


def test_the_page_of_the_api_is_the_apis() -> None:
    assert (ROOT / "docs/reference/api.md").read_text("utf-8") == apipage.page()
