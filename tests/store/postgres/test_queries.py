"""heliograph/store/postgres/queries.py, and what the planner makes of the statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from heliograph.model import Message, Progress
from heliograph.store.postgres import PostgresStore
from heliograph.store.postgres.connection import connect
from heliograph.store.postgres.queries import MESSAGE, PROGRESS, QUERIES, parse
from heliograph.store.postgres.rows import NARROW_COLUMNS, array
from tests.store.postgres.making import accept, new

_ALWAYS = re.compile(r"BETWEEN (0|-2147483647) AND 2147483647")
BY_ARRAY = sorted(name for name, query in QUERIES.items() if _ALWAYS.search(query))


def test_names_and_fragments() -> None:
    piece = "-- name: PIECE\n2 +\n-- comment\n"
    found = parse(f"-- comment\n{piece}-- name: one\nSELECT {{message}}\n-- name: two\nSELECT {{PIECE}} 2\n")
    assert found.keys() == {"one", "two"}
    assert found["two"] == "SELECT 2 + 2"
    assert found["one"].startswith("SELECT m.id, m.account_id")


@pytest.mark.parametrize("filled", [False, True])
async def test_arrays_are_looked_up_row_by_row_whatever_the_tables_hold(
    store: PostgresStore, url: str, filled: bool
) -> None:
    if filled:
        await store.commit(accept(*(new() for _ in range(100))))
    connection = await connect(url)
    try:
        for name in BY_ARRAY:
            await connection.execute(f"PREPARE q_{name} AS {QUERIES[name]}")
            nothing = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", QUERIES[name]))))
            plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE q_{name} ({nothing})"))
            inner = [node["Plans"][1] for node in _nodes(plan[0]["Plan"]) if node["Node Type"] == "Nested Loop"]
            assert inner, name
            for node in inner:
                assert node["Node Type"] not in ("Function Scan", "Materialize", "Seq Scan"), (name, plan)
    finally:
        await connection.close()


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


_FILTER = "1, 'n', '', 10, '{}', '+1', NULL, NULL, NULL, NULL, NULL, NULL"
_LISTS = {
    "list": _FILTER,
    "list_by_recipient": _FILTER,
    "list_by_label": f"{_FILTER}, 'r'",
    "list_floor": "1, 'n', '', 10",
    "list_floor_of_label": "1, 'n', '', 10, 'r'",
    "tallies": "'{1}', 0, 10, 1, '{}', 10",
}


@pytest.mark.parametrize("name", _LISTS)
async def test_lists_walk_an_index_and_are_never_sorted_whole(store: PostgresStore, url: str, name: str) -> None:
    """However many messages there are: the plan for any values. By recipient alone, what was found is sorted."""
    await store.commit(accept(*(new(client_ref="r", tags='["t"]') for _ in range(200))))
    connection = await connect(url)
    try:
        await connection.execute("ANALYZE; SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE q AS {QUERIES[name]}")
        plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE q ({_LISTS[name]})"))
        kinds = {node["Node Type"] for node in _nodes(plan[0]["Plan"])}
        assert "Seq Scan" not in kinds
        assert "Sort" not in kinds or name in ("list_by_recipient", "tallies")
        assert any("Index" in kind for kind in kinds)
    finally:
        await connection.close()


async def test_the_defaults_of_rare_columns_are_those_of_the_values(store: PostgresStore) -> None:
    rows = await store._pool.fetch(
        "SELECT attname, pg_get_expr(adbin, adrelid) FROM pg_attribute "
        "LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum "
        "WHERE attrelid = 'messages'::regclass AND attnum > 0"
    )
    defaults = {name: await store._pool.fetchval(f"SELECT {text or 'NULL'}") for name, text in rows}
    values = {**_defaults(Message), **_defaults(Progress)}
    rare = set(MESSAGE + PROGRESS) - set(NARROW_COLUMNS)
    assert {name: defaults[name] for name in rare} == {name: values[name] for name in rare}


def _defaults(struct: Any) -> dict[str, Any]:
    fields = struct.__struct_fields__
    return dict(zip(fields[-len(struct.__struct_defaults__) :], struct.__struct_defaults__, strict=True))


@pytest.mark.parametrize(
    "values", [[1, None, 3], ["a", None, 'q"\\\n,{}', "null", "", "é"], [True, False], ["\x1f\x7f", "{}"]]
)
async def test_an_array_literal_arrives_as_it_was(store: PostgresStore, values: list[Any]) -> None:
    kind = {int: "int8", str: "text", bool: "bool"}[type(values[0])]
    assert await store._pool.fetchval(f"SELECT $1::text::{kind}[]", array(values)) == values
