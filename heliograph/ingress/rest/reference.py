"""The page of all error codes, made from their tables: ``python -m heliograph.ingress.rest.reference``."""

from __future__ import annotations

import sys

from heliograph.ingress.rest.problems import PROBLEMS
from heliograph.rules.errorcodes import ERROR_CODES

__all__ = ["page"]

_HEAD = """# Errors

## Problems of requests

A request that is refused is answered with a problem (RFC 9457, `application/problem+json`): `type`, `title`, `status`,
a stable `code`, a `detail` that says what to do, and the `field` where there is one. In a batch a problem stands in the
place of the item that was refused. 409 and 503 that pass by themselves have a `Retry-After`; nothing was kept then, and
the same request may be sent again.

| code | status | meaning |
|---|---|---|
"""

_MESSAGES = """
## Errors of messages

A message that did not arrive has one of these words as its `error`, and so have its attempts. They are ours and never
change, whichever carrier was in between.

| error | meaning |
|---|---|
"""


def page() -> str:
    """The whole page as Markdown."""
    problems = "".join(f"| `{code}` | {status} | {title} |\n" for code, (status, title) in sorted(PROBLEMS.items()))
    messages = "".join(f"| `{code}` | {meaning} |\n" for code, meaning in sorted(ERROR_CODES.items()))
    return _HEAD + problems + _MESSAGES + messages


if __name__ == "__main__":
    sys.stdout.write(page())
