"""What the store declares beside a file, and the tables that both are said in."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from heliograph.config import Config, ConnectorConfig, NumberSettings, RouteSettings
from heliograph.config.applied import AppliedFile, toml_of
from heliograph.config.fields import describe
from heliograph.config.gathering import gathered
from heliograph.config.stored import ARRAYS, KEPT, Table, declared, name_of
from heliograph.connectors.smpp import SmppSettings
from heliograph.errors import ConfigError, ConfigFault

MAIN = SmppSettings(name="main", host="a.example", system_id="esme", password="secret", window=20)
FILE = Config(
    connectors=(ConnectorConfig(name="main", kind="smpp", settings=MAIN),),
    routes=(RouteSettings(name="default", connectors=("main",)),),
    numbers=(NumberSettings(number="+777", account="shop", connectors=("main",)),),
)
TWO = Table("connector", "two", {"kind": "smpp", "host": "b.example", "system_id": "esme"})


def test_the_files_and_the_stores_stand_together() -> None:
    found = gathered(FILE, [TWO, Table("route", "us", {"connectors": ["two", "main"], "prefixes": ["1"]})], {})
    assert not found.faults
    assert [one.name for one in found.config.connectors] == ["main", "two"]
    assert found.config.connectors[0] is FILE.connectors[0]
    assert [(one.name, one.connectors) for one in found.config.routes] == [
        ("default", ("main",)), ("us", ("two", "main")),
    ]  # fmt: skip
    assert gathered(FILE, [], {}).config is FILE


def test_what_is_wrong_leaves_everything_else_as_it_is() -> None:
    tables = [
        Table("connector", "bad", {"kind": "smpp"}),
        Table("connector", "main", dict(TWO.values)),
        Table("connector", "locked", dict(TWO.values)),
        TWO,
        Table("route", "ok", {"connectors": ["bad", "locked", "two"]}),
        Table("route", "partly", {"connectors": ["nowhere", "two"]}),
        Table("route", "nowhere", {"connectors": ["nowhere"]}),
        Table("route", "unread", {"connectors": ["two"], "prefix": "49"}),
        Table("number", "777", {"account": "shop"}),
        Table("number", "778", {"account": "shop", "connectors": ["two"]}),
    ]
    found = gathered(FILE, tables, {}, locked={("connector", "locked"): ConfigFault("connectors.locked", "is sealed")})
    assert set(found.faults) == {
        ("connector", "bad"), ("connector", "main"), ("connector", "locked"), ("route", "partly"), ("route", "nowhere"),
        ("route", "unread"), ("number", "777"),
    }  # fmt: skip
    assert [one.name for one in found.config.connectors] == ["main", "two"]
    assert {one.name: one.connectors for one in found.config.routes} == {
        "default": ("main",), "ok": ("bad", "locked", "two"), "partly": ("two",), "nowhere": (),
    }  # fmt: skip
    assert [one.number for one in found.config.numbers] == ["+777", "778"]
    assert all(fault.where.startswith(f"{ARRAYS[kind]}.{name}") for (kind, name), one in found.faults.items()
               for fault in one)  # fmt: skip


def test_references_lead_to_variables_and_to_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "two").write_text("from a file\n")
    config = Config(source=tmp_path / "heliograph.toml")
    for reference, clear in (("env:TWO", "from outside"), ("file:secrets/two", "from a file")):
        table = Table("connector", "two", {**TWO.values, "password": reference})
        found = gathered(config, [table], {"TWO": "from outside"})
        assert not found.faults
        assert found.config.connectors[0].settings.password == clear
    for reference in (
        "env:HELIOGRAPH_KEY",
        "env:",
        "file:two",
        "file:secrets/../two",
        "file:/etc/passwd",
        "file:secrets/",
    ):
        table = Table("connector", "two", {**TWO.values, "password": reference})
        [fault] = gathered(config, [table], {"HELIOGRAPH_KEY": "x"}).faults["connector", "two"]
        assert (fault.where, fault.what) == ("connectors.two.password", "this reference is not allowed")


def test_what_a_file_declares_is_told_without_secrets_and_reads_as_the_same() -> None:
    tables = declared(FILE)
    assert tables[0].values == {
        "kind": "smpp", "host": "a.example", "system_id": "esme", "password": KEPT, "window": 20,
    }  # fmt: skip
    tables[0] = Table("connector", "main", {**tables[0].values, "password": "secret"})
    found = gathered(Config(), tables, {})
    assert not found.faults
    assert (found.config.connectors, found.config.routes) == (FILE.connectors, FILE.routes)
    assert found.config.numbers == (NumberSettings(number="777", account="shop", connectors=("main",)),)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a/b", "ä", "x" * 65, "a\n"])
def test_a_name_is_bounded(name: str) -> None:
    with pytest.raises(ConfigError):
        name_of("connector", name)


TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    TEXTS | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["connector", "route", "number"]), NAMES, st.dictionaries(NAMES, VALUES))))
def test_reading_undoes_writing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, dict[str, Any]]]
) -> None:
    unique = {(kind, name): Table(kind, name, values) for kind, name, values in rows
              if not {"name", "number"} & values.keys()}  # fmt: skip
    text = toml_of(unique.values())
    tomllib.loads(text)
    path = tmp_path_factory.mktemp("toml") / "file.toml"
    path.write_text(text)
    assert {one.key: one for one in AppliedFile(path).tables} == unique


ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**320) | st.floats() | st.text(max_size=10)
    | st.sampled_from(["env:X", "file:secrets/x", "sealed:1:x:y", "0x1400", "hex:zz", "never:", "later:1e999"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
SETTINGS = [info.name for cls in (SmppSettings, RouteSettings, NumberSettings) for info in describe(cls)]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["connector", "route", "number"]),
    st.dictionaries(st.sampled_from([*SETTINGS, "kind"]) | st.text(max_size=6), ANYTHING, max_size=4),
    st.booleans(),
)
@example("connector", {"connect_timeout_s": 10**320}, True)
@example("connector", {"port": -(10**320)}, True)
def test_whatever_a_table_says_is_read_or_is_a_fault(kind: str, values: dict[str, Any], usual: bool) -> None:
    usually = {"connector": TWO.values, "route": {"connectors": ["main"]}, "number": {"account": "shop"}}
    table = Table(kind, "1234", {**(usually[kind] if usual else {}), **values})
    found = gathered(FILE, [table], {"X": "x"})
    assert set(found.faults) <= {table.key}
    assert found.config.connectors[0] is FILE.connectors[0]
    assert all(isinstance(str(fault), str) for one in found.faults.values() for fault in one)
