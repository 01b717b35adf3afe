"""Every named query is sound SQL; those of the hot path walk an index, whatever is in the tables."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

import heliograph.store.sqlite as room
from heliograph.store.sqlite import schema
from heliograph.store.sqlite.queries import CHUNKS, _queries, query, read_all, write_all, write_flat

FRAGMENTS = {name for name in _queries() if name.isupper()}
NAMES = sorted(_queries().keys() - FRAGMENTS)
HOT = [
    "update_messages", "versions", "correlate", "live", "records", "taken_claims", "opted_out", "references",
    "claimable", "backlog", "owned_backlog", "expired_waiting", "list_tail", "list_account", "list_recipient",
    "list_sender", "list_label", "list_tail_within", "list_account_within", "list_sender_within", "owner_within",
    "recent_writer", "due_deliveries", "orphans", "run_before",
]  # fmt: skip
LARGE = re.compile(r"SCAN (m|s|messages|contents|correlations|claims|refs|c|i|o)\b")


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    schema.apply(made)
    return made


def plan(db: apsw.Connection, name: str) -> list[str]:
    """How SQLite goes about it. Rows are made as wide as the query wants them."""
    for width in range(1, 50):
        sql = "EXPLAIN QUERY PLAN " + query(name).replace("{rows}", "(" + ",".join("?" * width) + ")")
        numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
        named = dict.fromkeys(re.findall(r":([a-z_]+)", sql))
        count = max(numbered, default=sql.count("?"))
        try:
            return [detail for *_, detail in db.execute(sql, named or (None,) * count)]
        except apsw.SQLError:
            if "{rows}" not in query(name):
                raise
    raise AssertionError(f"{name} takes rows of no width")


@pytest.mark.parametrize("name", NAMES)
def test_each_query_is_sound(db: apsw.Connection, name: str) -> None:
    assert plan(db, name) is not None


def test_logins_are_found_by_an_index(db: apsw.Connection) -> None:
    assert plan(db, "logins") == ["SEARCH keys USING INDEX keys_called (kind=? AND <expr>=?)"]


def test_entries_of_several_accounts_are_found_by_their_index(db: apsw.Connection) -> None:
    steps = plan(db, "audit_of")
    assert [step for step in steps if "USING INDEX audit_account (account_id=? AND id<?)" in step]
    assert not [step for step in steps if step.startswith(("SCAN audit", "SCAN found"))]


@pytest.mark.parametrize("name", HOT)
def test_hot_queries_scan_no_large_table(db: apsw.Connection, name: str) -> None:
    steps = plan(db, name)
    derived = {f"SCAN {step.split()[-1]}" for step in steps if step.startswith(("CO-ROUTINE", "MATERIALIZE"))}
    assert [step for step in steps if LARGE.match(step) and step not in derived] == []
    assert not [step for step in steps if "TEMP B-TREE FOR ORDER BY" in step and name.startswith("list_")]
    assert not [step for step in steps if "AUTOMATIC" in step and name.startswith("list_")]


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("credentials", "keys_kind"),
        ("open_publishable", "publishable_open"),
        ("publishable_of", "publishable_names"),
        ("purge_publishable", "publishable_ends"),
    ],
)
def test_tokens_for_browsers_are_looked_for_among_themselves(db: apsw.Connection, name: str, index: str) -> None:
    assert [step for step in plan(db, name) if f"USING INDEX {index} (" in step or f"COVERING INDEX {index} (" in step]


@pytest.mark.parametrize("name", NAMES)
def test_each_query_is_used(name: str) -> None:
    folder = Path(str(files(room)))
    code = "".join(file.read_text("utf-8") for file in folder.glob("*.py"))
    assert f'"{name.removesuffix(".keys")}"' in code or (name.startswith("lost_") and 'f"lost_{table}"' in code)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 127, 128, 129, 500])
def test_any_number_of_rows_is_written_and_read(count: int) -> None:
    db = apsw.Connection(":memory:")
    schema.apply(db)
    made = [(1, f"+{n}", n, "x") for n in range(count)]
    assert write_all(db, "insert_optouts", made) == count
    assert write_flat(db, "insert_optouts", [value for row in made for value in row], 4) == 0
    found = read_all(db, "opted_out", [(1, f"+{n}") for n in range(count)])
    assert {recipient for _, recipient in found} == {f"+{n}" for n in range(count)}


def test_chunks_end_with_one() -> None:
    assert list(CHUNKS) == sorted(CHUNKS, reverse=True)
    assert CHUNKS[-1] == 1
