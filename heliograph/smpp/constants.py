"""The numbers of SMPP 3.4 and 5.0 and what they mean.

Plain integers rather than enums: they are compared for every PDU, and peers send values that no list holds.
Source: SMPP 3.4 issue 1.2 §5, SMPP 5.0 §4.7 and §4.8.
"""

from __future__ import annotations

from typing import Final, NamedTuple

# --- command_id (3.4 §5.1.2.1) -----------------------------------------------------------------------------------
RESPONSE_BIT: Final = 0x80000000

GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_RECEIVER_RESP: Final = 0x80000001
BIND_TRANSMITTER: Final = 0x00000002
BIND_TRANSMITTER_RESP: Final = 0x80000002
QUERY_SM: Final = 0x00000003
QUERY_SM_RESP: Final = 0x80000003
SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
DELIVER_SM: Final = 0x00000005
DELIVER_SM_RESP: Final = 0x80000005
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
REPLACE_SM: Final = 0x00000007
REPLACE_SM_RESP: Final = 0x80000007
CANCEL_SM: Final = 0x00000008
CANCEL_SM_RESP: Final = 0x80000008
BIND_TRANSCEIVER: Final = 0x00000009
BIND_TRANSCEIVER_RESP: Final = 0x80000009
OUTBIND: Final = 0x0000000B
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
SUBMIT_MULTI: Final = 0x00000021
SUBMIT_MULTI_RESP: Final = 0x80000021
ALERT_NOTIFICATION: Final = 0x00000102
DATA_SM: Final = 0x00000103
DATA_SM_RESP: Final = 0x80000103
BROADCAST_SM: Final = 0x00000111
BROADCAST_SM_RESP: Final = 0x80000111
QUERY_BROADCAST_SM: Final = 0x00000112
QUERY_BROADCAST_SM_RESP: Final = 0x80000112
CANCEL_BROADCAST_SM: Final = 0x00000113
CANCEL_BROADCAST_SM_RESP: Final = 0x80000113

BINDS: Final = frozenset((BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER))
BIND_RESPONSES: Final = frozenset((BIND_RECEIVER_RESP, BIND_TRANSMITTER_RESP, BIND_TRANSCEIVER_RESP))
BROADCASTS: Final = frozenset((BROADCAST_SM, QUERY_BROADCAST_SM, CANCEL_BROADCAST_SM))
"""Requests of SMPP 5.0 alone, for cell broadcast."""

# --- the frame (3.4 §3.2) ----------------------------------------------------------------------------------------
HEADER_OCTETS: Final = 16
BODY_OCTETS_MAX: Final = 65536
"""Enough for a message_payload of 64 KiB less the other fields; a length beyond it is not a PDU but noise."""
FRAME_OCTETS_MAX: Final = HEADER_OCTETS + BODY_OCTETS_MAX
SEQUENCE_NUMBER_MAX: Final = 0x7FFFFFFF
READ_TEXT_OCTETS_MAX: Final = 64
"""How long a C-octet string may be when read, whatever the book says: passwords of 12 to 16 characters are common."""

# --- interface_version -------------------------------------------------------------------------------------------
VERSION_3_3: Final = 0x33
VERSION_3_4: Final = 0x34
VERSION_5_0: Final = 0x50

