"""Every setting says what it means."""

from __future__ import annotations

import dataclasses

import pytest

from heliograph.config.fields import describe
from heliograph.config.loading import SECTIONS
from heliograph.config.settings import AccountSettings, NumberSettings, RouteSettings


@pytest.mark.parametrize("cls", [*SECTIONS.values(), RouteSettings, NumberSettings, AccountSettings])
def test_every_setting_has_one_line_of_help(cls: type) -> None:
    assert dataclasses.is_dataclass(cls)
    for info in describe(cls):
        if (cls, info.name) != (AccountSettings, "name"):
            assert info.help.endswith(".")
            assert "\n" not in info.help
