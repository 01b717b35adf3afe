"""On which line of a TOML file a key stands: what the standard parser does not tell."""

from __future__ import annotations

import re

__all__ = ["Path", "line_of", "lines_of"]

Path = tuple[str | int, ...]
"""Keys from the root of the file; tables of an array by their index."""

_TABLE = re.compile(r"\s*\[(?!\[)([^\]]+)\]")
_TABLE_OF_ARRAY = re.compile(r"\s*\[\[([^\]]+)\]\]")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_QUOTED_OR_COMMENT = re.compile(r"""\"(?:\\.|[^"\\])*"|'[^']*'|\#.*""")
_LONG_QUOTE = re.compile(r'"""|' + "'''")


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


class _Scan:
    """Where the scan of a file is: the open table, and what a value left open."""

    def __init__(self) -> None:
        self.lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}
        self._table: Path = ()
        self._quote: str | None = None
        self._depth = 0

    def line(self, number: int, text: str) -> None:
        if self._quote is not None:
            if self._quote in text:
                self._quote = None
        elif self._depth > 0:
            self._value(text)
        else:
            self._statement(number, text)

    def _statement(self, number: int, text: str) -> None:
        if array := _TABLE_OF_ARRAY.match(text):
            path = self._resolve(_parts(array[1]))
            index = self._counts.get(path, -1) + 1
            self._counts[path] = index
            self._table = (*path, index)
            self.lines.setdefault(path, number)
            self.lines[self._table] = number
        elif table := _TABLE.match(text):
            self._table = self._resolve(_parts(table[1]))
            self.lines.setdefault(self._table, number)
        elif key := _KEY.match(text):
            self.lines.setdefault((*self._table, *_parts(key[1])), number)
            self._value(text[key.end() :])

    def _resolve(self, parts: list[str]) -> Path:
        """A header's path, with the newest index behind each array of tables that it goes through."""
        path: Path = ()
        for position, part in enumerate(parts):
            path = (*path, part)
            if position < len(parts) - 1 and path in self._counts:
                path = (*path, self._counts[path])
        return path

    def _value(self, text: str) -> None:
        quotes: list[str] = _LONG_QUOTE.findall(text)
        if len(quotes) % 2:
            self._quote = quotes[-1]
            return
        bare = _QUOTED_OR_COMMENT.sub("", text)
        self._depth += bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of each header and key of a TOML text that parses."""
    scan = _Scan()
    for number, line in enumerate(text.splitlines(), 1):
        scan.line(number, line)
    return scan.lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """The line of ``path``, or of the nearest thing around it; 1 where there is none."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1
