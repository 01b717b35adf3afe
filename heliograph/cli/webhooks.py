"""``heliograph webhooks``"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from heliograph.cli import listen
from heliograph.cli.options import Json, Key, Url

if TYPE_CHECKING:
    from heliograph.cli.api import Api

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make webhooks and look after them, over a running server.")
app.command("listen")(listen.listen)

Id = Annotated[str, typer.Argument(help="The webhook's id.")]


@app.command()
def create(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where events are posted to.")],
    types: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only messages with this tag; repeatable.")] = None,
    batch: Annotated[int, typer.Option(min=1, max=100, help="Events that a request may bring.")] = 1,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Make a webhook; its secret is shown this once."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    body = {"url": address, "events": types or [], "tags": tag or [], "batch": batch}
    made = Api(url, key).post("/v1/webhooks", body)
    if json:
        print_json(made)
    else:
        print(f"{made['id']}  {made['url']}\nsecret {made['secret']}")


@app.command("list")
def list_webhooks(
    account: Annotated[
        str | None, typer.Option(help="tree: also of all accounts below yours; or the name of one of them.")
    ] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List webhooks and how they do."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    found = _listed(Api(url, key), {} if account is None else {"account": account})
    if json:
        print_json({"webhooks": found})
        return
    rows = [
        (one["id"], one["url"], one["health"]["state"], one["health"]["last_error"], ",".join(one["events"]) or "all")
        for one in found
    ]
    names = ("id", "url", "health", "last error", "events")
    if account is None:
        print_table(names, rows, empty="No webhooks.")
    else:
        owned = [(one["account"], *row) for one, row in zip(found, rows, strict=True)]
        print_table(("account", *names), owned, empty="No webhooks.")


@app.command()
def update(
    id: Id,
    address: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where events are posted to.")] = None,
    types: Annotated[list[str] | None, typer.Option("--type", help="Only events of this type; repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only messages with this tag; repeatable.")] = None,
    paused: Annotated[
        bool | None, typer.Option("--pause/--resume", help="Hold its events back, or tell it again.")
    ] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Change a webhook: what is not given stays."""
    from heliograph.cli.api import Api
    from heliograph.cli.faults import CommandFailed
    from heliograph.cli.output import print_json

    asked = {"url": address, "events": types or None, "tags": tag or None, "paused": paused}
    body = {name: value for name, value in asked.items() if value is not None}
    if not body:
        raise CommandFailed("there is nothing to change", "give --address, --type, --tag, --pause or --resume")
    changed = Api(url, key).patch(_path(id), body)
    if json:
        print_json(changed)
    else:
        print(f"{changed['id']}  {changed['url']}" + ("  paused" if changed.get("paused_at") else ""))


@app.command()
def rotate(
    id: Id,
    old_valid_s: Annotated[
        int, typer.Option(min=0, max=2_592_000, help="Seconds that requests are signed with the old secret, too.")
    ] = 86_400,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Give a webhook a new secret, shown this once; the old one stays valid for a while."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    made = Api(url, key).post(_path(id, "/secret"), {"old_valid_s": old_valid_s})
    if json:
        print_json(made)
    else:
        print(f"{made['id']}  {made['url']}\nsecret {made['secret']}")


@app.command()
def delete(id: Id, url: Url = "http://127.0.0.1:8080", key: Key = "") -> None:
    """Delete a webhook: it is owed nothing more."""
    from heliograph.cli.api import Api

    Api(url, key).delete(_path(id))
    print(f"{id} is deleted")


@app.command("test")
def send_test(id: Id, url: Url = "http://127.0.0.1:8080", key: Key = "", json: Json = False) -> None:
    """Send a test event now and say what came back."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    done = Api(url, key).post(_path(id, "/test"), {})
    if json:
        print_json(done)
    else:
        print(f"{done['outcome']}: {_came_back(done)}")
    if done["outcome"] != "delivered":
        raise typer.Exit(1)


@app.command()
def replay(
    id: Id,
    event: Annotated[list[str] | None, typer.Option(help="Tell this event again; repeatable.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Tell all again that ended undelivered.")] = False,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Tell again what happened from then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="With --since: and before then.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """Tell a webhook again, under the same event ids: one event, all that failed, or a span of time."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json

    asked = {"events": event or None, "failed": failed or None, "since": since, "until": until}
    done = Api(url, key).post(_path(id, "/replay"), {name: value for name, value in asked.items() if value is not None})
    if json:
        print_json(done)
        return
    print(f"{done['replayed']} deliveries are told again")
    if done["next_since"]:
        print(f"More with --since {done['next_since']}")


@app.command()
def deliveries(
    id: Id,
    state: Annotated[str, typer.Option(help="recent, pending or dead.")] = "recent",
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Where the page before ended.")] = None,
    url: Url = "http://127.0.0.1:8080",
    key: Key = "",
    json: Json = False,
) -> None:
    """List what a webhook was told lately, is still owed, or never took."""
    from heliograph.cli.api import Api
    from heliograph.cli.output import print_json, print_table

    query = {"state": state, "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
    page = Api(url, key).get(_path(id, "/deliveries"), query)
    if json:
        print_json(page)
        return
    rows = [(one["at"], one["id"], one["outcome"], one.get("tries"), _came_back(one)) for one in page["deliveries"]]
    print_table(("at", "id", "outcome", "tries", "came back"), rows, empty="No deliveries.")
    if page["next"]:
        print(f"More with --cursor {page['next']}")


def _path(webhook_id: str, rest: str = "") -> str:
    return f"/v1/webhooks/{quote(webhook_id, safe='')}{rest}"


def _came_back(delivery: dict[str, Any]) -> str:
    """The answer's status, or why there was none."""
    answer = delivery.get("answer")
    return str(answer["status"]) if answer else str(delivery.get("error") or "")


def _listed(api: Api, query: dict[str, str]) -> list[dict[str, Any]]:
    """All pages."""
    found: list[dict[str, Any]] = []
    while True:
        page = api.get("/v1/webhooks", query)
        found += page["webhooks"]
        if page["next"] is None:
            return found
        query = {**query, "cursor": page["next"]}
