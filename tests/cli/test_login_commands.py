"""People and SMPP customers by command."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Result, Run

Call = Callable[..., Result]


@pytest.fixture
def call(run: Run, config: Path) -> Call:
    def asked(*words: str) -> Result:
        return run(*words, "--config", config)

    assert asked("accounts", "create", "demo").code == 0
    return asked


def test_a_persons_life(call: Call) -> None:
    made = call("people", "create", "Ada@example.com", "--role", "owner", "--account", "demo")
    assert made.out.startswith("ada@example.com may come in."), made
    assert len(made.out.split()[-1]) == 20
    assert "ada@example.com" in call("people", "list").out
    assert '"role": "owner"' in call("people", "list", "--json").out
    assert "last owner" in call("people", "end", "ada@example.com").err
    assert call("people", "create", "b@example.com", "--role", "owner", "--account", "demo").code == 0
    assert call("people", "change", "ada@example.com", "--role", "viewer").out == "ada@example.com is viewer now.\n"
    assert call("people", "password", "ada@example.com").out.startswith("The new password of ada@example.com")
    assert call("people", "end", "ada@example.com").out == "ada@example.com comes in no more.\n"
    gone = call("people", "password", "ada@example.com")
    assert gone.code != 0
    assert "no person of this name" in gone.err
    nowhere = call("people", "create", "x@example.com", "--account", "nobody")
    assert nowhere.code != 0
    assert "no account of this name" in nowhere.err
    assert "person" in call("audit", "list").out


def test_an_smpp_customers_life(call: Call) -> None:
    options = ("--account", "demo", "--allow", "203.0.113.0/24", "--binds", "4")
    made = call("smpp-customers", "create", "acme1", *options)
    assert (made.code, len(made.out.split()[-1])) == (0, 8), made
    assert "acme1" in call("smpp-customers", "list").out
    assert call("smpp-customers", "password", "acme1").code == 0
    assert call("smpp-customers", "end", "acme1").out == "acme1 comes in no more.\n"
    assert "Nobody" in call("smpp-customers", "list").out
