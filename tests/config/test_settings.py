"""Every setting says what it means."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from heliograph.config.fields import describe
from heliograph.config.loading import SECTIONS, known_kinds
from heliograph.config.reference import page
from heliograph.config.settings import AccountSettings, IssuerSettings, NumberSettings, RouteSettings


@pytest.mark.parametrize("cls", [*SECTIONS.values(), RouteSettings, NumberSettings, IssuerSettings, AccountSettings])
def test_every_setting_has_one_line_of_help(cls: type) -> None:
    assert dataclasses.is_dataclass(cls)
    for info in describe(cls):
        if (cls, info.name) != (AccountSettings, "name"):
            assert info.doc.endswith(".")
            assert "\n" not in info.doc


def test_the_page_of_settings_is_complete() -> None:
    path = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"
    made = "python -m heliograph.config.reference > docs/reference/settings.md"
    assert path.read_text(encoding="utf-8") == page(known_kinds()), made


def test_every_setting_of_our_connectors_says_what_it_means() -> None:
    for kind in known_kinds().values():
        assert all(info.doc for info in describe(kind.settings))


def test_the_page_of_settings_speaks_to_operators() -> None:
    made = page(known_kinds())
    assert re.findall(r":[a-z]+:`[^`]*`", made) == []
    assert "\nOne way to one carrier.\n" in made
    assert "`heliograph config check --config FILE`" in made
