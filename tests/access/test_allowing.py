"""From where a key may be used."""

from __future__ import annotations

import pytest

from heliograph.access.allowing import MOST_RANGES, AllowList, ranges_of
from heliograph.errors import ConfigError

ADMITTED = [
    (["192.0.2.0/24"], "192.0.2.0", True),
    (["192.0.2.0/24"], "192.0.2.255", True),
    (["192.0.2.0/24"], "192.0.3.0", False),
    (["192.0.2.0/24"], "::ffff:192.0.2.7", True),
    (["192.0.2.0/24"], "::ffff:192.0.3.7", False),
    (["192.0.2.7"], "192.0.2.7", True),
    (["192.0.2.7"], "192.0.2.8", False),
    (["2001:db8::/32"], "2001:db8:ffff::1", True),
    (["2001:db8::/32"], "2001:db9::1", False),
    (["2001:db8::/32"], "192.0.2.7", False),
    (["0.0.0.0/0"], "2001:db8::1", False),
    (["192.0.2.7", "2001:db8::1"], "2001:db8::1", True),
    (["0.0.0.0/0", "::/0"], None, False),
    (["0.0.0.0/0", "::/0"], "", False),
    (["0.0.0.0/0", "::/0"], "localhost", False),
]


@pytest.mark.parametrize(("words", "peer", "admitted"), ADMITTED)
def test_a_peer_is_in_a_range_or_stays_outside(words: list[str], peer: str | None, admitted: bool) -> None:
    allowed = AllowList(ranges_of(words))
    assert [allowed.admits(peer), allowed.admits(peer)] == [admitted, admitted]


def test_many_peers_do_not_fill_the_memory() -> None:
    allowed = AllowList(ranges_of(["10.0.0.0/17"]))
    for at in range(65_536):
        assert allowed.admits(f"10.0.{at >> 8}.{at & 255}") is (at < 32_768)
    assert len(allowed._known) <= 256


def test_ranges_are_kept_in_one_spelling_once() -> None:
    assert ranges_of(["192.0.2.7", " 192.0.2.7/32", "2001:DB8:0::/32"]) == ("192.0.2.7/32", "2001:db8::/32")


def test_what_is_no_range_is_named_with_the_rest() -> None:
    with pytest.raises(ConfigError) as raised:
        ranges_of(["192.0.2.7/24", "example.com", "", "10.0.0.0/33", "192.0.2.0/24"])
    assert len(raised.value.faults) == 4
    with pytest.raises(ConfigError):
        ranges_of([f"10.0.0.{at}" for at in range(MOST_RANGES + 1)])
