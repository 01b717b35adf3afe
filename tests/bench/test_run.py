"""Small runs of the real thing: the figures are not judged, only that they are there and add up."""

import asyncio
from pathlib import Path

import pytest

from heliograph.bench import main
from heliograph.bench.database import Database
from heliograph.bench.house import House
from heliograph.bench.options import Options, parse
from heliograph.bench.preload import preload
from heliograph.bench.report import as_text
from heliograph.bench.run import run
from heliograph.bench.table import ROWS
from heliograph.bench.view import rows_since, view
from heliograph.contracts import ListFilter
from heliograph.store import open_store


def test_a_run_accounts_for_every_message(tmp_path: Path) -> None:
    report = run(Options(messages=300, warmup=50, connections=8, webhooks="both", folder=str(tmp_path), timeout_s=30))
    assert report.load.accepted == report.rows.messages == report.rows.ended == 300
    assert (report.lost, report.repeated) == (0, 0)
    assert report.sink is not None
    assert report.sink.distinct == 2 * 350
    assert report.cpu_us > 0
    assert report.peak_mib > 10
    assert report.waits.receipt_p50_ms >= report.waits.sent_p50_ms > 0
    assert "CPU a message" in as_text(report)


def test_batches_go_to_a_store_that_is_full_already(tmp_path: Path) -> None:
    options = Options(
        messages=200, warmup=0, batch=50, connections=2, preload=3_000, folder=str(tmp_path), timeout_s=30
    )
    report = run(options)
    assert report.rows.messages == report.rows.ended == 200
    assert report.rows.segments > 200
    assert (report.lost, report.repeated) == (0, 0)
    store = view(f"sqlite:///{tmp_path / 'heliograph.db'}")
    everything = rows_since(store, store.nothing)
    assert everything.messages == 3_200
    assert everything.states == {"delivered": 3_200}


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_store_that_was_filled_passes_its_own_check(tmp_path: Path, kind: str) -> None:
    database = Database() if kind == "postgres" else None
    try:
        house = House(tmp_path, database.url if database else f"sqlite:///{tmp_path / 'heliograph.db'}", 2775)
        house.prepare(3)
        preload(house.store_url, 5_000, 3, 5)
        asyncio.run(_check(house.store_url))
    finally:
        if database is not None:
            database.destroy()


async def _check(url: str) -> None:
    store = open_store(url, serve=False)
    await store.open()
    try:
        findings = await store.check()
        newest = (await store.messages((await store.accounts())[0].id, ListFilter(limit=10))).records
    finally:
        await store.close()
    assert all(finding.ok for finding in findings), findings
    assert len(newest) == 10
    assert {len(one.segments) for one in newest} - {0} <= {2, 3}


def test_the_command_line_has_every_option_and_its_default() -> None:
    assert parse([]) == Options()
    chosen = parse(["--messages", "7", "--store", "postgres", "--json", "--tools", "somewhere"])
    assert chosen == Options(messages=7, store="postgres", json=True, tools="somewhere")


def test_an_unknown_row_is_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--table", "--rows", "nonsense"]) == 1
    assert "no row's name has" in capsys.readouterr().err
    assert main([], chaos=True, store="postgresql://somewhere") == 1
    assert "kills the database" in capsys.readouterr().err


def test_rows_of_the_table_name_options_that_exist() -> None:
    for row in ROWS:
        Options(**row.options)
