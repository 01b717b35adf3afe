"""Random and mutated octets for functions that must take any: finds, runs, counts.

A target is a function of octets in a ``TARGETS`` table of some ``tests/*/fuzz_targets.py``; an
exception of any kind is a finding, and so is a case that takes longer than ``CASE_SECONDS``. A module may have
``SEEDS`` beside it: name of a target → octets worth starting from.
"""

from __future__ import annotations

import importlib
import random
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

__all__ = ["Figures", "Finding", "Target", "TooSlow", "fuzz", "mutate", "peak_mib", "targets"]

CASE_SECONDS = 5.0
"""No case is large enough to need a hundredth of it."""
MAX_OCTETS = 4_096
KEPT = 256
"""Inputs of a target that are mutated further: the seeds, and what turned up since."""
SLICE_SECONDS = 0.25

INTERESTING = (
    b"", b"\0", b"\xff", b"\x1b", b"\x1b\x1b", b"\xd8\x3d", b"\xde\x00", b"\x00\x00\x00\x10", b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff", b"\x05\x00\x03", b"\x06\x08\x04", b"id:", b" stat:DELIVRD", b"err:000 ", b"\x00\x1e\x00\x09",
    b"\x04\x24\xff\xff", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"{", b"[", b'"', b"\\u0000", b"1e999", b"+", b"\r\n",
)  # fmt: skip
SEEDS = (
    b"id:0123456789 sub:001 dlvrd:001 submit date:2601010000 done date:2601010001 stat:DELIVRD err:000 text:hello",
    bytes.fromhex("0000001000000015000000000000000a"),
    bytes.fromhex(
        "0000003d000000040000000000000001000101333435360001013439313531313030303030303000000000000000000000000568656c6c6f"
    ),
    bytes.fromhex("050003aa0201") + b"part one of two",
    '{"to": "+4915112345678", "from": "Heliograph", "text": "gruß €"}'.encode(),
    b"+4915112345678",
)


class TooSlow(Exception):
    """A case took longer than ``CASE_SECONDS``."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A function that must take any octets, and what to begin with."""

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Octets that a target did not take, and what it raised."""

    target: str
    octets: bytes
    error: str


@dataclass(kw_only=True)
class Figures:
    """What a run has to show."""

    cases: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    peak_mib: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.cases.values())


def targets(root: Path | None = None) -> list[Target]:
    """Every target of every ``tests/*/fuzz_targets.py``, by name."""
    found: dict[str, Target] = {}
    for file in sorted((root or Path(__file__).parents[1]).glob("*/fuzz_targets.py")):
        module = importlib.import_module(f"tests.{file.parent.name}.fuzz_targets")
        table: Mapping[str, Callable[[bytes], None]] = module.TARGETS
        seeds: Mapping[str, Sequence[bytes]] = getattr(module, "SEEDS", {})
        for name, run in table.items():
            if name in found:
                raise ValueError(f"two fuzz targets are called {name}")
            found[name] = Target(name=name, run=run, seeds=tuple(seeds.get(name, ())))
    return list(found.values())


def mutate(octets: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """Some octets like these: a few of them changed, cut, repeated, moved, or spliced with another's."""
    out = bytearray(octets)
    for _ in range(1 << chance.randrange(4)):
        at = chance.randrange(len(out) + 1)
        upto = min(len(out), at + (1 << chance.randrange(6)))
        match chance.randrange(7):
            case 0:
                out[at:upto] = b""
            case 1:
                out[at:at] = chance.choice(INTERESTING)
            case 2:
                out[at:at] = out[at:upto] * chance.randrange(1, 5)
            case 3 if at < len(out):
                out[at] ^= 1 << chance.randrange(8)
            case 4 if at < len(out):
                out[at] = (out[at] + chance.choice((1, -1, 128))) & 255
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                out[at:upto] = other[start : start + 64]
            case _:
                out[at:upto] = chance.randbytes(upto - at)
    return bytes(out[:MAX_OCTETS])


def fuzz(found: Sequence[Target], seconds: float, seed: int = 0, most: int | None = None) -> Figures:
    """Runs all targets in turn for so long, or for at most ``most`` cases each. The same seed gives the same cases.

    A target that failed ten times is left alone.
    """
    chance, figures = random.Random(seed), Figures(cases={target.name: 0 for target in found})
    corpora = {target.name: [*target.seeds, *SEEDS, b""] for target in found}
    begun = time.monotonic()
    with _alarm():
        for target in found:
            for case in corpora[target.name]:
                _one(target, case, figures)
        while (left := seconds - (time.monotonic() - begun)) > 0 and (active := _active(found, figures, most)):
            share = min(SLICE_SECONDS, left / len(active))
            for target in active:
                _slice(target, corpora[target.name], chance, figures, share, most)
    figures.seconds = time.monotonic() - begun
    figures.peak_mib = peak_mib()
    return figures


def peak_mib() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _active(found: Sequence[Target], figures: Figures, most: int | None) -> list[Target]:
    failed = [finding.target for finding in figures.findings]
    return [
        target
        for target in found
        if failed.count(target.name) < 10 and (most is None or figures.cases[target.name] < most)
    ]


def _slice(
    target: Target, corpus: list[bytes], chance: random.Random, figures: Figures, seconds: float, most: int | None
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and (most is None or figures.cases[target.name] < most):
        case = _case(corpus, chance)
        if not _one(target, case, figures):
            return
        if chance.randrange(64) == 0:
            at = chance.randrange(len(target.seeds), KEPT)
            corpus[at : at + 1] = [case]


def _case(corpus: Sequence[bytes], chance: random.Random) -> bytes:
    if chance.randrange(8) == 0:
        return chance.randbytes(chance.randrange(1 << chance.randrange(1, 12)))
    return mutate(chance.choice(corpus), chance, corpus)


def _one(target: Target, case: bytes, figures: Figures) -> bool:
    """Runs a case; whether it was taken."""
    figures.cases[target.name] += 1
    signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)
    try:
        target.run(case)
    except Exception as error:
        figures.findings.append(Finding(target=target.name, octets=case, error=f"{type(error).__name__}: {error}"))
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


@contextmanager
def _alarm() -> Iterator[None]:
    def too_slow(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"no end after {CASE_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, too_slow)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)
