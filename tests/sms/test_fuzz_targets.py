import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sms.fuzz_targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_any_octets_are_taken(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=400))
    def run(octets: bytes) -> None:
        target(octets)

    run()
    target(b"")
    target(b"\x1b" * 300)
    target(b"\xd8\x3d" * 300)
