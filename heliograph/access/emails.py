"""E-mail addresses as people log in with them: one spelling each, within the bounds of mail.

Nothing here asks whether a mailbox exists: only a mail to it can tell.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna

from heliograph.errors import RequestRejected

__all__ = ["MOST_EMAIL_OCTETS", "email_of"]

MOST_EMAIL_OCTETS: Final = 254
"""Source: RFC 5321 §4.5.3.1.3 (a path of 256 octets with its brackets)."""
_MOST_LOCAL_OCTETS: Final = 64
"""Source: RFC 5321 §4.5.3.1.1."""

_LOCAL: Final = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(\.[\w!#$%&'*+/=?^`{|}~-]+)*")
"""Source: RFC 5321 §4.1.2 (Dot-string) with RFC 6531 (letters of all scripts); a quoted local part is nobody's."""


def email_of(text: str, field: str = "email") -> str:
    """One spelling of an address: no blanks around, small letters, NFC, the domain in its ASCII form.

    Raises ``RequestRejected`` 422 ``field_invalid``.
    """
    if len(text) > MOST_EMAIL_OCTETS:
        raise _bad(field, f"must have at most {MOST_EMAIL_OCTETS} octets")
    local, at, domain = unicodedata.normalize("NFC", text.strip()).lower().rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise _bad(field, "must be an address of mail, like ada@example.com")
    try:
        host = idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        raise _bad(field, "must name a domain behind its @, like example.com") from None
    if "." not in host:
        raise _bad(field, "must name a whole domain behind its @, like example.com")
    found = f"{local}@{host}"
    if len(local.encode()) > _MOST_LOCAL_OCTETS or len(found.encode()) > MOST_EMAIL_OCTETS:
        raise _bad(field, f"must have at most {_MOST_LOCAL_OCTETS} octets before its @ and {MOST_EMAIL_OCTETS} in all")
    return found


def _bad(field: str, what: str) -> RequestRejected:
    return RequestRejected("field_invalid", f"{field} {what}.", field=field)
