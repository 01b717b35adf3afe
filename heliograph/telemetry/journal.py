"""The journal: one function for each thing worth telling an operator.

A line never holds a message's text, and telephone numbers only masked unless the operator says so.
Nothing is told for each message: what is frequent is counted (``metrics``).
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from typing import Any, Final, TextIO

import structlog

__all__ = [
    "authentication_locked",
    "backup_written",
    "certificate_ends",
    "certificate_kept",
    "certificate_read",
    "configuration_faulty",
    "configuration_kept",
    "configuration_mended",
    "configuration_read",
    "configure",
    "connector_changed",
    "dead_letters_dropped",
    "endpoint_gone",
    "inbound_unassigned",
    "issuer_keys_read",
    "issuer_unavailable",
    "key_in_browser",
    "lane_paused",
    "link_bound",
    "link_lost",
    "link_refused",
    "mask",
    "master_key_made",
    "message_turned_away",
    "messages_rescued",
    "number",
    "request_failed",
    "row_unreadable",
    "secret_locked",
    "secrets_sealed",
    "serving",
    "stopped",
    "stopping",
    "store_migrated",
    "store_recovered",
    "store_unavailable",
    "webhook_failing",
    "webhook_recovered",
]

_SHOWN_START: Final = 4
_SHOWN_END: Final = 2
_log: Any = structlog.stdlib.get_logger("heliograph")
_whole_numbers = False


def configure(
    format: str = "auto", level: str = "info", *, whole_numbers: bool = False, stream: TextIO | None = None
) -> None:
    """Sets the journal up: ``console`` for people, ``json`` for machines, ``auto`` by terminal.

    What libraries say through ``logging`` comes out in the same form, from ``warning`` on.
    """
    global _whole_numbers
    _whole_numbers = whole_numbers
    stream = sys.stderr if stream is None else stream
    people = stream.isatty() if format == "auto" else format == "console"
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Any = structlog.dev.ConsoleRenderer(colors=stream.isatty()) if people else structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("heliograph").setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def mask(text: str) -> str:
    """A telephone number with its middle hidden: ``+491…78``; a short one with its end only."""
    if len(text) <= _SHOWN_START + _SHOWN_END:
        return "…" + text[-_SHOWN_END:] if len(text) > _SHOWN_END else "…"
    return f"{text[:_SHOWN_START]}…{text[-_SHOWN_END:]}"


def number(text: str) -> str:
    """A telephone number as the operator wants it told."""
    return text if _whole_numbers else mask(text)


# --- life of the server ---------------------------------------------------------------------------
def serving(listen: str, store: str, node: int) -> None:
    """The server takes requests. ``store`` is the kind of store, never its address with a password."""
    _log.info("serving", listen=listen, store=store, node=node)


def stopping(reason: str) -> None:
    """No more requests are taken; what was begun is finished."""
    _log.info("stopping", reason=reason)


def stopped() -> None:
    """Everything that was begun is kept or answered, and closed."""
    _log.info("stopped")


def configuration_read(connectors: int, routes: int, numbers: int) -> None:
    """A configuration holds from now on."""
    _log.info("configuration_read", connectors=connectors, routes=routes, numbers=numbers)


def configuration_kept(faults: int, first: str) -> None:
    """A reload found faults: the configuration before it stays."""
    _log.error("configuration_kept", faults=faults, first=first)


def configuration_faulty(kind: str, name: str, why: str) -> None:
    """Something that the store declares does not hold; everything else does. ``why`` holds no secret."""
    _log.error("configuration_faulty", kind=kind, name=name, why=why)


def configuration_mended(kind: str, name: str) -> None:
    """What did not hold does, or is gone."""
    _log.info("configuration_mended", kind=kind, name=name)


def certificate_read(ends_at: datetime) -> None:
    """A certificate that was put in place holds for every new connection."""
    _log.info("certificate_read", ends_at=ends_at.isoformat())


def certificate_kept(why: str, ends_at: datetime) -> None:
    """A certificate or key that was put in place cannot be used: the one before stays. ``ends_at`` is its end."""
    _log.error("certificate_kept", why=why, ends_at=ends_at.isoformat())


def issuer_keys_read(name: str, keys: int) -> None:
    """An issuer of access tokens outside has other keys than before."""
    _log.info("issuer_keys_read", issuer=name, keys=keys)


def issuer_unavailable(name: str, why: str, keys: int) -> None:
    """An issuer's keys can't be fetched; the ``keys`` that are known go on. Told again when the reason changes."""
    _log.warning("issuer_unavailable", issuer=name, why=why, keys=keys)


def certificate_ends(ends_at: datetime, expired: bool) -> None:
    """The certificate in use ends soon (told 30, 7 and 1 days before), or has ended and is trusted by nobody."""
    tell = _log.error if expired else _log.warning
    tell("certificate_ends", ends_at=ends_at.isoformat(), expired=expired)


def connector_changed(connector: str, what: str) -> None:
    """A reload ``added``, ``changed`` or ``removed`` a connector."""
    _log.info("connector_changed", connector=connector, what=what)


def request_failed(method: str, path: str, error: BaseException) -> None:
    """A request met an error of ours. The path is told without its query."""
    _log.error("request_failed", method=method, path=path, exc_info=error)


def key_in_browser(key: str, origin: str, refused: int) -> None:
    """A secret key came from a web page, where everybody can read it: make another, and revoke this one.

    ``key`` is its beginning; ``refused`` such requests, of any key, came since this was told last.
    """
    _log.warning("key_in_browser", key=key, origin=origin, refused=refused)


def authentication_locked(what: str, name: str, for_s: int) -> None:
    """Somebody tries credentials: an ``address``, at a ``name`` (a key's beginning), or ``everybody`` who failed waits.

    Who is right, and has been here before or did not fail, is not kept out.
    """
    _log.warning("authentication_locked", what=what, name=name, for_s=for_s)


# --- carriers -------------------------------------------------------------------------------------
def link_bound(connector: str, link: int, bind: str) -> None:
    """A link to a carrier may be used."""
    _log.info("link_bound", connector=connector, link=link, bind=bind)


def link_lost(connector: str, link: int, why: str, unanswered: int) -> None:
    """A link ended; ``unanswered`` submissions may have been taken or not."""
    _log.warning("link_lost", connector=connector, link=link, why=why, unanswered=unanswered)


def link_refused(connector: str, link: int, why: str, again_in_s: float) -> None:
    """A carrier could not be reached, or did not want us."""
    _log.warning("link_refused", connector=connector, link=link, why=why, again_in_s=round(again_in_s, 1))


def lane_paused(connector: str, why: str, for_s: float) -> None:
    """A carrier wants fewer messages: nothing goes to it for a while."""
    _log.warning("lane_paused", connector=connector, why=why, for_s=round(for_s, 1))


def message_turned_away(message_id: str, connector: str) -> None:
    """A message of a sandbox came to a real connector, or a live one to a virtual one: it was not written."""
    _log.error("message_turned_away", message=message_id, connector=connector)


def inbound_unassigned(message_id: str, sender: str, recipient: str, connector: str) -> None:
    """A handset wrote to a number that no account has."""
    _log.warning(
        "inbound_unassigned",
        message=message_id,
        sender=number(sender),
        recipient=number(recipient),
        connector=connector,
        remedy="add the number to [[numbers]]",
    )


# --- store ----------------------------------------------------------------------------------------
def store_unavailable(why: str) -> None:
    """Nothing can be written; requests are answered with 503 until it can."""
    _log.error("store_unavailable", why=why)


def store_recovered(after_s: float) -> None:
    """The store writes again."""
    _log.info("store_recovered", after_s=round(after_s, 1))


def store_migrated(before: int, after: int) -> None:
    """The schema was brought up to this program's."""
    _log.info("store_migrated", before=before, after=after)


def master_key_made(path: str, key: str) -> None:
    """The first start made the key that seals secrets in the store: without a copy of it, a backup opens none."""
    _log.warning("master_key_made", path=path, key=key)


def secrets_sealed(webhooks: int, key: str) -> None:
    """Secrets that stood in clear in the store are sealed now. ``key`` is the key's id."""
    _log.info("secrets_sealed", webhooks=webhooks, key=key)


def secret_locked(why: str) -> None:
    """A secret cannot be opened: webhooks before the change go on until it can; tokens are not signed until then."""
    _log.error("secret_locked", why=why)


def backup_written(path: str, octets: int) -> None:
    """A consistent copy was written before the schema was changed."""
    _log.info("backup_written", path=path, octets=octets)


def row_unreadable(table: str, id: str, why: str, became: str) -> None:
    """A row of the store cannot be read; it is kept as it is and stands in nobody's way: told once for each row.

    ``became`` says what came of it, and what there is to do.
    """
    _log.error("row_unreadable", table=table, id=id, why=why, became=became)


def messages_rescued(unknown: int, possible_duplicates: int) -> None:
    """A start found messages that may have been on the wire when the last process ended."""
    _log.warning("messages_rescued", unknown=unknown, possible_duplicates=possible_duplicates)


# --- customers ------------------------------------------------------------------------------------
def webhook_failing(endpoint: str, host: str, why: str, tries: int) -> None:
    """A webhook took nothing for ``tries`` requests in a row and rests between tries now: told once until it does.

    The host alone is told, never the whole address.
    """
    _log.warning("webhook_failing", endpoint=endpoint, host=host, why=why, tries=tries)


def dead_letters_dropped(endpoint: str, count: int) -> None:
    """A webhook has more dead letters than are kept: so many of the oldest are deleted and can't be told again."""
    _log.warning("dead_letters_dropped", endpoint=endpoint, count=count)


def webhook_recovered(endpoint: str, tries: int) -> None:
    """A webhook that was told to be failing took something again, after ``tries`` failures in a row."""
    _log.info("webhook_recovered", endpoint=endpoint, tries=tries)


def limit_reached(subject: str, limit: str, percent: int, used: int, most: int) -> None:
    """An account or a key has used 50, 80 or 100 percent of what it may in this day or month: told once for each."""
    _log.warning("limit_reached", subject=subject, limit=limit, percent=percent, used=used, most=most)


def endpoint_gone(endpoint: str, why: str) -> None:
    """A webhook wants nothing more."""
    _log.warning("endpoint_gone", endpoint=endpoint, why=why)