# --- command_status (3.4 §5.1.3, 5.0 §4.7.6) ---------------------------------------------------------------------
ESME_ROK: Final = 0x00
ESME_RINVMSGLEN: Final = 0x01
ESME_RINVCMDLEN: Final = 0x02
ESME_RINVCMDID: Final = 0x03
ESME_RINVBNDSTS: Final = 0x04
ESME_RALYBND: Final = 0x05
ESME_RINVPRTFLG: Final = 0x06
ESME_RINVREGDLVFLG: Final = 0x07
ESME_RSYSERR: Final = 0x08
ESME_RINVSRCADR: Final = 0x0A
ESME_RINVDSTADR: Final = 0x0B
ESME_RINVMSGID: Final = 0x0C
ESME_RBINDFAIL: Final = 0x0D
ESME_RINVPASWD: Final = 0x0E
ESME_RINVSYSID: Final = 0x0F
ESME_RCANCELFAIL: Final = 0x11
ESME_RREPLACEFAIL: Final = 0x13
ESME_RMSGQFUL: Final = 0x14
ESME_RINVSERTYP: Final = 0x15
ESME_RINVNUMDESTS: Final = 0x33
ESME_RINVDLNAME: Final = 0x34
ESME_RINVDESTFLAG: Final = 0x40
ESME_RINVSUBREP: Final = 0x42
ESME_RINVESMCLASS: Final = 0x43
ESME_RCNTSUBDL: Final = 0x44
ESME_RSUBMITFAIL: Final = 0x45
ESME_RINVSRCTON: Final = 0x48
ESME_RINVSRCNPI: Final = 0x49
ESME_RINVDSTTON: Final = 0x50
ESME_RINVDSTNPI: Final = 0x51
ESME_RINVSYSTYP: Final = 0x53
ESME_RINVREPFLAG: Final = 0x54
ESME_RINVNUMMSGS: Final = 0x55
ESME_RTHROTTLED: Final = 0x58
ESME_RINVSCHED: Final = 0x61
ESME_RINVEXPIRY: Final = 0x62
ESME_RINVDFTMSGID: Final = 0x63
ESME_RX_T_APPN: Final = 0x64
ESME_RX_P_APPN: Final = 0x65
ESME_RX_R_APPN: Final = 0x66
ESME_RQUERYFAIL: Final = 0x67
ESME_RINVOPTPARSTREAM: Final = 0xC0
ESME_ROPTPARNOTALLWD: Final = 0xC1
ESME_RINVPARLEN: Final = 0xC2
ESME_RMISSINGOPTPARAM: Final = 0xC3
ESME_RINVOPTPARAMVAL: Final = 0xC4
# The same five as 5.0 names them.
ESME_RINVTLVSTREAM: Final = ESME_RINVOPTPARSTREAM
ESME_RTLVNOTALLWD: Final = ESME_ROPTPARNOTALLWD
ESME_RINVTLVLEN: Final = ESME_RINVPARLEN
ESME_RMISSINGTLV: Final = ESME_RMISSINGOPTPARAM
ESME_RINVTLVVAL: Final = ESME_RINVOPTPARAMVAL
ESME_RDELIVERYFAILURE: Final = 0xFE
ESME_RUNKNOWNERR: Final = 0xFF
ESME_RSERTYPUNAUTH: Final = 0x100
ESME_RPROHIBITED: Final = 0x101
ESME_RSERTYPUNAVAIL: Final = 0x102
ESME_RSERTYPDENIED: Final = 0x103
ESME_RINVDCS: Final = 0x104
ESME_RINVSRCADDRSUBUNIT: Final = 0x105
ESME_RINVDSTADDRSUBUNIT: Final = 0x106
ESME_RINVBCASTFREQINT: Final = 0x107
ESME_RINVBCASTALIAS_NAME: Final = 0x108
ESME_RINVBCASTAREAFMT: Final = 0x109
ESME_RINVNUMBCAST_AREAS: Final = 0x10A
ESME_RINVBCASTCNTTYPE: Final = 0x10B
ESME_RINVBCASTMSGCLASS: Final = 0x10C
ESME_RBCASTFAIL: Final = 0x10D
ESME_RBCASTQUERYFAIL: Final = 0x10E
ESME_RBCASTCANCELFAIL: Final = 0x10F
ESME_RINVBCAST_REP: Final = 0x110
ESME_RINVBCASTSRVGRP: Final = 0x111
ESME_RINVBCASTCHANIND: Final = 0x112


class Meaning(NamedTuple):
    """The name of a number in the standard, and what it says in a few words."""

    name: str
    text: str


