"""The fields of every PDU of SMPP 3.4 and 5.0, and their TLVs, as tables.

The codec interprets these; nothing else knows the order of fields. Sizes are the standard's: octets of an integer,
or the most octets of a string with its NUL (for counted texts without). Source: SMPP 3.4 issue 1.2 §4 and §5.3.2,
SMPP 5.0 §4.1 to §4.4 and §4.8.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from heliograph.smpp import constants as c
from heliograph.smpp import pdus as p

__all__ = ["LAYOUTS", "TLVS", "Field", "Kind", "Layout", "Tlv", "TlvKind"]


class Kind(Enum):
    """How a field lies on the wire."""

    INT = "integer, big-endian"
    TEXT = "C-octet string: Latin-1 closed by NUL"
    COUNTED = "one octet of length, then so many octets"
    DESTINATIONS = "one octet of count, then destinations of submit_multi"
    UNSUCCESSFUL = "one octet of count, then refused destinations of submit_multi_resp"


class Field(msgspec.Struct, frozen=True):
    """One field: its name in the standard, kind and size, and the status that refuses a bad one.

    ``written_size`` is larger than ``size`` where peers themselves hand out longer values than the book allows.
    """

    name: str
    kind: Kind
    size: int
    status: int = c.ESME_RINVCMDLEN
    written_size: int = 0

    @property
    def writable(self) -> int:
        """The most octets that we write."""
        return self.written_size or self.size


class Layout(msgspec.Struct, frozen=True):
    """The fields of one PDU in wire order, and whether TLVs may follow (in 3.4 or 5.0).

    ``repeated`` are the tags that may stand there many times, each with the field of the PDU that holds its values in
    their order. Of any other tag that comes twice, the last one counts.
    """

    pdu: type[p.Pdu]
    fields: tuple[Field, ...] = ()
    tlvs: bool = False
    repeated: tuple[tuple[int, str], ...] = ()


def _int(name: str, size: int = 1) -> Field:
    return Field(name, Kind.INT, size)


def _text(name: str, size: int, status: int = c.ESME_RINVCMDLEN) -> Field:
    return Field(name, Kind.TEXT, size, status)


_SERVICE_TYPE = _text("service_type", 6, c.ESME_RINVSERTYP)
_MESSAGE_ID = _text("message_id", 65, c.ESME_RINVMSGID)
_CREDENTIAL = c.READ_TEXT_OCTETS_MAX + 1
# Providers issue passwords of 12 to 16 characters: what was configured is sent as it is.
_SYSTEM_ID = Field("system_id", Kind.TEXT, 16, c.ESME_RINVSYSID, _CREDENTIAL)
_PASSWORD = Field("password", Kind.TEXT, 9, c.ESME_RINVPASWD, _CREDENTIAL)
_SYSTEM_TYPE = Field("system_type", Kind.TEXT, 13, c.ESME_RINVSYSTYP, _CREDENTIAL)
# 254 is what 3.4 allows; 255 (5.0) is read but never written.
_SHORT_MESSAGE = Field("short_message", Kind.COUNTED, 254, c.ESME_RINVMSGLEN)
_TIMES = (
    _text("schedule_delivery_time", 17, c.ESME_RINVSCHED),
    _text("validity_period", 17, c.ESME_RINVEXPIRY),
)


def _source(size: int = 21) -> tuple[Field, ...]:
    address = _text("source_addr", size, c.ESME_RINVSRCADR)
    return (_int("source_addr_ton"), _int("source_addr_npi"), address)


def _destination(size: int = 21) -> tuple[Field, ...]:
    address = _text("destination_addr", size, c.ESME_RINVDSTADR)
    return (_int("dest_addr_ton"), _int("dest_addr_npi"), address)


_BIND = (
    _SYSTEM_ID,
    _PASSWORD,
    _SYSTEM_TYPE,
    _int("interface_version"),
    _int("addr_ton"),
    _int("addr_npi"),
    _text("address_range", 41, c.ESME_RBINDFAIL),
)
_MESSAGE = (
    _int("esm_class"),
    _int("protocol_id"),
    _int("priority_flag"),
    *_TIMES,
    _int("registered_delivery"),
    _int("replace_if_present_flag"),
    _int("data_coding"),
    _int("sm_default_msg_id"),
    _SHORT_MESSAGE,
)
_SM = (_SERVICE_TYPE, *_source(), *_destination(), *_MESSAGE)
_AREAS = (c.TAG_BROADCAST_AREA_IDENTIFIER, "broadcast_area_identifiers")

LAYOUTS: dict[int, Layout] = {
    layout.pdu.command_id: layout
    for layout in (
        Layout(p.GenericNack, tlvs=True),
        Layout(p.BindReceiver, _BIND),
        Layout(p.BindTransmitter, _BIND),
        Layout(p.BindTransceiver, _BIND),
        Layout(p.BindReceiverResp, (_SYSTEM_ID,), tlvs=True),
        Layout(p.BindTransmitterResp, (_SYSTEM_ID,), tlvs=True),
        Layout(p.BindTransceiverResp, (_SYSTEM_ID,), tlvs=True),
        Layout(p.Outbind, (_SYSTEM_ID, _PASSWORD)),
        Layout(p.Unbind),
        Layout(p.UnbindResp, tlvs=True),
        Layout(p.EnquireLink),
        Layout(p.EnquireLinkResp, tlvs=True),
        Layout(p.SubmitSm, _SM, tlvs=True),
        Layout(p.SubmitSmResp, (_MESSAGE_ID,), tlvs=True),
        Layout(p.DeliverSm, _SM, tlvs=True),
        Layout(p.DeliverSmResp, (_MESSAGE_ID,), tlvs=True),
        Layout(
            p.DataSm,
            (
                _SERVICE_TYPE,
                *_source(65),
                *_destination(65),
                _int("esm_class"),
                _int("registered_delivery"),
                _int("data_coding"),
            ),
            tlvs=True,
        ),
        Layout(p.DataSmResp, (_MESSAGE_ID,), tlvs=True),
        Layout(
            p.SubmitMulti,
            (
                _SERVICE_TYPE,
                *_source(),
                Field("dest_addresses", Kind.DESTINATIONS, c.DESTINATIONS_MAX, c.ESME_RINVNUMDESTS),
                *_MESSAGE,
            ),
            tlvs=True,
        ),
        Layout(
            p.SubmitMultiResp,
            (_MESSAGE_ID, Field("unsuccess_smes", Kind.UNSUCCESSFUL, 255, c.ESME_RINVNUMDESTS)),
            tlvs=True,
        ),
        Layout(p.QuerySm, (_MESSAGE_ID, *_source())),
        Layout(
            p.QuerySmResp,
            (_MESSAGE_ID, _text("final_date", 17), _int("message_state"), _int("error_code")),
            tlvs=True,
        ),
        Layout(p.CancelSm, (_SERVICE_TYPE, _MESSAGE_ID, *_source(), *_destination())),
        Layout(p.CancelSmResp, tlvs=True),
        Layout(
            p.ReplaceSm,
            (
                _MESSAGE_ID,
                *_source(),
                *_TIMES,
                _int("registered_delivery"),
                _int("sm_default_msg_id"),
                _SHORT_MESSAGE,
            ),
            tlvs=True,
        ),
        Layout(p.ReplaceSmResp, tlvs=True),
        Layout(
            p.AlertNotification,
            (*_source(65), _int("esme_addr_ton"), _int("esme_addr_npi"), _text("esme_addr", 65)),
            tlvs=True,
        ),
        Layout(
            p.BroadcastSm,
            (
                _SERVICE_TYPE,
                *_source(),
                _MESSAGE_ID,
                _int("priority_flag"),
                *_TIMES,
                _int("replace_if_present_flag"),
                _int("data_coding"),
                _int("sm_default_msg_id"),
            ),
            tlvs=True,
            repeated=(_AREAS,),
        ),
        Layout(
            p.BroadcastSmResp,
            (_MESSAGE_ID,),
            tlvs=True,
            repeated=((c.TAG_BROADCAST_ERROR_STATUS, "broadcast_error_statuses"), _AREAS),
        ),
        Layout(p.QueryBroadcastSm, (_MESSAGE_ID, *_source()), tlvs=True),
        Layout(
            p.QueryBroadcastSmResp,
            (_MESSAGE_ID,),
            tlvs=True,
            repeated=(_AREAS, (c.TAG_BROADCAST_AREA_SUCCESS, "broadcast_area_successes")),
        ),
        Layout(p.CancelBroadcastSm, (_SERVICE_TYPE, _MESSAGE_ID, *_source()), tlvs=True),
        Layout(p.CancelBroadcastSmResp, tlvs=True),
    )
}
"""command_id to layout. What is missing here is answered with ESME_RINVCMDID."""


class TlvKind(Enum):
    """How the value of a TLV is to be read."""

    INT = "integer, big-endian"
    TEXT = "C-octet string"
    OCTETS = "octets"


class Tlv(msgspec.Struct, frozen=True):
    """A TLV that the standards know: name, kind, least and most octets (a text's NUL counted), first version."""

    name: str
    kind: TlvKind
    least: int
    most: int
    version: int = c.VERSION_3_4


_MOST = 65535


def _tlv_int(name: str, size: int = 1, version: int = c.VERSION_3_4) -> Tlv:
    return Tlv(name, TlvKind.INT, size, size, version)


def _tlv_octets(name: str, least: int, most: int, version: int = c.VERSION_3_4) -> Tlv:
    return Tlv(name, TlvKind.OCTETS, least, most, version)


def _tlv_text(name: str, most: int, version: int = c.VERSION_3_4) -> Tlv:
    return Tlv(name, TlvKind.TEXT, 1, most, version)


_5 = c.VERSION_5_0
TLVS: dict[int, Tlv] = {
    c.TAG_DEST_ADDR_SUBUNIT: _tlv_int("dest_addr_subunit"),
    c.TAG_DEST_NETWORK_TYPE: _tlv_int("dest_network_type"),
    c.TAG_DEST_BEARER_TYPE: _tlv_int("dest_bearer_type"),
    c.TAG_DEST_TELEMATICS_ID: _tlv_int("dest_telematics_id", 2),
    c.TAG_SOURCE_ADDR_SUBUNIT: _tlv_int("source_addr_subunit"),
    c.TAG_SOURCE_NETWORK_TYPE: _tlv_int("source_network_type"),
    c.TAG_SOURCE_BEARER_TYPE: _tlv_int("source_bearer_type"),
    c.TAG_SOURCE_TELEMATICS_ID: _tlv_int("source_telematics_id"),
    c.TAG_QOS_TIME_TO_LIVE: _tlv_int("qos_time_to_live", 4),
    c.TAG_PAYLOAD_TYPE: _tlv_int("payload_type"),
    c.TAG_ADDITIONAL_STATUS_INFO_TEXT: _tlv_text("additional_status_info_text", 256),
    c.TAG_RECEIPTED_MESSAGE_ID: _tlv_text("receipted_message_id", 65),
    c.TAG_MS_MSG_WAIT_FACILITIES: _tlv_int("ms_msg_wait_facilities"),
    c.TAG_PRIVACY_INDICATOR: _tlv_int("privacy_indicator"),
    c.TAG_SOURCE_SUBADDRESS: _tlv_octets("source_subaddress", 2, 23),
    c.TAG_DEST_SUBADDRESS: _tlv_octets("dest_subaddress", 2, 23),
    c.TAG_USER_MESSAGE_REFERENCE: _tlv_int("user_message_reference", 2),
    c.TAG_USER_RESPONSE_CODE: _tlv_int("user_response_code"),
    c.TAG_SOURCE_PORT: _tlv_int("source_port", 2),
    c.TAG_DESTINATION_PORT: _tlv_int("destination_port", 2),
    c.TAG_SAR_MSG_REF_NUM: _tlv_int("sar_msg_ref_num", 2),
    c.TAG_LANGUAGE_INDICATOR: _tlv_int("language_indicator"),
    c.TAG_SAR_TOTAL_SEGMENTS: _tlv_int("sar_total_segments"),
    c.TAG_SAR_SEGMENT_SEQNUM: _tlv_int("sar_segment_seqnum"),
    c.TAG_SC_INTERFACE_VERSION: _tlv_int("sc_interface_version"),
    c.TAG_CALLBACK_NUM_PRES_IND: _tlv_int("callback_num_pres_ind"),
    c.TAG_CALLBACK_NUM_ATAG: _tlv_octets("callback_num_atag", 0, 65),
    c.TAG_NUMBER_OF_MESSAGES: _tlv_int("number_of_messages"),
    c.TAG_CALLBACK_NUM: _tlv_octets("callback_num", 4, 19),
    c.TAG_DPF_RESULT: _tlv_int("dpf_result"),
    c.TAG_SET_DPF: _tlv_int("set_dpf"),
    c.TAG_MS_AVAILABILITY_STATUS: _tlv_int("ms_availability_status"),
    c.TAG_NETWORK_ERROR_CODE: _tlv_octets("network_error_code", 3, 3),
    c.TAG_MESSAGE_PAYLOAD: _tlv_octets("message_payload", 0, _MOST),
    c.TAG_DELIVERY_FAILURE_REASON: _tlv_int("delivery_failure_reason"),
    c.TAG_MORE_MESSAGES_TO_SEND: _tlv_int("more_messages_to_send"),
    c.TAG_MESSAGE_STATE: _tlv_int("message_state"),
    c.TAG_CONGESTION_STATE: _tlv_int("congestion_state", 1, _5),
    c.TAG_USSD_SERVICE_OP: _tlv_octets("ussd_service_op", 1, 1),
    c.TAG_BROADCAST_CHANNEL_INDICATOR: _tlv_int("broadcast_channel_indicator", 1, _5),
    c.TAG_BROADCAST_CONTENT_TYPE: _tlv_octets("broadcast_content_type", 3, 3, _5),
    c.TAG_BROADCAST_CONTENT_TYPE_INFO: _tlv_octets("broadcast_content_type_info", 0, 255, _5),
    c.TAG_BROADCAST_MESSAGE_CLASS: _tlv_int("broadcast_message_class", 1, _5),
    c.TAG_BROADCAST_REP_NUM: _tlv_int("broadcast_rep_num", 2, _5),
    c.TAG_BROADCAST_FREQUENCY_INTERVAL: _tlv_octets("broadcast_frequency_interval", 3, 3, _5),
    c.TAG_BROADCAST_AREA_IDENTIFIER: _tlv_octets("broadcast_area_identifier", 0, 100, _5),
    c.TAG_BROADCAST_ERROR_STATUS: _tlv_int("broadcast_error_status", 4, _5),
    c.TAG_BROADCAST_AREA_SUCCESS: _tlv_int("broadcast_area_success", 1, _5),
    c.TAG_BROADCAST_END_TIME: _tlv_text("broadcast_end_time", 17, _5),
    c.TAG_BROADCAST_SERVICE_GROUP: _tlv_octets("broadcast_service_group", 0, 255, _5),
    c.TAG_BILLING_IDENTIFICATION: _tlv_octets("billing_identification", 1, 1024, _5),
    c.TAG_SOURCE_NETWORK_ID: Tlv("source_network_id", TlvKind.TEXT, 7, 65, _5),
    c.TAG_DEST_NETWORK_ID: Tlv("dest_network_id", TlvKind.TEXT, 7, 65, _5),
    c.TAG_SOURCE_NODE_ID: _tlv_octets("source_node_id", 6, 6, _5),
    c.TAG_DEST_NODE_ID: _tlv_octets("dest_node_id", 6, 6, _5),
    c.TAG_DEST_ADDR_NP_RESOLUTION: _tlv_int("dest_addr_np_resolution", 1, _5),
    c.TAG_DEST_ADDR_NP_INFORMATION: _tlv_octets("dest_addr_np_information", 10, 10, _5),
    c.TAG_DEST_ADDR_NP_COUNTRY: _tlv_octets("dest_addr_np_country", 1, 5, _5),
    c.TAG_DISPLAY_TIME: _tlv_int("display_time"),
    c.TAG_SMS_SIGNAL: _tlv_int("sms_signal", 2),
    c.TAG_MS_VALIDITY: Tlv("ms_validity", TlvKind.OCTETS, 1, 4),
    c.TAG_ALERT_ON_MESSAGE_DELIVERY: _tlv_octets("alert_on_message_delivery", 0, 1),
    c.TAG_ITS_REPLY_TYPE: _tlv_int("its_reply_type"),
    c.TAG_ITS_SESSION_INFO: _tlv_octets("its_session_info", 2, 2),
}
"""tag to what the standards say of it. A tag that is not here is kept as raw octets and never an error."""
