"""The control API of a running world: HTTP with JSON, on loopback only.

Errors are problems (RFC 9457) with a stable ``code``. A body must be declared as JSON and the Host must be a loopback
name, so that no web page in a browser of the same machine can call it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final

import msgspec
from aiohttp import web

from heliograph.errors import ConfigError
from heliograph.simulator.carrier import VirtualCarrier
from heliograph.simulator.mischief import MISBEHAVIOURS
from heliograph.simulator.reading import part_of
from heliograph.simulator.settings import FIXED, CarrierSettings
from heliograph.simulator.views import carrier_view, message_view, misbehaviour_view
from heliograph.simulator.world import RunningWorld

__all__ = ["PROBLEMS", "Control"]

_BODY_OCTETS_MAX: Final = 65_536
_MESSAGES_MAX: Final = 1_000
_NUMBER_MAX: Final = 20
_TEXT_MAX: Final = 10_000
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")

PROBLEMS: Final = {
    "not_found": (404, "There is no such page, carrier or misbehaviour."),
    "method_not_allowed": (405, "This page knows other methods."),
    "wrong_host": (403, "The control API is called by a loopback name."),
    "not_json": (415, "The body must be JSON and say so: Content-Type: application/json."),
    "bad_json": (400, "The body is no JSON object."),
    "too_large": (413, "The body is too large."),
    "bad_value": (422, "A value is not one that it can have."),
    "fixed": (409, "A running carrier keeps this setting."),
    "failed": (500, "The simulator could not do it."),
}
"""(status, what it means) of each problem, by its code."""


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(detail)


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Listens while it is entered; ``url`` is where."""

    def __init__(self, world: RunningWorld, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.url = ""
        self._world = world
        self._host, self._port = host, port
        application = web.Application(client_max_size=_BODY_OCTETS_MAX, middlewares=[_problems])
        application.add_routes(
            [
                web.get("/v1/world", self._show_world),
                web.get("/v1/misbehaviours", self._show_misbehaviours),
                web.get("/v1/carriers/{name}", self._show),
                web.patch("/v1/carriers/{name}", self._change),
                web.put("/v1/carriers/{name}/misbehaviour", self._misbehave),
                web.delete("/v1/carriers/{name}/misbehaviour", self._behave),
                web.post("/v1/carriers/{name}/{action:cut|down|up}", self._act),
                web.get("/v1/carriers/{name}/messages", self._messages),
                web.post("/v1/carriers/{name}/handsets/{number}/messages", self._write),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Control:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    # --- looking -------------------------------------------------------------------------------------------------

    async def _show_world(self, request: web.Request) -> web.Response:
        world = self._world.world
        carriers = [carrier_view(one) for one in self._world.carriers.values()]
        return _json({"about": world.about, "seed": world.seed, "carriers": carriers})

    async def _show_misbehaviours(self, request: web.Request) -> web.Response:
        return _json({"misbehaviours": [misbehaviour_view(kind) for kind in MISBEHAVIOURS.values()]})

    async def _show(self, request: web.Request) -> web.Response:
        return _json(carrier_view(self._carrier(request)))

    async def _messages(self, request: web.Request) -> web.Response:
        carrier, number = self._carrier(request), request.query.get("number", "")
        limit = _whole(request.query.get("limit", "100"), 1, _MESSAGES_MAX)
        found = carrier.handsets.of(number) if number else list(carrier.handsets.messages)
        return _json({"messages": [message_view(one) for one in found[-limit:]]})

    # --- doing ---------------------------------------------------------------------------------------------------

    async def _change(self, request: web.Request) -> web.Response:
        carrier, body = self._carrier(request), await _body(request)
        if fixed := sorted(FIXED & set(body)):
            raise _Refused("fixed", f"{', '.join(fixed)}: set it in the file of the world and start again")
        changes = {name: part_of(CarrierSettings, name, raw) for name, raw in body.items()}
        carrier.change(**changes)
        return _json(carrier_view(carrier))

    async def _misbehave(self, request: web.Request) -> web.Response:
        carrier, body = self._carrier(request), await _body(request)
        _only(body, "kind", "share")
        kind = part_of(CarrierSettings, "misbehaviour", body.get("kind", ""))
        share = part_of(CarrierSettings, "misbehaviour_share", body.get("share", 1))
        if not kind:
            raise _Refused("bad_value", "kind is missing: /v1/misbehaviours lists them")
        carrier.change(misbehaviour=kind, misbehaviour_share=share)
        return _json(carrier_view(carrier))

    async def _behave(self, request: web.Request) -> web.Response:
        carrier = self._carrier(request)
        carrier.change(misbehaviour="")
        return _json(carrier_view(carrier))

    async def _act(self, request: web.Request) -> web.Response:
        carrier, action = self._carrier(request), request.match_info["action"]
        if action == "cut":
            carrier.drop_links()
        else:
            await (carrier.up() if action == "up" else carrier.down())
        return _json(carrier_view(carrier))

    async def _write(self, request: web.Request) -> web.Response:
        carrier, body = self._carrier(request), await _body(request)
        _only(body, "to", "text")
        number = _text(request.match_info["number"], "the number of the handset", _NUMBER_MAX)
        to, text = _text(body.get("to"), "to", _NUMBER_MAX), _text(body.get("text"), "text", _TEXT_MAX)
        try:
            carrier.reply(number, to, text)
        except ValueError as error:
            raise _Refused("bad_value", str(error)) from None
        return _json({"from": number, "to": to, "text": text}, 202)

    def _carrier(self, request: web.Request) -> VirtualCarrier:
        name = request.match_info["name"]
        found = self._world.carriers.get(name)
        if found is None:
            known = ", ".join(self._world.carriers)
            raise _Refused("not_found", f'there is no carrier called "{name:.60}": known are {known}')
        return found


@web.middleware
async def _problems(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Everything that goes wrong becomes a problem."""
    try:
        if request.host.rpartition(":")[0] not in _HOSTS and request.host not in _HOSTS:
            raise _Refused("wrong_host", "call it by 127.0.0.1 or localhost")
        return await handler(request)
    except _Refused as refused:
        return _problem(refused.code, refused.detail)
    except ConfigError as error:
        return _problem("bad_value", "; ".join(str(fault) for fault in error.faults))
    except web.HTTPRequestEntityTooLarge:
        return _problem("too_large", f"at most {_BODY_OCTETS_MAX:,} octets")
    except web.HTTPMethodNotAllowed as error:
        return _problem("method_not_allowed", "use " + " or ".join(sorted(error.allowed_methods)))
    except web.HTTPNotFound:
        return _problem("not_found", "begin at /v1/world")
    except OSError as error:
        return _problem("failed", str(error))


def _problem(code: str, detail: str) -> web.Response:
    status, title = PROBLEMS[code]
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/problem+json")


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


async def _body(request: web.Request) -> dict[str, Any]:
    if request.content_type != "application/json":
        raise _Refused("not_json", f"not {request.content_type:.60}")
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Refused("bad_json", str(error)) from None


def _only(body: dict[str, Any], *known: str) -> None:
    if strange := sorted(set(body) - set(known)):
        raise _Refused("bad_value", f"unknown: {', '.join(strange):.100}; known are {', '.join(known)}")


def _text(value: Any, name: str, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most:
        raise _Refused("bad_value", f"{name} must be a text of 1 to {most:,} characters")
    return value


def _whole(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise _Refused("bad_value", f"limit must be a whole number from {least} to {most:,}")
    return int(text)