STATUSES: Final[dict[int, Meaning]] = {
    ESME_ROK: Meaning("ESME_ROK", "no error"),
    ESME_RINVMSGLEN: Meaning("ESME_RINVMSGLEN", "message length is invalid"),
    ESME_RINVCMDLEN: Meaning("ESME_RINVCMDLEN", "PDU length is invalid"),
    ESME_RINVCMDID: Meaning("ESME_RINVCMDID", "unknown command"),
    ESME_RINVBNDSTS: Meaning("ESME_RINVBNDSTS", "command not allowed in this bind state"),
    ESME_RALYBND: Meaning("ESME_RALYBND", "already bound"),
    ESME_RINVPRTFLG: Meaning("ESME_RINVPRTFLG", "invalid priority"),
    ESME_RINVREGDLVFLG: Meaning("ESME_RINVREGDLVFLG", "invalid registered_delivery"),
    ESME_RSYSERR: Meaning("ESME_RSYSERR", "system error of the peer"),
    ESME_RINVSRCADR: Meaning("ESME_RINVSRCADR", "invalid source address"),
    ESME_RINVDSTADR: Meaning("ESME_RINVDSTADR", "invalid destination address"),
    ESME_RINVMSGID: Meaning("ESME_RINVMSGID", "invalid message id"),
    ESME_RBINDFAIL: Meaning("ESME_RBINDFAIL", "bind failed"),
    ESME_RINVPASWD: Meaning("ESME_RINVPASWD", "invalid password"),
    ESME_RINVSYSID: Meaning("ESME_RINVSYSID", "invalid system id"),
    ESME_RCANCELFAIL: Meaning("ESME_RCANCELFAIL", "cancel failed"),
    ESME_RREPLACEFAIL: Meaning("ESME_RREPLACEFAIL", "replace failed"),
    ESME_RMSGQFUL: Meaning("ESME_RMSGQFUL", "message queue is full"),
    ESME_RINVSERTYP: Meaning("ESME_RINVSERTYP", "invalid service type"),
    ESME_RINVNUMDESTS: Meaning("ESME_RINVNUMDESTS", "invalid number of destinations"),
    ESME_RINVDLNAME: Meaning("ESME_RINVDLNAME", "invalid distribution list name"),
    ESME_RINVDESTFLAG: Meaning("ESME_RINVDESTFLAG", "invalid destination flag"),
    ESME_RINVSUBREP: Meaning("ESME_RINVSUBREP", "submit with replace not supported"),
    ESME_RINVESMCLASS: Meaning("ESME_RINVESMCLASS", "invalid esm_class"),
    ESME_RCNTSUBDL: Meaning("ESME_RCNTSUBDL", "cannot submit to the distribution list"),
    ESME_RSUBMITFAIL: Meaning("ESME_RSUBMITFAIL", "submit failed"),
    ESME_RINVSRCTON: Meaning("ESME_RINVSRCTON", "invalid source TON"),
    ESME_RINVSRCNPI: Meaning("ESME_RINVSRCNPI", "invalid source NPI"),
    ESME_RINVDSTTON: Meaning("ESME_RINVDSTTON", "invalid destination TON"),
    ESME_RINVDSTNPI: Meaning("ESME_RINVDSTNPI", "invalid destination NPI"),
    ESME_RINVSYSTYP: Meaning("ESME_RINVSYSTYP", "invalid system type"),
    ESME_RINVREPFLAG: Meaning("ESME_RINVREPFLAG", "invalid replace_if_present flag"),
    ESME_RINVNUMMSGS: Meaning("ESME_RINVNUMMSGS", "invalid number of messages"),
    ESME_RTHROTTLED: Meaning("ESME_RTHROTTLED", "over the allowed throughput"),
    ESME_RINVSCHED: Meaning("ESME_RINVSCHED", "invalid schedule_delivery_time"),
    ESME_RINVEXPIRY: Meaning("ESME_RINVEXPIRY", "invalid validity_period"),
    ESME_RINVDFTMSGID: Meaning("ESME_RINVDFTMSGID", "invalid predefined message id"),
    ESME_RX_T_APPN: Meaning("ESME_RX_T_APPN", "temporary error of the receiving application"),
    ESME_RX_P_APPN: Meaning("ESME_RX_P_APPN", "permanent error of the receiving application"),
    ESME_RX_R_APPN: Meaning("ESME_RX_R_APPN", "rejected by the receiving application"),
    ESME_RQUERYFAIL: Meaning("ESME_RQUERYFAIL", "query failed"),
    ESME_RINVOPTPARSTREAM: Meaning("ESME_RINVOPTPARSTREAM", "error in the optional parameters"),
    ESME_ROPTPARNOTALLWD: Meaning("ESME_ROPTPARNOTALLWD", "optional parameter not allowed"),
    ESME_RINVPARLEN: Meaning("ESME_RINVPARLEN", "invalid parameter length"),
    ESME_RMISSINGOPTPARAM: Meaning("ESME_RMISSINGOPTPARAM", "optional parameter missing"),
    ESME_RINVOPTPARAMVAL: Meaning("ESME_RINVOPTPARAMVAL", "invalid value of an optional parameter"),
    ESME_RDELIVERYFAILURE: Meaning("ESME_RDELIVERYFAILURE", "delivery failed"),
    ESME_RUNKNOWNERR: Meaning("ESME_RUNKNOWNERR", "unknown error"),
    ESME_RSERTYPUNAUTH: Meaning("ESME_RSERTYPUNAUTH", "not authorised for this service type"),
    ESME_RPROHIBITED: Meaning("ESME_RPROHIBITED", "operation prohibited"),
    ESME_RSERTYPUNAVAIL: Meaning("ESME_RSERTYPUNAVAIL", "service type unavailable"),
    ESME_RSERTYPDENIED: Meaning("ESME_RSERTYPDENIED", "service type denied"),
    ESME_RINVDCS: Meaning("ESME_RINVDCS", "invalid data coding"),
    ESME_RINVSRCADDRSUBUNIT: Meaning("ESME_RINVSRCADDRSUBUNIT", "invalid source address subunit"),
    ESME_RINVDSTADDRSUBUNIT: Meaning("ESME_RINVDSTADDRSUBUNIT", "invalid destination address subunit"),
    ESME_RINVBCASTFREQINT: Meaning("ESME_RINVBCASTFREQINT", "invalid broadcast interval"),
    ESME_RINVBCASTALIAS_NAME: Meaning("ESME_RINVBCASTALIAS_NAME", "invalid broadcast alias name"),
    ESME_RINVBCASTAREAFMT: Meaning("ESME_RINVBCASTAREAFMT", "invalid broadcast area format"),
    ESME_RINVNUMBCAST_AREAS: Meaning("ESME_RINVNUMBCAST_AREAS", "invalid number of broadcast areas"),
    ESME_RINVBCASTCNTTYPE: Meaning("ESME_RINVBCASTCNTTYPE", "invalid broadcast content type"),
    ESME_RINVBCASTMSGCLASS: Meaning("ESME_RINVBCASTMSGCLASS", "invalid broadcast message class"),
    ESME_RBCASTFAIL: Meaning("ESME_RBCASTFAIL", "broadcast failed"),
    ESME_RBCASTQUERYFAIL: Meaning("ESME_RBCASTQUERYFAIL", "broadcast query failed"),
    ESME_RBCASTCANCELFAIL: Meaning("ESME_RBCASTCANCELFAIL", "broadcast cancel failed"),
    ESME_RINVBCAST_REP: Meaning("ESME_RINVBCAST_REP", "invalid number of broadcasts"),
    ESME_RINVBCASTSRVGRP: Meaning("ESME_RINVBCASTSRVGRP", "invalid broadcast service group"),
    ESME_RINVBCASTCHANIND: Meaning("ESME_RINVBCASTCHANIND", "invalid broadcast channel"),
}


