"""The page of magic numbers, made from their table: ``python -m heliograph.sandbox.reference``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from heliograph.rules.magic import MAGIC, MAGIC_PREFIX, SANDBOX_SENDER, Magic

__all__ = ["page"]

_HEAD: Final = f"""# Magic numbers

Made from the code by `python -m heliograph.sandbox.reference > docs/reference/magic-numbers.md`; a test sends to each
of them. [How to use the sandbox](../howto/sandbox.md).

A magic number is `{MAGIC_PREFIX}`, the three digits of its kind, and four to nine digits that are yours:
`+9991000000` and `+999100123456789` both arrive, on two handsets. Each gives the same every time. Any other number that
can exist arrives, too, and is on no handset but a virtual one.

`{MAGIC_PREFIX}` is assigned to no country: ITU-T keeps it in reserve (list of Recommendation E.164 assigned country
codes), and no numbering plan knows it. So no person can be behind such a number, and a live key that writes to one is
refused with `number_impossible`. What a sandbox sends comes from `{SANDBOX_SENDER}` where neither the request names
a sender nor the account has a number.
"""
_KINDS: Final = {
    "1": "What arrives",
    "2": "What a receipt tells",
    "3": "What the carrier refuses at once",
    "4": "Handsets that answer",
}


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *_tables()]).rstrip() + "\n"


def _tables() -> Iterator[str]:
    for first, title in _KINDS.items():
        yield f"## {title}\n\n| number | what happens | state | error |\n|---|---|---|---|"
        for one in MAGIC.values():
            if one.code[0] == first:
                error = f"`{one.error}`" if one.error else ""
                yield f"| `{one.example}` | {_what(one)} | `{one.state.word}` | {error} |"
        yield ""


def _what(one: Magic) -> str:
    more = []
    if one.duplicate:
        more.append("It is marked `possible_duplicate`.")
    if one.contradicted:
        more.append("Event `message.contradiction`.")
    if one.later_state is not None:
        error = f" (`{one.later_error}`)" if one.later_error else ""
        more.append(f"After {_span(one.later_s)} it is `{one.later_state.word}`{error}.")
    if one.reply:
        more.append(f'Event `message.received`: "{_short(one.reply)}".')
    return " ".join([one.what, *more])


def _span(seconds: int) -> str:
    return f"{seconds // 86_400} days" if seconds % 86_400 == 0 else f"{seconds} s"


def _short(text: str) -> str:
    return text if len(text) < 40 else text[:30] + "…"


if __name__ == "__main__":
    sys.stdout.write(page())
