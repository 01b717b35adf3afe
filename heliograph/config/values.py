"""One value: from what a file or a variable says to the type that a setting has."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from heliograph.config.fields import FieldInfo

__all__ = ["BadValue", "converted", "type_words"]

_MAX_FILE_OCTETS: Final = 65_536
_LONGEST: Final = 1e18
"""A whole number that is larger may be too large to be rounded."""
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")
_QUOTED_EXAMPLE: Final = '"…"'
_TABLES: Final = (dict, Mapping)
_WORDS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


class BadValue(Exception):
    """A value that a setting cannot have: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(what)


def type_words(hint: Any) -> str:
    """A type as a sentence says it: ``a list of texts``."""
    if typing.get_origin(hint) is tuple:
        return f"a list of {_plural(typing.get_args(hint)[0])}"
    if typing.get_origin(hint) in _TABLES:
        return f"a table of {_plural(typing.get_args(hint)[1])}"
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return type_words(next(arm for arm in typing.get_args(hint) if arm is not type(None)))
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(f'"{word}"' for word in typing.get_args(hint))
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _plural(hint: Any) -> str:
    words = type_words(hint)
    return "lists" if words.startswith("a list") else words.split(" ", 1)[1] + "s"


def _pointed(text: str, environ: Mapping[str, str], base: Path) -> str | None:
    """What ``env:NAME`` or ``file:PATH`` points to, or None where the text is a value itself."""
    kind, colon, target = text.partition(":")
    if not colon or kind not in ("env", "file"):
        return None
    if kind == "env":
        if target not in environ:
            raise BadValue(f"the environment variable {target} is not set", f"set {target}, or write the value here")
        return environ[target]
    try:
        path = base / target
        octets = path.open("rb").read(_MAX_FILE_OCTETS + 1)
        if len(octets) > _MAX_FILE_OCTETS:
            raise BadValue(f"the file {path} is too large for a value", f"at most {_MAX_FILE_OCTETS} octets")
        return octets.decode().rstrip("\r\n")
    except OSError as error:
        raise BadValue(
            f"the file {target} cannot be read: {error.strerror}", "correct the path or its rights"
        ) from None
    except UnicodeDecodeError:
        raise BadValue(f"the file {target} is no text in UTF-8", "save it as UTF-8") from None


def _number_from_text(text: str, hint: type) -> Any:
    return hint(text.strip())


def _bool_from_text(text: str, hint: type) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError


_FROM_TEXT: Final[Mapping[Any, Callable[[str, Any], Any]]] = {
    str: lambda text, hint: text,
    int: _number_from_text,
    float: _number_from_text,
    bool: _bool_from_text,
}


def _plain(raw: Any, hint: Any, from_text: bool) -> Any:
    """``raw`` as one of the four plain types. Raises ValueError."""
    if from_text and isinstance(raw, str):
        return _FROM_TEXT[hint](raw, hint)
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if type(raw) is not hint:
        raise ValueError
    return raw


def _as_type(raw: Any, hint: Any, environ: Mapping[str, str], base: Path, from_text: bool) -> Any:
    if isinstance(raw, str) and (pointed := _pointed(raw, environ, base)) is not None:
        raw, from_text = pointed, True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
        return _as_type(raw, hint, environ, base, from_text)
    if origin is typing.Literal:
        if raw not in typing.get_args(hint):
            raise ValueError
        return raw
    if origin is tuple:
        if from_text and isinstance(raw, str):
            raw = [part.strip() for part in raw.split(",")] if raw else []
        if not isinstance(raw, list):
            raise ValueError
        return tuple(_as_type(item, typing.get_args(hint)[0], environ, base, from_text) for item in raw)
    if origin in _TABLES:
        if not isinstance(raw, dict):
            raise ValueError
        return {key: _as_type(item, typing.get_args(hint)[1], environ, base, from_text) for key, item in raw.items()}
    if hint in _FROM_TEXT:
        return _plain(raw, hint, from_text)
    if isinstance(raw, str) and isinstance(hint, type):
        return hint(raw)  # an Enum of words
    raise ValueError


def converted(raw: Any, info: FieldInfo, environ: Mapping[str, str], base: Path, *, from_text: bool) -> Any:
    """``raw`` as the setting ``info`` has it, inside its bounds. Raises :class:`BadValue`.

    ``from_text``: it comes from a variable, so numbers are written as text and lists with commas.
    """
    try:
        value = _as_type(raw, info.type, environ, base, from_text)
    except (ValueError, OverflowError):  # a whole number can be larger than any other
        said = "" if info.secret or isinstance(raw, dict | list) else f", not {raw!r:.60}"
        raise BadValue(f"{info.name} must be {type_words(info.type)}{said}", _example(info)) from None
    if info.choices and value not in info.choices:
        raise BadValue(f"{info.name} cannot be {value!r:.60}", "one of " + ", ".join(info.choices))
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_bounds(info, value)
    return value


def _check_bounds(info: FieldInfo, value: float) -> None:
    low, high = info.min, info.max
    if info.name == "port" and low is None and high is None:
        low, high = 1, 65_535
    # The comparisons are worded so that "not a number" is outside every bound.
    if (low is not None and not value >= low) or (high is not None and not value <= high) or value != value:
        bounds = f"at least {low:g}" if high is None else f"{low or 0:g} to {high:g}"
        said = f"{value:g}" if abs(value) < _LONGEST else f"{value!s:.60}"
        raise BadValue(f"{info.name} cannot be {said}", bounds)


def _example(info: FieldInfo) -> str:
    if typing.get_origin(info.type) is tuple:
        return f"such as {info.name} = " + ("[1, 1]" if int in typing.get_args(info.type) else '["one", "two"]')
    if typing.get_origin(info.type) in _TABLES:
        return f'such as {info.name} = {{ key = "value" }}'
    examples: Mapping[Any, str] = {int: "10", float: "1.5", bool: "true"}
    return f"such as {info.name} = {examples.get(info.type, _QUOTED_EXAMPLE)}"
