"""The PDUs of SMPP 3.4 and 5.0 as frozen values, in the spelling of the standard.

Addresses and other C-octet strings are `str` (Latin-1, without the closing NUL), ``short_message`` is `bytes`, and
``tlvs`` maps a tag to its raw octets, so that what we do not know passes through. The header is not part of a value:
``sequence_number`` and ``command_status`` travel beside it. Every response may carry TLVs, since 5.0 puts
congestion_state into each. Source: SMPP 3.4 issue 1.2 §4, SMPP 5.0 §4.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

import msgspec

from heliograph.smpp import constants as c

__all__ = [
    "PDUS",
    "AlertNotification",
    "Bind",
    "BindReceiver",
    "BindReceiverResp",
    "BindResp",
    "BindTransceiver",
    "BindTransceiverResp",
    "BindTransmitter",
    "BindTransmitterResp",
    "BroadcastSm",
    "BroadcastSmResp",
    "CancelBroadcastSm",
    "CancelBroadcastSmResp",
    "CancelSm",
    "CancelSmResp",
    "DataSm",
    "DataSmResp",
    "DeliverSm",
    "DeliverSmResp",
    "Destination",
    "EnquireLink",
    "EnquireLinkResp",
    "GenericNack",
    "Outbind",
    "Pdu",
    "QueryBroadcastSm",
    "QueryBroadcastSmResp",
    "QuerySm",
    "QuerySmResp",
    "ReplaceSm",
    "ReplaceSmResp",
    "SubmitMulti",
    "SubmitMultiResp",
    "SubmitSm",
    "SubmitSmResp",
    "Tlvs",
    "Unbind",
    "UnbindResp",
    "UnsuccessfulDestination",
]

Tlvs: TypeAlias = dict[int, bytes]


# No cycle can run through a PDU (its fields are numbers, strings and one dict of octets), so the collector need not
# look at them: gc=False makes each cheaper to create and spares it at every collection.
class Pdu(msgspec.Struct, frozen=True, gc=False):
    """What all PDUs share: the number of their kind."""

    command_id: ClassVar[int] = 0


class GenericNack(Pdu, frozen=True, gc=False):
    """The answer to what could not be read; its status tells why."""

    command_id: ClassVar[int] = c.GENERIC_NACK
    tlvs: Tlvs = {}


class Bind(Pdu, frozen=True, gc=False):
    """The fields of the three binds. ``interface_version`` is 0x34 because peers refuse 0x50 more often than not."""

    system_id: str = ""
    password: str = ""
    system_type: str = ""
    interface_version: int = c.VERSION_3_4
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""

    def __repr__(self) -> str:
        """Without the password: values end in logs."""
        return f"{type(self).__name__}(system_id={self.system_id!r}, interface_version=0x{self.interface_version:02X})"


class BindReceiver(Bind, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_RECEIVER


class BindTransmitter(Bind, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_TRANSMITTER


class BindTransceiver(Bind, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_TRANSCEIVER


class BindResp(Pdu, frozen=True, gc=False):
    """The fields of the three answers to a bind."""

    system_id: str = ""
    tlvs: Tlvs = {}


class BindReceiverResp(BindResp, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_RECEIVER_RESP


class BindTransmitterResp(BindResp, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_TRANSMITTER_RESP


class BindTransceiverResp(BindResp, frozen=True, gc=False):
    command_id: ClassVar[int] = c.BIND_TRANSCEIVER_RESP


class Outbind(Pdu, frozen=True, gc=False):
    """An SMSC that dialled us asks to be bound to as receiver."""

    command_id: ClassVar[int] = c.OUTBIND
    system_id: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Outbind(system_id={self.system_id!r})"


class Unbind(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.UNBIND


class UnbindResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.UNBIND_RESP
    tlvs: Tlvs = {}


class EnquireLink(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.ENQUIRE_LINK


class EnquireLinkResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.ENQUIRE_LINK_RESP
    tlvs: Tlvs = {}


class SubmitSm(Pdu, frozen=True, gc=False):
    """A short message from the ESME. ``short_message`` is counted octets: a NUL in it is data (``@`` in GSM)."""

    command_id: ClassVar[int] = c.SUBMIT_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = {}


class SubmitSmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.SUBMIT_SM_RESP
    message_id: str = ""
    tlvs: Tlvs = {}


class DeliverSm(Pdu, frozen=True, gc=False):
    """A short message or a receipt for the ESME; the fields of `SubmitSm`."""

    command_id: ClassVar[int] = c.DELIVER_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = {}


class DeliverSmResp(Pdu, frozen=True, gc=False):
    """``message_id`` is empty by the book; some peers fill it, nobody reads it."""

    command_id: ClassVar[int] = c.DELIVER_SM_RESP
    message_id: str = ""
    tlvs: Tlvs = {}


class DataSm(Pdu, frozen=True, gc=False):
    """A message whose text is in the TLV message_payload; runs both ways."""

    command_id: ClassVar[int] = c.DATA_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    esm_class: int = 0
    registered_delivery: int = 0
    data_coding: int = 0
    tlvs: Tlvs = {}


class DataSmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.DATA_SM_RESP
    message_id: str = ""
    tlvs: Tlvs = {}


class Destination(msgspec.Struct, frozen=True, gc=False):
    """One destination of submit_multi: an address (``dest_flag`` 1), or the name of a list (2)."""

    dest_flag: int = c.DEST_FLAG_SME
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    dl_name: str = ""


class SubmitMulti(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.SUBMIT_MULTI
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addresses: tuple[Destination, ...] = ()
    esm_class: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = {}


class UnsuccessfulDestination(msgspec.Struct, frozen=True, gc=False):
    """A destination of submit_multi that was refused, and with which status."""

    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""
    error_status_code: int = 0


class SubmitMultiResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.SUBMIT_MULTI_RESP
    message_id: str = ""
    unsuccess_smes: tuple[UnsuccessfulDestination, ...] = ()
    tlvs: Tlvs = {}


class QuerySm(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.QUERY_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""


class QuerySmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.QUERY_SM_RESP
    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0
    tlvs: Tlvs = {}


class CancelSm(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.CANCEL_SM
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: str = ""


class CancelSmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.CANCEL_SM_RESP
    tlvs: Tlvs = {}


class ReplaceSm(Pdu, frozen=True, gc=False):
    """New text for a pending message. There is no data_coding: the text uses the coding of the old one."""

    command_id: ClassVar[int] = c.REPLACE_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    schedule_delivery_time: str = ""
    validity_period: str = ""
    registered_delivery: int = 0
    sm_default_msg_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = {}


class ReplaceSmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.REPLACE_SM_RESP
    tlvs: Tlvs = {}


class AlertNotification(Pdu, frozen=True, gc=False):
    """A handset can be reached again. There is no response to it."""

    command_id: ClassVar[int] = c.ALERT_NOTIFICATION
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    esme_addr_ton: int = 0
    esme_addr_npi: int = 0
    esme_addr: str = ""
    tlvs: Tlvs = {}


class BroadcastSm(Pdu, frozen=True, gc=False):
    """A text for every handset in some areas. Each area is a broadcast_area_identifier of its own (5.0 §4.8.4.4).

    The standard also wants the TLVs broadcast_content_type, broadcast_rep_num and broadcast_frequency_interval; the
    text is in message_payload.
    """

    command_id: ClassVar[int] = c.BROADCAST_SM
    service_type: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    message_id: str = ""
    priority_flag: int = 0
    schedule_delivery_time: str = ""
    validity_period: str = ""
    replace_if_present_flag: int = 0
    data_coding: int = 0
    sm_default_msg_id: int = 0
    tlvs: Tlvs = {}
    broadcast_area_identifiers: tuple[bytes, ...] = ()


class BroadcastSmResp(Pdu, frozen=True, gc=False):
    """The areas are those that failed, each for the broadcast_error_status beside it."""

    command_id: ClassVar[int] = c.BROADCAST_SM_RESP
    message_id: str = ""
    tlvs: Tlvs = {}
    broadcast_error_statuses: tuple[bytes, ...] = ()
    broadcast_area_identifiers: tuple[bytes, ...] = ()


class QueryBroadcastSm(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.QUERY_BROADCAST_SM
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    tlvs: Tlvs = {}


class QueryBroadcastSmResp(Pdu, frozen=True, gc=False):
    """The first success (per cent, 255: unknown) belongs to the first area, and so on. The state is a TLV."""

    command_id: ClassVar[int] = c.QUERY_BROADCAST_SM_RESP
    message_id: str = ""
    tlvs: Tlvs = {}
    broadcast_area_identifiers: tuple[bytes, ...] = ()
    broadcast_area_successes: tuple[bytes, ...] = ()


class CancelBroadcastSm(Pdu, frozen=True, gc=False):
    """By message_id; or, where that is empty, what this source sent (with broadcast_content_type: of that content)."""

    command_id: ClassVar[int] = c.CANCEL_BROADCAST_SM
    service_type: str = ""
    message_id: str = ""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: str = ""
    tlvs: Tlvs = {}


class CancelBroadcastSmResp(Pdu, frozen=True, gc=False):
    command_id: ClassVar[int] = c.CANCEL_BROADCAST_SM_RESP
    tlvs: Tlvs = {}


PDUS: dict[int, type[Pdu]] = {
    kind.command_id: kind
    for kind in (
        GenericNack,
        BindReceiver,
        BindReceiverResp,
        BindTransmitter,
        BindTransmitterResp,
        BindTransceiver,
        BindTransceiverResp,
        Outbind,
        Unbind,
        UnbindResp,
        EnquireLink,
        EnquireLinkResp,
        SubmitSm,
        SubmitSmResp,
        DeliverSm,
        DeliverSmResp,
        DataSm,
        DataSmResp,
        SubmitMulti,
        SubmitMultiResp,
        QuerySm,
        QuerySmResp,
        CancelSm,
        CancelSmResp,
        ReplaceSm,
        ReplaceSmResp,
        AlertNotification,
        BroadcastSm,
        BroadcastSmResp,
        QueryBroadcastSm,
        QueryBroadcastSmResp,
        CancelBroadcastSm,
        CancelBroadcastSmResp,
    )
}
"""Every PDU that we know, by command_id."""
