"""The whole suite, with a second look: what failed beside everything else is run once more, alone.

A test that fails again is red; so is a suite with more than a few failures, which is no matter of a busy machine. A
test that passes alone is named at the end as unsteady: it waits for too little, or the code has a race. Mend it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Final

import pytest

__all__ = ["main"]

_MOST: Final = 3


class _Failures:
    """A plugin: which tests failed."""

    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.names[report.nodeid] = None


def main(arguments: Sequence[str]) -> int:
    """Run pytest with ``arguments``; gives its exit code, 0 also where each failure passes alone."""
    failures = _Failures()
    code = int(pytest.main(list(arguments), plugins=[failures]))
    if code != pytest.ExitCode.TESTS_FAILED or not 1 <= len(failures.names) <= _MOST:
        return code
    print(f"\nA second look at {len(failures.names)}, alone:", flush=True)
    again = subprocess.run([sys.executable, "-m", "pytest", "-n", "0", *failures.names], check=False).returncode
    if again == 0:
        print("UNSTEADY: failed beside the others, passed alone. Mend them:", *failures.names, sep="\n  ", flush=True)
    return again


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
