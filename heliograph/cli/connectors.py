"""``heliograph connectors``"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from heliograph.cli.declaring import DryRun, IfVersion, add_common, put
from heliograph.cli.options import Config, Json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Connectors to carriers. What changes in the store holds within 2 s.")


@app.command("put")
def put_connector(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, for ever.")],
    kind: Annotated[str | None, typer.Option(help="Of which kind it is; of a new one smpp.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SETTING=VALUE",
            help="A setting, as host=smsc.example.com. A secret best as password=env:NAME; password=- reads it from "
            "standard input. Repeatable.",
        ),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option(metavar="SETTING", help="What shall be as by default again. Repeatable.")
    ] = None,
    if_version: IfVersion = None,
    dry_run: DryRun = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Make a connector, or change of one what is given."""
    changes: dict[str, Any] = {**_read(settings or (), kind or "smpp"), **dict.fromkeys(unset or ())}
    if kind is not None:
        changes["kind"] = kind
    changes.setdefault("kind", "smpp")
    put("connector", name, changes, config=config, if_version=if_version, dry_run=dry_run, json=json)


add_common(app, "connector", ("kind", "host", "system_id"))


def _read(words: list[str] | tuple[()], kind: str) -> dict[str, Any]:
    """Values as the settings of the kind have them: texts as they are, everything else as TOML."""
    import sys

    from heliograph.config.fields import describe
    from heliograph.config.loading import known_kinds

    kinds = known_kinds()
    types = {info.name: info.type for info in describe(kinds[kind].settings)} if kind in kinds else {}
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{word!r:.60} is not SETTING=VALUE", param_hint="--set")
        if text == "-":
            text = sys.stdin.readline().rstrip("\r\n")
        found[key] = text if types.get(key) in (str, None) else _toml(key, text)
    return found


def _toml(key: str, text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text  # the reader of the settings says what it should be
