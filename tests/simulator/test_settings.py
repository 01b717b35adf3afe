"""Settings that make no sense are told all at once."""

from __future__ import annotations

import pytest

from heliograph.errors import ConfigError
from heliograph.simulator import CarrierSettings, ReceiptSettings, Refusal


def test_every_fault_is_told() -> None:
    with pytest.raises(ConfigError) as told:
        CarrierSettings(
            ids="octal",
            silent=2,
            window=0,
            long_replies="pigeon",
            refusals=(Refusal(status=8, fraction=-1),),
            receipts=ReceiptSettings(style="roman", bind="none", final_states=(("GONE", 0),)),
        )
    assert {fault.where for fault in told.value.faults} == {
        "simulator.ids",
        "simulator.fraction",
        "simulator.window",
        "simulator.long_replies",
        "simulator.receipts.style",
        "simulator.receipts.bind",
        "simulator.receipts.final_states",
    }


def test_the_default_carrier_is_well_behaved() -> None:
    settings = CarrierSettings()
    assert not settings.refusals
    assert settings.receipts.send
    assert settings.receipts.final_states == (("DELIVRD", 1.0),)
