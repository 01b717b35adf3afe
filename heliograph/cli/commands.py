"""All commands in one tree."""

from __future__ import annotations

from typing import Annotated

import typer

from heliograph.cli import (
    accounts,
    analytics,
    applying,
    audit,
    bench,
    config,
    connectors,
    demo,
    inspect,
    keys,
    limits,
    logins,
    messages,
    numbers,
    oauth,
    optout,
    publishable,
    routes,
    sandbox,
    send,
    serve,
    simulate,
    store,
    webhooks,
)

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Heliograph: an SMS API platform that you run yourself.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from heliograph import __version__

        print(f"heliograph {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error came from.")] = False,
) -> None:
    pass


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.add_typer(simulate.app, name="simulate")
app.command("send")(send.send)
app.command("inspect")(inspect.inspect)
app.add_typer(messages.app, name="messages")
app.command("analytics")(analytics.analytics)
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(accounts.app, name="accounts")
app.add_typer(limits.app, name="limits")
app.add_typer(logins.people, name="people")
app.add_typer(logins.smpp_customers, name="smpp-customers")
app.add_typer(keys.app, name="keys")
app.add_typer(publishable.app, name="publishable-tokens")
app.add_typer(connectors.app, name="connectors")
app.add_typer(routes.app, name="routes")
app.add_typer(numbers.app, name="numbers")
app.command("apply")(applying.apply)
app.command("export")(applying.export)
app.add_typer(audit.app, name="audit")
app.add_typer(oauth.app, name="oauth")
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(optout.app, name="optout")
app.command(
    "bench",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(bench.bench)
app.add_typer(store.app, name="store")
app.add_typer(config.app, name="config")
