"""Hypothesis strategies that follow the table of layouts, so that a new PDU is tested without a new line here."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from heliograph.smpp.layouts import LAYOUTS, Field, Kind
from heliograph.smpp.pdus import DeliverSm, Destination, Pdu, SubmitSm, UnsuccessfulDestination

octet = st.integers(0, 255)
sequence_numbers = st.integers(0, 0xFFFFFFFF)
statuses = st.integers(0, 0xFFFFFFFF)


def texts(size: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=size - 1)


destinations = st.one_of(
    st.builds(Destination, st.just(1), octet, octet, texts(21)),
    st.builds(Destination, st.just(2), dl_name=texts(21)),
)
refusals = st.builds(UnsuccessfulDestination, octet, octet, texts(21), statuses)
tlvs = st.dictionaries(st.integers(1, 0xFFFF), st.binary(max_size=40), max_size=4)


def values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind is Kind.INT:
        return st.integers(0, 256**field.size - 1)
    if field.kind is Kind.TEXT:
        return texts(field.size)
    if field.kind is Kind.COUNTED:
        return st.binary(max_size=field.size)
    if field.kind is Kind.DESTINATIONS:
        return st.lists(destinations, min_size=1, max_size=4).map(tuple)
    return st.lists(refusals, max_size=4).map(tuple)


def pdus_of(command_id: int) -> st.SearchStrategy[Pdu]:
    layout = LAYOUTS[command_id]
    fields = {field.name: values(field) for field in layout.fields}
    if layout.tlvs:
        once = {tag for tag, _ in layout.repeated}
        fields["tlvs"] = tlvs.map(lambda found: {tag: value for tag, value in found.items() if tag not in once})
        for _, name in layout.repeated:
            fields[name] = st.lists(st.binary(max_size=9), max_size=3).map(tuple)
    return st.builds(layout.pdu, **fields)


pdus = st.sampled_from(sorted(LAYOUTS)).flatmap(pdus_of)

_wild_octet = st.one_of(octet, octet, octet, st.integers(-2, 300))
_wild_text = st.one_of(st.text(max_size=22), texts(23), texts(6))


def wild(kind: type[SubmitSm] | type[DeliverSm]) -> st.SearchStrategy[Any]:
    """Short messages whose fields may hold what the wire cannot say."""
    text_fields = {"service_type", "source_addr", "destination_addr", "schedule_delivery_time", "validity_period"}
    fields: dict[str, st.SearchStrategy[Any]] = {
        name: _wild_text if name in text_fields else _wild_octet for name in kind.__struct_fields__
    }
    fields["short_message"] = st.binary(max_size=260)
    fields["tlvs"] = st.dictionaries(st.integers(-1, 0x10001), st.binary(max_size=9), max_size=2)
    return st.builds(kind, **fields)
