"""The page of all settings, made from the settings themselves: ``python -m heliograph.config.reference``."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping

from heliograph.config.fields import FieldInfo, describe
from heliograph.config.loading import SECTIONS, KindLike, known_kinds, variable
from heliograph.config.settings import AccountSettings, IssuerSettings, NumberSettings, RouteSettings
from heliograph.config.values import type_words

__all__ = ["page", "table"]

_HEAD = """# Settings

`heliograph serve --config FILE` reads one TOML file. A variable wins over the file. Any value may be `"env:NAME"` (the
value of an environment variable) or `"file:PATH"` (the content of a file, relative to the folder of the configuration),
so that secrets need not stand in the file. In variables, lists are written with commas.
`heliograph config check --config FILE` tells everything that is wrong with a file, with lines and remedies.

SIGHUP reads connectors, routes, numbers, issuers and master keys again; everything else is read at start.
"""

_FOR_PROGRAMMERS = re.compile(r" ?[^.]*:[a-z]+:`[^`]*`[^.]*\.")
"""A sentence of a docstring that refers to code."""


def page(kinds: Mapping[str, KindLike]) -> str:
    """The whole page as Markdown, with the connectors of ``kinds``."""
    return "\n".join(_lines(kinds)) + "\n"


def _lines(kinds: Mapping[str, KindLike]) -> Iterator[str]:
    yield _HEAD
    for name, cls in SECTIONS.items():
        yield from _section(f"[{name}]", cls, variables_of=name)
    for name, kind in kinds.items():
        yield from _section(f'[[connectors]] with kind = "{name}"', kind.settings)
    yield from _section("[[routes]]", RouteSettings)
    yield from _section("[[numbers]]", NumberSettings)
    yield from _section("[[issuers]]", IssuerSettings)
    yield from _section("[accounts.NAME]", AccountSettings, without=("name",))


def _section(title: str, cls: type, *, variables_of: str = "", without: tuple[str, ...] = ()) -> Iterator[str]:
    yield f"## `{title}`\n"
    yield _FOR_PROGRAMMERS.sub("", (cls.__doc__ or "").split("\n")[0]) + "\n"
    yield from table(cls, variables_of=variables_of, without=without)


def table(cls: type, *, variables_of: str = "", without: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a table of settings, with an empty one behind it."""
    extra = " variable |" if variables_of else ""
    yield f"| setting | type | default | meaning |{extra}"
    yield f"|---|---|---|---|{'---|' if variables_of else ''}"
    for info in describe(cls):
        if info.name not in without:
            yield _row(info) + (f" `{variable(variables_of, info.name)}` |" if variables_of else "")
    yield ""


def _row(info: FieldInfo) -> str:
    return f"| `{info.name}` | {_type(info)} | {_default(info)} | {info.doc} |"


def _type(info: FieldInfo) -> str:
    if info.choices:
        return "one of " + ", ".join(f"`{choice}`" for choice in info.choices)
    words = type_words(info.type)
    if info.max is not None:
        return f"{words}, {info.min or 0:,.10g} to {info.max:,.10g}"
    return f"{words}, at least {info.min:,.10g}" if info.min is not None else words


def _default(info: FieldInfo) -> str:
    if info.required:
        return "must be given"
    value = info.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' if isinstance(item, str) else str(item) for item in value) + "]`"
    if isinstance(value, Mapping):
        return "`{}`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page(known_kinds()))
