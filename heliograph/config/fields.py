"""What a setting is: a field of a frozen dataclass that says in its metadata what it means.

Metadata keys: ``doc`` (one line), ``min`` and ``max`` (bounds of a number), ``choices`` (the words allowed),
``secret`` (its value is never told; so is that of a field without ``repr``). Connectors' settings use the same keys.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import MISSING, Field, field, fields
from functools import cache
from typing import Any, get_type_hints

__all__ = ["FieldInfo", "describe", "setting"]


def setting(
    default: Any = MISSING,
    doc: str = "",
    *,
    min: float | None = None,
    max: float | None = None,
    choices: Sequence[str] = (),
    secret: bool = False,
) -> Any:
    """A field of a settings dataclass. Without ``default`` it must be given."""
    metadata = {"doc": doc, "min": min, "max": max, "choices": tuple(choices), "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)


class FieldInfo:
    """One setting as the reader and the reference page need it."""

    __slots__ = ("choices", "default", "doc", "max", "min", "name", "required", "secret", "type")

    def __init__(self, raw: Field[Any], hint: Any) -> None:
        meta = raw.metadata
        self.name = raw.name
        self.type = hint
        self.required = raw.default is MISSING and raw.default_factory is MISSING
        self.default = raw.default_factory() if raw.default_factory is not MISSING else raw.default
        self.doc: str = meta.get("doc", "")
        self.min: float | None = meta.get("min")
        self.max: float | None = meta.get("max")
        self.choices: tuple[str, ...] = tuple(meta.get("choices", ()))
        self.secret: bool = bool(meta.get("secret", not raw.repr))


def describe(cls: type) -> tuple[FieldInfo, ...]:
    """The settings that a dataclass takes, in its order."""
    return _described(cls)


@cache  # a store may declare thousands of one kind
def _described(cls: Hashable) -> tuple[FieldInfo, ...]:
    assert isinstance(cls, type)
    hints = get_type_hints(cls)
    return tuple(FieldInfo(raw, hints[raw.name]) for raw in fields(cls) if raw.init)
