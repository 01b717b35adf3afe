"""What the journal says, and what it keeps to itself."""

from __future__ import annotations

import ast
import inspect
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import heliograph
from heliograph.telemetry import journal


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """The journal as JSON lines; logging is as before afterwards."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, logging.getLogger("heliograph").level)
    stream = io.StringIO()
    journal.configure("json", "info", stream=stream)
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    logging.getLogger("heliograph").setLevel(before[2])


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_its_name_its_level_its_time_and_its_fields(stream: io.StringIO) -> None:
    journal.link_lost("main", 1, "closed by the carrier", 12)
    [line] = lines(stream)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "link_lost",
        "level": "warning",
        "connector": "main",
        "link": 1,
        "why": "closed by the carrier",
        "unanswered": 12,
    }


def test_numbers_are_masked_unless_the_operator_wants_them_whole(stream: io.StringIO) -> None:
    journal.inbound_unassigned("m1", "+4915112345678", "12345", "main")
    journal.configure("json", "info", whole_numbers=True, stream=stream)
    journal.inbound_unassigned("m1", "+4915112345678", "12345", "main")
    journal.configure("json", "info", stream=stream)
    masked, whole = lines(stream)
    assert (masked["sender"], masked["recipient"]) == ("+491…78", "…45")
    assert (whole["sender"], whole["recipient"]) == ("+4915112345678", "12345")


@pytest.mark.parametrize("text", ["", "1", "12", "123", "123456", "1234567", "+4915112345678"])
def test_a_mask_never_shows_a_whole_number(text: str) -> None:
    assert len(journal.mask(text).replace("…", "")) < max(1, len(text))


def test_what_libraries_log_comes_in_the_same_form(stream: io.StringIO) -> None:
    logging.getLogger("heliograph.delivery").warning("kept %d", 3)
    logging.getLogger("uvicorn.error").info("unimportant")
    [line] = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("kept 3", "warning", "heliograph.delivery")


def test_errors_bring_their_traceback(stream: io.StringIO) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        journal.request_failed("GET", "/v1/messages", error)
    assert "RuntimeError: broken" in str(lines(stream)[0]["exception"])


def test_the_console_form_is_one_readable_line(stream: io.StringIO) -> None:
    people = io.StringIO()
    journal.configure("console", "info", stream=people)
    journal.stopping("SIGTERM")
    assert people.getvalue().count("\n") == 1
    assert "stopping" in people.getvalue()


def test_levels_below_the_wanted_one_are_silent(stream: io.StringIO) -> None:
    journal.configure("json", "error", stream=stream)
    journal.stopping("SIGTERM")
    journal.store_unavailable("the disk is full")
    assert [line["event"] for line in lines(stream)] == ["store_unavailable"]


def test_every_function_of_the_journal_is_called_where_its_fact_happens() -> None:
    called = {
        node.func.attr
        for file in Path(heliograph.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "journal"
    }
    assert set(journal.__all__) - {"mask", "number"} == called - {"number"}


def test_every_function_of_the_journal_can_be_told(stream: io.StringIO) -> None:
    """A line for each, with a value of the right kind for each argument."""
    values = {
        "int": 1,
        "float": 1.5,
        "str": "word",
        "BaseException": ValueError("x"),
        "bool": True,
        "datetime": datetime(2026, 1, 1, tzinfo=UTC),
    }
    told = [name for name in journal.__all__ if name not in ("configure", "mask", "number")]
    for name in told:
        function = getattr(journal, name)
        arguments = [values[str(p.annotation)] for p in inspect.signature(function).parameters.values()]
        function(*arguments)
    assert [line["event"] for line in lines(stream)] == told
