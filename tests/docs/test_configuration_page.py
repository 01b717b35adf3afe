"""What the page about the configuration in the store promises in numbers."""

from __future__ import annotations

from heliograph.access.configuring import MOST
from tests.docs.pages import text

PAGE = "docs/howto/configuration-in-the-store.md"


def test_the_page_says_how_many_there_may_be() -> None:
    for kind, most in MOST.items():
        assert f"{most:,} {kind}s" in text(PAGE)