def status_name(status: int) -> str:
    """``ESME_RTHROTTLED`` for 0x58; a number that no standard lists is worded as ``0x000004A1``."""
    meaning = STATUSES.get(status)
    return meaning.name if meaning is not None else f"0x{status:08X}"


# --- addresses (3.4 §5.2.5, §5.2.6) ------------------------------------------------------------------------------
TON_UNKNOWN: Final = 0
TON_INTERNATIONAL: Final = 1
TON_NATIONAL: Final = 2
TON_NETWORK_SPECIFIC: Final = 3
TON_SUBSCRIBER: Final = 4
TON_ALPHANUMERIC: Final = 5
TON_ABBREVIATED: Final = 6

NPI_UNKNOWN: Final = 0
NPI_ISDN: Final = 1
NPI_DATA: Final = 3
NPI_TELEX: Final = 4
NPI_LAND_MOBILE: Final = 6
NPI_NATIONAL: Final = 8
NPI_PRIVATE: Final = 9
NPI_ERMES: Final = 10
NPI_INTERNET: Final = 14
NPI_WAP: Final = 18

# --- esm_class (3.4 §5.2.12): always masked, never compared whole ------------------------------------------------
ESM_MODE_MASK: Final = 0x03
ESM_MODE_DEFAULT: Final = 0x00
ESM_MODE_DATAGRAM: Final = 0x01
ESM_MODE_TRANSACTION: Final = 0x02
ESM_MODE_STORE_AND_FORWARD: Final = 0x03
ESM_TYPE_MASK: Final = 0x3C
ESM_TYPE_RECEIPT: Final = 0x04
ESM_TYPE_DELIVERY_ACK: Final = 0x08
ESM_TYPE_MANUAL_ACK: Final = 0x10
ESM_TYPE_CONVERSATION_ABORT: Final = 0x18
ESM_TYPE_INTERMEDIATE: Final = 0x20
ESM_UDHI: Final = 0x40
ESM_REPLY_PATH: Final = 0x80

