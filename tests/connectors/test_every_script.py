"""Any text in any script, cut in each way there is, comes whole out of the PDUs at the other end, in any order."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from heliograph import sms
from heliograph.connectors.smpp.incoming import Incoming
from heliograph.connectors.smpp.outgoing import Outgoing
from heliograph.contracts import InboundShort
from heliograph.rules.idcodec import IdCodec
from heliograph.smpp.codec import decode, encode
from heliograph.smpp.pdus import DeliverSm, SubmitSm
from tests.connectors.build import live_of, smpp_settings, submissions

SCRIPTS = {
    "GSM-7": ("@", "ñøΩ", "[€]~^", "plain words "),
    "Latin": ("čšžřů", "Ệ", "e\u0301", "ﬁ"),
    "Greek and Cyrillic": ("αβγώ", "жщы", "ї"),
    "right to left": ("السلام", "שָׁלוֹם", "\u200f", "ﷺ"),
    "Indic": ("क्षि", "நி", "ബ്ര", "ৎ"),
    "South-East Asian": ("สวัสดี", "ម៉ែ", "မြန်"),
    "East Asian": ("漢字", "한국어", "ひらがな", "𠮷"),
    "African": ("አማርኛ", "ⵜⵉⴼⵉ", "𞤀𞤣"),
    "emoji": ("😀", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "1\ufe0f⃣"),
    "mathematics": ("𝕏", "∑", "\u00a0"),
}
WAYS = ("udh8", "udh16", "sar", "payload")
texts = st.sampled_from(sorted(SCRIPTS)).flatmap(
    lambda script: st.builds(
        lambda pieces, times: "".join(pieces) * times,
        st.lists(st.sampled_from([*SCRIPTS[script], "a", " ", "😀"]), min_size=1, max_size=30),
        st.integers(1, 12),
    )
)


def over_the_wire(text: str, way: str) -> list[InboundShort]:
    """What a connector at the other end reads of a message."""
    given = smpp_settings(concatenation=way)
    outgoing, live = Outgoing(given), live_of(text, reference_octets=2 if way == "udh16" else 1)
    made = submissions(live)
    whole = way == "payload" and len(made) > 1
    incoming = Incoming(given, IdCodec())
    found = []
    for pdu in [outgoing.whole(made[0])] if whole else [outgoing.pdu(one) for one in made]:
        sent = decode(encode(pdu, 1)).pdu
        assert isinstance(sent, SubmitSm)
        arrived = decode(encode(DeliverSm(**asdict(sent)), 2)).pdu
        assert isinstance(arrived, DeliverSm)
        read = incoming.read(None, arrived)
        assert isinstance(read, InboundShort)
        found.append(read)
    return found


@pytest.mark.parametrize("way", WAYS)
@given(text=texts, seed=st.integers(0, 1 << 16))
@settings(max_examples=60, deadline=None)
def test_joining_undoes_splitting_over_every_script(way: str, text: str, seed: int) -> None:
    parts = over_the_wire(text, way)
    if len(parts) == 1:
        assert (parts[0].text, parts[0].concat) == (text, None)
        return
    assert way != "payload"
    Random(seed).shuffle(parts)
    sets = {part.concat[:3] for part in parts if part.concat}
    assert sets == {(7, 2 if way in ("udh16", "sar") else 1, len(parts))}
    joined = sms.complete({part.concat[3]: part.octets for part in parts if part.concat}, len(parts))
    assert joined is not None
    assert sms.decode(joined, parts[0].data_coding).text == text
    for part in parts:
        assert "\ufffd" not in (part.text or "")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("way", WAYS)
def test_each_script_is_long_enough_to_be_cut(script: str, way: str) -> None:
    text = " ".join(SCRIPTS[script]) * 40
    parts = over_the_wire(text, way)
    assert (len(parts) == 1) == (way == "payload")
    if way == "payload":
        assert parts[0].text == text
