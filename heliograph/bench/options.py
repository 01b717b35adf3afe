"""What a run of the bench is asked to do. The command line is made from these fields."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

__all__ = ["Options", "parse"]

WEBHOOKS = ("off", "final", "both", "batch")


def _option(default: Any, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, kw_only=True)
class Options:
    """One run, or several of a kind."""

    messages: int = _option(100_000, "messages that count")
    warmup: int = _option(5_000, "messages before them that do not")
    batch: int = _option(1, "messages in one request; 1 is one POST a message")
    connections: int = _option(128, "HTTP connections of the load")
    rate: float = _option(0.0, "requests a second, open loop; 0 sends the next when the last was answered")
    mixed: bool = _option(False, "20 % Unicode and 15 % of two or three segments")
    accounts: int = _option(1, "accounts that send, in turn")
    receipts: str = _option("on", "whether the carrier sends delivery receipts", choices=("on", "off"))
    webhooks: str = _option("off", "one signed POST a final state, two a message, or batches of 100", choices=WEBHOOKS)
    store: str = _option("sqlite", "sqlite, postgres (a server of its own, from the wheel), or a postgresql:// URL")
    window: int = _option(100, "window of the link to the carrier")
    links: int = _option(1, "links to the carrier")
    preload: int = _option(0, "messages that the store holds before, of 200 accounts over 50 routes")
    waiting: int = _option(0, "messages that wait for a carrier that is down, before the run")
    due: int = _option(0, "messages of four accounts that are scheduled ahead and all due in one minute")
    fairness: int = _option(0, "promotional messages of another account that wait in a lane of 500 segments/s")
    tools: str = _option("", "folder of httpload.c, smscsim.c and httpsink.c, to be used instead of ours")
    table: bool = _option(False, "every row of the table of targets, beside its target")
    rows: str = _option("", "with --table: only rows whose name has one of these words (with commas)")
    scale: float = _option(1.0, "with --table: every count of messages times this")
    micro: bool = _option(False, "the codec, the text functions and authentication alone")
    chaos: bool = _option(False, "kill -9 and power cuts at random moments, and what was lost or repeated")
    compare: bool = _option(False, "one callback a message, beside Kannel and Jasmin where they are installed")
    rounds: int = _option(20, "with --chaos: kills")
    cuts: int = _option(200, "with --chaos: power cuts (SQLite)")
    backlog: int = _option(50_000, "with --chaos: messages that wait in the lane at one more kill; 0 leaves it out")
    seed: int = _option(0, "what chance begins with; 0 takes a new one and prints it")
    folder: str = _option("", "folder for the run's files, kept; without it a temporary one, removed")
    server_cores: str = _option("", "cores of the server, such as 0; empty leaves it to the system")
    other_cores: str = _option("", "cores of everything else, such as 1")
    timeout_s: float = _option(600.0, "longest wait for a load, and for everything to end")
    json: bool = _option(False, "the figures as JSON")


def parse(argv: Sequence[str]) -> Options:
    """The options of a command line. Raises ``SystemExit`` as argparse does."""
    parser = argparse.ArgumentParser(
        prog="heliograph bench",
        description="Measures the whole path on this machine: the server, the load, a virtual carrier and a webhook "
        "sink, each in a process of its own. CPU a message is the figure to trust; rates need an idle machine.",
    )
    for one in fields(Options):
        flag, what = "--" + one.name.replace("_", "-"), dict(one.metadata)
        assert one.default is not MISSING
        if isinstance(one.default, bool):
            what["help"] = what["help"].replace("%", "%%")
            parser.add_argument(flag, dest=one.name, action="store_true", **what)
        else:
            kind = type(one.default)
            shown = "" if one.default == "" else f" ({one.default:,})" if kind is int else f" ({one.default})"
            what["help"] = (what["help"] + shown).replace("%", "%%")
            parser.add_argument(flag, dest=one.name, type=kind, default=one.default, metavar=None, **what)
    return Options(**vars(parser.parse_args(argv)))