# --- registered_delivery (3.4 §5.2.17) ---------------------------------------------------------------------------
RECEIPT_MASK: Final = 0x03
RECEIPT_NONE: Final = 0x00
RECEIPT_ALWAYS: Final = 0x01
RECEIPT_ON_FAILURE: Final = 0x02
RECEIPT_ON_SUCCESS: Final = 0x03
SME_ACK_MASK: Final = 0x0C
RECEIPT_INTERMEDIATE: Final = 0x10

# --- data_coding (3.4 §5.2.19) -----------------------------------------------------------------------------------
DATA_CODING_DEFAULT: Final = 0x00
DATA_CODING_ASCII: Final = 0x01
DATA_CODING_BINARY_ALIAS: Final = 0x02
DATA_CODING_LATIN1: Final = 0x03
DATA_CODING_BINARY: Final = 0x04
DATA_CODING_JIS: Final = 0x05
DATA_CODING_CYRILLIC: Final = 0x06
DATA_CODING_HEBREW: Final = 0x07
DATA_CODING_UCS2: Final = 0x08

# --- submit_multi destinations (3.4 §5.2.25) ---------------------------------------------------------------------
DEST_FLAG_SME: Final = 1
DEST_FLAG_LIST: Final = 2
DESTINATIONS_MAX: Final = 254

# --- message_state (3.4 §5.2.28, 5.0 §4.7.15) --------------------------------------------------------------------
STATE_SCHEDULED: Final = 0
STATE_ENROUTE: Final = 1
STATE_DELIVERED: Final = 2
STATE_EXPIRED: Final = 3
STATE_DELETED: Final = 4
STATE_UNDELIVERABLE: Final = 5
STATE_ACCEPTED: Final = 6
STATE_UNKNOWN: Final = 7
STATE_REJECTED: Final = 8
STATE_SKIPPED: Final = 9

MESSAGE_STATES: Final[dict[int, str]] = {
    STATE_SCHEDULED: "SCHEDLD",
    STATE_ENROUTE: "ENROUTE",
    STATE_DELIVERED: "DELIVRD",
    STATE_EXPIRED: "EXPIRED",
    STATE_DELETED: "DELETED",
    STATE_UNDELIVERABLE: "UNDELIV",
    STATE_ACCEPTED: "ACCEPTD",
    STATE_UNKNOWN: "UNKNOWN",
    STATE_REJECTED: "REJECTD",
    STATE_SKIPPED: "SKIPPED",
}
"""message_state to the word that a receipt's ``stat`` says for it."""

# --- congestion_state (5.0 §4.8.4.18) ----------------------------------------------------------------------------
CONGESTION_IDLE: Final = 0
CONGESTION_OPTIMUM: Final = 80
"""80 to 89: as busy as the peer likes to be."""
CONGESTION_NEARING: Final = 90
"""90 to 99: it will soon be more than it can take."""
CONGESTION_FULL: Final = 100

