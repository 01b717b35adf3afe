"""What must not lie in a repository that everybody reads."""

from __future__ import annotations

from tests.docs.pages import ROOT

MARK = b"-----BEGIN " + b"PRIVATE KEY-----"


def test_no_private_key_lies_in_the_tree() -> None:
    found = [
        str(file.relative_to(ROOT))
        for room in ("heliograph", "tests", "docs", ".ci")
        for file in (ROOT / room).rglob("*")
        if file.is_file() and file.suffix not in (".pyc", ".so") and MARK in file.read_bytes().replace(b"EC ", b"")
    ]
    assert found == []
