"""What each field of the administrative bodies and answers means: part of the document's table."""

from __future__ import annotations

from typing import Final

__all__ = ["ADMIN_FIELDS"]

_KEY: Final = {
    "name": "What people call it.",
    "scopes": "What it may do.",
    "addresses": "From where it is taken: ranges (CIDR); empty is from anywhere.",
}
_CONNECTOR: Final = {
    "kind": "Of which kind it is: smpp, or one that a plug-in brings.",
    "settings": "Its settings, as [the kind has them](settings.md). A secret is shown as set, and given as a text, as "
    "env:NAME or file:secrets/NAME.",
}
_ROUTE: Final = {
    "connectors": "Names of connectors, tried in this order.",
    "prefixes": 'Beginnings of the recipients\' numbers, digits without +; "" is every number.',
    "accounts": "Names of the accounts that it is for; none means all.",
}
_NUMBER: Final = {
    "account": "Whose it is. An account of a new name is made.",
    "connectors": "Names of connectors on which it is reached; none means any.",
}
_DECLARED: Final = {
    "managed_by": "file: it is changed in the configuration file alone; store: here.",
    "problem": "Why it does not hold on this server; everything else does.",
    "created_at": "When it was made.",
    "changed_at": "When it was last changed.",
}
_MORE: Final = "Give it as after for the next page; null at the end."
_DECLARED_FIELDS: Final[dict[str, dict[str, str]]] = {
    "ConnectorBody": _CONNECTOR,
    "ConnectorPatch": {"settings": "The settings to change; null is as by default. What is not there stays."},
    "ConnectorView": {
        "name": "Its name.",
        **_CONNECTOR,
        "bound": "Whether this server has a link that may transmit.",
        **_DECLARED,
    },
    "ConnectorList": {"connectors": "The page.", "next": _MORE},
    "RouteBody": _ROUTE,
    "RoutePatch": _ROUTE,
    "RouteView": {"name": "Its name.", **_ROUTE, **_DECLARED},
    "RouteList": {"routes": "The page.", "next": _MORE},
    "NumberBody": _NUMBER,
    "NumberPatch": _NUMBER,
    "NumberView": {"number": "The long number or short code, digits.", **_NUMBER, **_DECLARED},
    "NumberList": {"numbers": "The page.", "next": _MORE},
    "ChangeView": {
        "action": "create, change or delete.",
        "kind": "Of what: connector, route, number, account.",
        "name": "Of which.",
        "before": "What it was; a secret says only that it is set.",
        "after": "What it is since.",
    },
    "ChangeReply": {
        "dry_run": "true: nothing was changed.",
        "changes": "What is different; nothing where everything was so already.",
    },
}
_EMAIL: Final = "The address with which the person logs in."
_SYSTEM_ID: Final = "The name that the customer binds with: 1 to 15 ASCII characters."
_PERSON: Final = {
    "role": "What the person may do, on the account and those below: owner, developer, operator, marketer, viewer.",
    "name": "What people call them.",
}
_SMPP: Final = {
    "name": "What people call it.",
    "addresses": "From where it may bind: ranges (CIDR); empty is from anywhere.",
    "binds": "Sessions at the same time.",
    "window": "Requests in a session that wait for their answer.",
}
_ORIGINS: Final = "Origins of the pages that may start it, as browsers spell them: https://shop.example."
_PUBLISHABLE_FIELDS: Final[dict[str, dict[str, str]]] = {
    "PublishableBody": {
        "message": "The message as POST /v1/messages takes it, without a date.",
        "origins": _ORIGINS,
        "expires_in": "Seconds for which the token is good.",
    },
    "PublishableView": {
        "id": "The token's name, with which it begins. It tells nobody the rest.",
        "state": "open, started, refused (the start was), expired or revoked.",
        "test": "Whether it starts a message of the sandbox.",
        "origins": _ORIGINS,
        "made_by": "The key that it was made with, and dies with.",
        "message": "The message that it starts.",
        "created_at": "When it was made.",
        "expires_at": "When it ends.",
        "message_id": "The message that it started.",
        "refusal": "Why the start was refused: the code that a send would have had.",
        "revoked_at": "When it was revoked.",
        "token": "What the page sends: shown once.",
        "secret_shown": "false where a repeated request is answered: the token was shown to the first.",
    },
    "PublishableList": {"tokens": "The page, newest first.", "next": "The cursor of the next page; null at the end."},
    "StartReply": {"status": "accepted."},
}
ADMIN_FIELDS: Final[dict[str, dict[str, str]]] = {
    **_PUBLISHABLE_FIELDS,
    "AccountBody": {
        "name": "Its own name; before it stand its parent's name and a dot.",
        "parent": "The account above it; yours by default.",
        "settings": "What it says itself.",
    },
    "AccountPatch": {
        "settings": "What it shall say itself; what is not there stays.",
        "closed": "true: no key of it or below it is valid any more; false: it is open again.",
    },
    "AccountWords": {
        "recipients": "valid refuses numbers that no numbering plan knows; possible takes them.",
        "default_region": 'The ISO 3166 code of the region in which numbers without + are read; "": none.',
        "quiet_hours": 'When no handset is written to by its own clock, as 21:00-08:00; "": at no time.',
        "quiet_types": "The types of messages that keep to the quiet hours.",
        "time_zone": "The zone of the quiet hours where a number tells none.",
        "smart_encoding": "Whether look-alikes of GSM-7 characters are replaced where that makes a text GSM-7.",
        "national_tables": "Whether texts may leave in national language tables.",
    },
    "AccountView": {
        "name": "The account's whole name.",
        "parent": "The account above it; null at the top.",
        "managed_by": "api, or file for what the configuration file declares.",
        "settings": "What it says itself.",
        "effective": "What holds for it, by its own words and by those above it.",
        "created_at": "When it was made.",
        "closed_at": "Since when it, or one above it, is closed.",
        "version": "How often it was changed; its ETag.",
    },
    "AccountList": {"accounts": "By name.", "next": "Give it as after for the next page; null at the end."},
    "KeyBody": {
        **_KEY,
        "scopes": "What it may do; by default all that customers do. Never more than the key that asks.",
        "expires_in_s": "Seconds until it ends; null is never.",
        "test": "true: a key of the sandbox.",
        "account": "Whose it is; by default that of the key that asks. Others' need the scope admin.",
    },
    "KeyPatch": {**_KEY, "expires_at": "When it ends, ISO 8601 with an offset; null is never."},
    "KeyRotation": {"overlap_s": "Seconds that the old key goes on beside the new one."},
    "KeyView": {
        **_KEY,
        "id": "The key's id: its readable beginning.",
        "account": "Whose it is.",
        "test": "Whether it is of the sandbox.",
        "created_at": "When it was made.",
        "expires_at": "When it ends.",
        "revoked_at": "Since when it is no more taken.",
        "last_used_at": "When it was last taken, to the minute or so.",
        "key": "Its text. Shown once.",
        "secret_shown": "False in a replay: the text was shown the first time.",
    },
    "KeyList": {"keys": "Newest last."},
    **_DECLARED_FIELDS,
    "PersonBody": {
        "email": _EMAIL,
        **_PERSON,
        "password": "Chosen: 12 characters or more. Null: one is made, and shown once.",
        "account": "Where; by default the account of the key that asks.",
    },
    "PersonPatch": {**_PERSON, "password": "Another one, 12 characters or more."},
    "PersonView": {
        "email": _EMAIL,
        **_PERSON,
        "account": "Where.",
        "created_at": "When it was made.",
        "version": "How often it was changed; its ETag.",
        "password": "The one that was made. Shown once.",
        "secret_shown": "False in a replay: the password was shown the first time.",
    },
    "PersonList": {"people": "By address."},
    "SmppCustomerBody": {
        "system_id": _SYSTEM_ID,
        **_SMPP,
        "account": "Whose; by default the account of the key that asks.",
    },
    "SmppCustomerPatch": _SMPP,
    "SmppCustomerView": {
        "system_id": _SYSTEM_ID,
        **_SMPP,
        "account": "Whose.",
        "created_at": "When it was made.",
        "version": "How often it was changed; its ETag.",
        "password": "The one that was made, of 8 characters. Shown once.",
        "secret_shown": "False in a replay: the password was shown the first time.",
    },
    "SmppCustomerList": {"smpp_customers": "By system_id."},
    "LimitSet": {
        "requests_per_second": "Requests in a second; each server counts for itself.",
        "requests_per_day": "Requests in a day of UTC.",
        "requests_per_month": "Requests in a calendar month of UTC.",
        "segments_per_second": "Segments in a second; a request that needs more is taken, and paid off by waiting.",
        "segments_per_day": "Segments in a day of UTC.",
        "segments_per_month": "Segments in a calendar month of UTC.",
        "spend_per_day": "What a day's segments may cost, by the prices here; a decimal number as text.",
        "spend_per_month": "What a calendar month's segments may cost.",
        "price": "What a segment costs.",
        "prices": "What a segment to numbers that begin so costs, as +49; the longest beginning holds.",
    },
    "LimitView": {
        "name": "account:NAME or key:ID.",
        "limits": "What may be used at most.",
        "used": "What is used of each limit of this day and month.",
        "changed_at": "When they were set.",
        "version": "How often they were set; the ETag.",
    },
    "LimitList": {"limits": "By name."},
    "AuditList": {"entries": "Newest first.", "next": "The cursor of the next page; null: that was all."},
    "AuditView": {
        "id": "Its number; later ones are higher.",
        "at": "When.",
        "account": "Whom it concerns; null: the operator alone.",
        "actor_kind": "What did it: key, command, …",
        "actor": "Which one: the id of a key, the name of a user.",
        "address": "From where.",
        "action": "What: create, change, rotate, revoke, delete, refuse, …",
        "object_kind": "To what kind of thing.",
        "object_name": "To which.",
        "outcome": "done or refused.",
        "before": "What it was; never a secret.",
        "after": "What it is since; never a secret.",
    },
}
"""schema → field → its meaning."""
