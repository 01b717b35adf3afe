"""What each field of the administrative bodies and answers means: part of the document's table."""

from __future__ import annotations

from typing import Final

__all__ = ["ADMIN_FIELDS"]

_KEY: Final = {
    "name": "What people call it.",
    "scopes": "What it may do.",
    "addresses": "From where it is taken: ranges (CIDR); empty is from anywhere.",
}
ADMIN_FIELDS: Final[dict[str, dict[str, str]]] = {
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
