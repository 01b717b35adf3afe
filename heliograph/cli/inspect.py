"""``heliograph inspect``"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from heliograph.cli.options import Json

__all__ = ["inspect"]


def inspect(
    text: Annotated[str, typer.Argument(help='The text; "-" reads standard input.')],
    encoding: Annotated[str, typer.Option(help="auto, gsm7 or ucs2.")] = "auto",
    json: Json = False,
) -> None:
    """Explain what a text costs: encoding, length, segments, and the characters that made it Unicode."""
    from heliograph import sms
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import print_json

    if encoding not in ("auto", "gsm7", "ucs2"):
        raise typer.BadParameter("choose auto, gsm7 or ucs2", param_hint="--encoding")
    try:
        seen = sms.inspect(sys.stdin.read() if text == "-" else text, encoding)
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
    for one in seen.forced_unicode:
        at = ", ".join(str(position + 1) for position in one.positions[:10])
        print(f"  Unicode because of {one.character!r} {one.code_point} {one.name}, character {at}")