# --- TLV tags (3.4 §5.3.2, 5.0 §4.8.1) ---------------------------------------------------------------------------
TAG_DEST_ADDR_SUBUNIT: Final = 0x0005
TAG_DEST_NETWORK_TYPE: Final = 0x0006
TAG_DEST_BEARER_TYPE: Final = 0x0007
TAG_DEST_TELEMATICS_ID: Final = 0x0008
TAG_SOURCE_ADDR_SUBUNIT: Final = 0x000D
TAG_SOURCE_NETWORK_TYPE: Final = 0x000E
TAG_SOURCE_BEARER_TYPE: Final = 0x000F
TAG_SOURCE_TELEMATICS_ID: Final = 0x0010
TAG_QOS_TIME_TO_LIVE: Final = 0x0017
TAG_PAYLOAD_TYPE: Final = 0x0019
TAG_ADDITIONAL_STATUS_INFO_TEXT: Final = 0x001D
TAG_RECEIPTED_MESSAGE_ID: Final = 0x001E
TAG_MS_MSG_WAIT_FACILITIES: Final = 0x0030
TAG_PRIVACY_INDICATOR: Final = 0x0201
TAG_SOURCE_SUBADDRESS: Final = 0x0202
TAG_DEST_SUBADDRESS: Final = 0x0203
TAG_USER_MESSAGE_REFERENCE: Final = 0x0204
TAG_USER_RESPONSE_CODE: Final = 0x0205
TAG_SOURCE_PORT: Final = 0x020A
TAG_DESTINATION_PORT: Final = 0x020B
TAG_SAR_MSG_REF_NUM: Final = 0x020C
TAG_LANGUAGE_INDICATOR: Final = 0x020D
TAG_SAR_TOTAL_SEGMENTS: Final = 0x020E
TAG_SAR_SEGMENT_SEQNUM: Final = 0x020F
TAG_SC_INTERFACE_VERSION: Final = 0x0210
TAG_CALLBACK_NUM_PRES_IND: Final = 0x0302
TAG_CALLBACK_NUM_ATAG: Final = 0x0303
TAG_NUMBER_OF_MESSAGES: Final = 0x0304
TAG_CALLBACK_NUM: Final = 0x0381
TAG_DPF_RESULT: Final = 0x0420
TAG_SET_DPF: Final = 0x0421
TAG_MS_AVAILABILITY_STATUS: Final = 0x0422
TAG_NETWORK_ERROR_CODE: Final = 0x0423
TAG_MESSAGE_PAYLOAD: Final = 0x0424
TAG_DELIVERY_FAILURE_REASON: Final = 0x0425
TAG_MORE_MESSAGES_TO_SEND: Final = 0x0426
TAG_MESSAGE_STATE: Final = 0x0427
TAG_CONGESTION_STATE: Final = 0x0428
TAG_USSD_SERVICE_OP: Final = 0x0501
TAG_BROADCAST_CHANNEL_INDICATOR: Final = 0x0600
TAG_BROADCAST_CONTENT_TYPE: Final = 0x0601
TAG_BROADCAST_CONTENT_TYPE_INFO: Final = 0x0602
TAG_BROADCAST_MESSAGE_CLASS: Final = 0x0603
TAG_BROADCAST_REP_NUM: Final = 0x0604
TAG_BROADCAST_FREQUENCY_INTERVAL: Final = 0x0605
TAG_BROADCAST_AREA_IDENTIFIER: Final = 0x0606
TAG_BROADCAST_ERROR_STATUS: Final = 0x0607
TAG_BROADCAST_AREA_SUCCESS: Final = 0x0608
TAG_BROADCAST_END_TIME: Final = 0x0609
TAG_BROADCAST_SERVICE_GROUP: Final = 0x060A
TAG_BILLING_IDENTIFICATION: Final = 0x060B
TAG_SOURCE_NETWORK_ID: Final = 0x060D
TAG_DEST_NETWORK_ID: Final = 0x060E
TAG_SOURCE_NODE_ID: Final = 0x060F
TAG_DEST_NODE_ID: Final = 0x0610
TAG_DEST_ADDR_NP_RESOLUTION: Final = 0x0611
TAG_DEST_ADDR_NP_INFORMATION: Final = 0x0612
TAG_DEST_ADDR_NP_COUNTRY: Final = 0x0613
TAG_DISPLAY_TIME: Final = 0x1201
TAG_SMS_SIGNAL: Final = 0x1203
TAG_MS_VALIDITY: Final = 0x1204
TAG_ALERT_ON_MESSAGE_DELIVERY: Final = 0x130C
TAG_ITS_REPLY_TYPE: Final = 0x1380
TAG_ITS_SESSION_INFO: Final = 0x1383

__all__ = [name for name in dir() if name.isupper()] + ["Meaning", "status_name"]
