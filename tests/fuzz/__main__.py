"""``python -m tests.fuzz --seconds 60``: runs every fuzz target; 1 when one did not take its octets."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from tests.fuzz.engine import Figures, fuzz, targets


def main(argv: list[str] | None = None) -> int:
    """Runs, prints the figures, gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long, over all targets (60)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same cases (0)")
    parser.add_argument("--only", default="", help="targets whose name begins so")
    parser.add_argument("--json", action="store_true", help="figures as one JSON object")
    options = parser.parse_args(argv)
    found = [target for target in targets() if target.name.startswith(options.only)]
    if not found:
        parser.error(f"no target's name begins with {options.only!r}")
    figures = fuzz(found, options.seconds, options.seed)
    print(_as_json(figures) if options.json else _as_text(figures))
    return 1 if figures.findings else 0


def _as_text(figures: Figures) -> str:
    lines = [f"{name:32}{cases:>12,} cases" for name, cases in figures.cases.items()]
    lines += [f"{finding.target}: {finding.error}\n  {finding.octets.hex()}" for finding in figures.findings]
    lines.append(
        f"{figures.total:,} cases in {figures.seconds:.1f} s, {len(figures.findings)} findings, "
        f"peak memory {figures.peak_mib:.0f} MiB"
    )
    return "\n".join(lines)


def _as_json(figures: Figures) -> str:
    found = [{**asdict(finding), "octets": finding.octets.hex()} for finding in figures.findings]
    return json.dumps({**asdict(figures), "total": figures.total, "findings": found})


if __name__ == "__main__":
    sys.exit(main())
