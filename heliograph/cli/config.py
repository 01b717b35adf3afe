"""``heliograph config``"""

from __future__ import annotations

from typing import Any

import typer

from heliograph.cli.options import Config, Json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The configuration.")


@app.callback()
def group() -> None:
    pass


@app.command()
def check(config: Config = None, json: Json = False) -> None:
    """Read the configuration as serve would, and tell everything that is wrong with it."""
    from heliograph.cli.output import print_json
    from heliograph.cli.stores import load_config
    from heliograph.config.certificates import check_certificate
    from heliograph.errors import ConfigError

    try:
        found = load_config(config)
        check_certificate(found)
    except ConfigError as error:
        if not json:
            raise
        faults = [{"where": fault.where, "what": fault.what, "remedy": fault.remedy} for fault in error.faults]
        print_json({"ok": False, "faults": faults})
        raise typer.Exit(1) from None
    summary: dict[str, Any] = {
        "ok": True,
        "listen": found.http.listen,
        "connectors": [connector.name for connector in found.connectors],
        "routes": [route.name for route in found.routes],
        "numbers": len(found.numbers),
    }
    if json:
        print_json(summary)
        return
    print(f"{config or 'The configuration'} is right.")
    print(f"  listens on {found.http.listen}")
    print(f"  connectors: {', '.join(summary['connectors']) or 'none'}")
    print(f"  routes: {', '.join(summary['routes']) or 'none'}")
    print(f"  numbers: {summary['numbers']}")
