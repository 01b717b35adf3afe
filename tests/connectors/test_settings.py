"""Settings say what is wrong with them, all of it, and document themselves."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgspec
import pytest

from heliograph.connectors import KINDS
from heliograph.connectors.smpp import SmppConnector, SmppSettings
from heliograph.errors import ConfigError
from tests.connectors.build import smpp_settings


def test_good_settings_have_no_faults() -> None:
    assert smpp_settings().faults() == []
    assert smpp_settings(statuses={"0x401": "later:30"}, tlvs={"0x1400": "x"}, time_zone="Asia/Kolkata").faults() == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("port", 0),
        ("bind", "both"),
        ("links", 0),
        ("window", 0),
        ("version", "5"),
        ("interface_version", 256),
        ("segments_per_second", -1),
        ("concatenation", "udh"),
        ("default_alphabet", "ebcdic"),
        ("id_codec", "base64"),
        ("service_type", "LONGER"),
        ("source_ton_npi", {"long_code": (1, 1)}),
        ("source_ton_npi", {"e164": (1,)}),
        ("dest_ton_npi", (1, 256)),
        ("priority_flags", (0, 0)),
        ("receipt_accepted", "yes"),
        ("receipt_stats", {"ABSENT": "gone"}),
        ("receipt_error_codes", {"1": "because"}),
        ("statuses", {"0x401": "sometimes"}),
        ("statuses", {"ESME_X": "never"}),
        ("tlvs", {"0x1400": "hex:0"}),
        ("tlvs", {"0x14000": "x"}),
        ("time_zone", "Mars/Olympus"),
    ],
)
def test_a_fault_names_its_field(field: str, value: Any) -> None:
    faults = smpp_settings(**{field: value}).faults("connectors.main")
    assert faults
    assert faults[0].where == f"connectors.main.{field}"


def test_all_faults_are_told_and_a_connector_with_one_is_not_made() -> None:
    bad = smpp_settings(port=0, links=0, bind="both")
    assert len(bad.faults()) == 3
    with pytest.raises(ConfigError) as caught:
        SmppConnector(bad, 1)
    assert len(caught.value.faults) == 3


def test_the_password_is_never_shown() -> None:
    assert "secret" not in repr(smpp_settings())


def test_every_setting_documents_itself() -> None:
    for one in fields(SmppSettings):
        doc = one.metadata["doc"]
        assert doc.endswith(".")
        assert len(doc) > 15


def test_settings_are_read_from_plain_values_as_a_file_has_them() -> None:
    plain = {
        "name": "main",
        "host": "h",
        "system_id": "s",
        "dest_ton_npi": [2, 8],
        "source_ton_npi": {"short_code": [6, 0]},
        "priority_flags": [1, 0, 0],
        "statuses": {"0x401": "never"},
    }
    read = msgspec.convert(plain, SmppSettings)
    assert (read.dest_ton_npi, read.source_ton_npi, read.priority_flags) == ((2, 8), {"short_code": (6, 0)}, (1, 0, 0))
    with pytest.raises(msgspec.ValidationError, match="port"):
        msgspec.convert(plain | {"port": "many"}, SmppSettings)


def test_kinds_are_found_by_name() -> None:
    assert "smpp" in list(KINDS)
    kind = KINDS["smpp"]
    made = kind.make(kind.settings(name="main", host="h", system_id="s"), 7)
    assert (made.id, made.name) == (7, "main")
    with pytest.raises(KeyError):
        KINDS["pigeon"]
    assert len(KINDS) >= 1
