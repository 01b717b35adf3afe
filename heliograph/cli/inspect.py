"""``heliograph inspect``"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from heliograph.cli.options import Json

if TYPE_CHECKING:
    from heliograph.sms import Inspection

__all__ = ["inspect"]


def inspect(
    text: Annotated[str, typer.Argument(help='The text; "-" reads standard input.')],
    encoding: Annotated[str, typer.Option(help="auto, gsm7 or ucs2.")] = "auto",
    smart: Annotated[bool, typer.Option(help="Replace look-alikes of GSM-7 characters.")] = True,
    national: Annotated[bool, typer.Option("--national", help="Allow national language tables.")] = False,
    max_segments: Annotated[
        int, typer.Option(min=0, max=255, help="Cut the text off to so many segments; 0: never.")
    ] = 0,
    json: Json = False,
) -> None:
    """Explain what a text costs: encoding, length, segments, what was replaced, and each other way."""
    from heliograph import sms
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import print_json

    if encoding not in ("auto", "gsm7", "ucs2"):
        raise typer.BadParameter("choose auto, gsm7 or ucs2", param_hint="--encoding")
    wishes = sms.TextWishes(encoding=encoding, smart=smart, national=national, keep_segments=max_segments)
    try:
        seen = sms.inspect(sys.stdin.read() if text == "-" else text, wishes)
    except sms.CannotEncode as error:
        raise CommandFailed(str(error), "leave these characters out, or take --encoding auto") from error
    except sms.TooLong as error:
        raise CommandFailed(str(error), "make it shorter") from error
    if json:
        print_json(seen)
        return
    unit = "septets" if seen.unit == "septets" else "UTF-16 units"
    many = "s" if len(seen.segments) != 1 else ""
    print(f"{seen.encoding}, {seen.length} {unit}, {len(seen.segments)} segment{many} of up to {seen.per_segment}")
    for number, segment in enumerate(seen.segments, 1):
        print(f"  {number}  {segment.length:3} {unit}  {segment.text!r}")
    print(f"  {seen.remaining} {unit} left in the last segment")
    for line in _why(seen):
        print(f"  {line}")


def _why(seen: Inspection) -> Iterator[str]:
    if seen.tables is not None:
        names = f"locking {seen.tables.locking}, single {seen.tables.single}"
        yield f"national tables: {names}; {seen.tables.header_octets} octets of header in each segment"
    for made in seen.substitutions:
        yield f"replaced {made.from_!r} by {made.to!r}: {made.name}, character {made.position + 1}"
    if seen.truncated:
        yield f"{seen.truncated} characters cut off"
    if seen.cut_clusters:
        yield f"{seen.cut_clusters} joined characters had to be cut between segments"
    if seen.encoding == "ucs2":
        for one in seen.forced_unicode:
            at = ", ".join(str(position + 1) for position in one.positions[:10])
            yield f"Unicode because of {one.character!r} {one.code_point} {one.name}, character {at}"
    if len(seen.variants) > 2:
        costs = (f"{one.name} {one.segments or 'impossible'}" for one in seen.variants)
        yield f"segments by way of writing: {', '.join(costs)}; cheapest: {seen.cheapest}"
