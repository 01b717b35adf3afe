"""Lines of keys in a TOML text."""

from __future__ import annotations

from heliograph.config.lines import line_of, lines_of

TEXT = '''# a comment with [brackets] = nothing
top = 1
[a]
x = "[not.a.table]"   # ["comment"
"quoted key" = 2
long = """
[b]
y = 1
"""
list = [
  "one", # ]
  "two",
]
after = 1
inline = { z = 1 }
dotted.key = 1
[[rows]]
n = 1
[rows.sub]
deep = 1
[[rows]]
n = 2
[c."d.e"]
f = 1
'''


def test_headers_and_keys_are_found_on_their_lines() -> None:
    lines = lines_of(TEXT)
    assert {path: line for path, line in lines.items() if path != ("rows",)} == {
        ("top",): 2,
        ("a",): 3,
        ("a", "x"): 4,
        ("a", "quoted key"): 5,
        ("a", "long"): 6,
        ("a", "list"): 10,
        ("a", "after"): 14,
        ("a", "inline"): 15,
        ("a", "dotted", "key"): 16,
        ("rows", 0): 17,
        ("rows", 0, "n"): 18,
        ("rows", 0, "sub"): 19,
        ("rows", 0, "sub", "deep"): 20,
        ("rows", 1): 21,
        ("rows", 1, "n"): 22,
        ("c", "d.e"): 23,
        ("c", "d.e", "f"): 24,
    }


def test_what_has_no_line_has_that_of_what_is_around_it() -> None:
    lines = lines_of(TEXT)
    assert line_of(lines, ("a", "inline", "z")) == 15
    assert line_of(lines, ("rows", 1, "missing")) == 21
    assert line_of(lines, ("nothing", "here")) == 1
