"""``heliograph simulate COMMAND``: what is said to a world that runs."""

from __future__ import annotations

import json as jsons
from typing import Annotated, Any

import typer

from heliograph.cli.options import Json

__all__ = ["add_to"]

Url = Annotated[
    str,
    typer.Option(
        "--control", metavar="URL", envvar="HELIOGRAPH_SIMULATOR_URL", help="Where the control API of the world is."
    ),
]
Carrier = Annotated[str, typer.Argument(help="Name of the carrier.")]
_HERE = "http://127.0.0.1:8775"


def add_to(app: typer.Typer) -> None:
    """Put the commands into the group."""
    for command in (worlds, kinds, check, state, misbehave, behave, change, write, messages, cut, down, up):
        app.command()(command)


def worlds(json: Json = False) -> None:
    """List the worlds that are ready to use."""
    from heliograph.cli.output import print_json
    from heliograph.simulator import WORLDS, read_world

    found = {name: read_world(name) for name in WORLDS}
    if json:
        print_json([{"name": name, "about": world.about} for name, world in found.items()])
        return
    for name, world in found.items():
        print(f"{name:<16}{world.about}")


def kinds(json: Json = False) -> None:
    """List every kind of misbehaviour."""
    from heliograph.cli.output import print_json
    from heliograph.simulator import MISBEHAVIOURS

    if json:
        print_json([{"kind": kind.name, "what": kind.what, "fate": kind.fate.value} for kind in MISBEHAVIOURS.values()])
        return
    for kind in MISBEHAVIOURS.values():
        print(f"{kind.name:<26}{kind.fate.value:<10}{kind.what}")


def check(
    world: Annotated[str, typer.Argument(help="A file, or the name of a world that is ready to use.")],
) -> None:
    """Read a world, and tell everything that is wrong with it."""
    from heliograph.simulator import read_world

    found = read_world(world)
    print(f"{world} is right.")
    print(f"  carriers: {', '.join(carrier.name for carrier in found.carriers)}")


def state(
    carrier: Annotated[str, typer.Argument(help="Name of a carrier; without it: all of them.")] = "",
    control: Url = _HERE,
    json: Json = False,
) -> None:
    """Show what the carriers of a running world do."""
    from heliograph.cli.output import print_json

    shown = _ask(control, "GET", _path(carrier) if carrier else "/v1/world")
    if json:
        print_json(shown)
        return
    for one in shown["carriers"] if not carrier else [shown]:
        _print_carrier(one)


def misbehave(
    carrier: Carrier,
    kind: Annotated[str, typer.Argument(help="A kind that heliograph simulate kinds lists.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="In which share of the cases.")] = 1,
    control: Url = _HERE,
) -> None:
    """Let a carrier go wrong from now on."""
    _print_carrier(_ask(control, "PUT", _path(carrier, "misbehaviour"), {"kind": kind, "share": share}))


def behave(carrier: Carrier, control: Url = _HERE) -> None:
    """Let a carrier behave again."""
    _print_carrier(_ask(control, "DELETE", _path(carrier, "misbehaviour")))


def change(
    carrier: Carrier,
    settings: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="Settings; a value is JSON, or a bare word.")
    ],
    control: Url = _HERE,
) -> None:
    """Change settings of a running carrier."""
    body: dict[str, Any] = {}
    for one in settings:
        name, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{one} has no =", param_hint="NAME=VALUE")
        body[name] = _value(value)
    _print_carrier(_ask(control, "PATCH", _path(carrier), body))


def write(
    carrier: Carrier,
    handset: Annotated[str, typer.Argument(help="The number of the handset.")],
    to: Annotated[str, typer.Argument(help="Whom it writes to.")],
    text: Annotated[str, typer.Argument(help="What it writes.")],
    control: Url = _HERE,
) -> None:
    """Let a handset write to a number."""
    _ask(control, "POST", _path(carrier, "handsets", handset, "messages"), {"to": to, "text": text})
    print(f"{handset} wrote to {to}.")


def messages(
    carrier: Carrier,
    number: Annotated[str, typer.Option(help="Only those on this handset.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 100,
    control: Url = _HERE,
    json: Json = False,
) -> None:
    """Show what handsets received."""
    from urllib.parse import urlencode

    from heliograph.cli.output import print_json

    query = urlencode({"number": number, "limit": limit})
    found = _ask(control, "GET", f"{_path(carrier, 'messages')}?{query}")["messages"]
    if json:
        print_json(found)
        return
    for one in found:
        print(f"{one['from']} → {one['to']}: {one['text'] if one['text'] is not None else one['octets']}")


def cut(carrier: Carrier, control: Url = _HERE) -> None:
    """Cut every connection of a carrier; clients may come back at once."""
    _print_carrier(_ask(control, "POST", _path(carrier, "cut")))


def down(carrier: Carrier, control: Url = _HERE) -> None:
    """Bring a carrier down: it refuses connections."""
    _print_carrier(_ask(control, "POST", _path(carrier, "down")))


def up(carrier: Carrier, control: Url = _HERE) -> None:
    """Bring a carrier up again."""
    _print_carrier(_ask(control, "POST", _path(carrier, "up")))


def _value(text: str) -> Any:
    try:
        return jsons.loads(text)
    except ValueError:
        return text


def _path(carrier: str, *more: str) -> str:
    from urllib.parse import quote

    return "/".join(("/v1/carriers", *(quote(part, safe="") for part in (carrier, *more))))


def _print_carrier(one: dict[str, Any]) -> None:
    kind = one["misbehaviour"]
    wrong = "behaves" if kind is None else f"{kind['kind']} in {kind['share']:.0%}"
    there = "up" if one["up"] else "down"
    facts = ", ".join(f"{count} {fact}" for fact, count in one["facts"].items()) or "nothing happened yet"
    print(f"{one['name']:<16}{one['address']:<22}{there:<6}{one['binds']} binds  {wrong}  {facts}")


def _ask(url: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to the control API; what it refuses is a sentence."""
    import urllib3

    from heliograph.cli.faults import CommandFailed

    if not url.startswith("http://"):
        raise CommandFailed(f"{url} is no address of a control API", f"give one like {_HERE}")
    pool = urllib3.PoolManager(timeout=10, retries=False)
    try:
        answer = pool.request(method, url.rstrip("/") + path, json=body)
        said = jsons.loads(answer.data)
    except (urllib3.exceptions.HTTPError, ValueError):
        raise CommandFailed(f"no world answers at {url}", "run heliograph simulate --world calm") from None
    if answer.status >= 400:
        raise CommandFailed(str(said.get("title", "it was refused")).rstrip("."), str(said.get("detail", "")))
    return said
