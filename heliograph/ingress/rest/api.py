"""Everything of the API that is not busy: ordinary FastAPI, with the schema of the busy endpoints beside it.

Bodies are read by msgspec here too, so that both doors refuse the same things in the same words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

import msgspec
from fastapi import FastAPI, Request, Response
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from heliograph import __version__, sms
from heliograph.access import Principal
from heliograph.access.unseen import Unseen
from heliograph.contracts import MessageRecord
from heliograph.delivery.eventwords import events_of
from heliograph.delivery.treelists import message_of
from heliograph.delivery.views import EventView, MessageView
from heliograph.delivery.wording import message_json
from heliograph.errors import RequestRejected, StoreError, VersionConflict
from heliograph.ingress.doors import Door
from heliograph.ingress.rest.accounts import ACCOUNT_OPERATIONS, Accounting
from heliograph.ingress.rest.analytics import ANALYTICS_OPERATIONS, Analytics
from heliograph.ingress.rest.answers import SEND_PROBLEMS
from heliograph.ingress.rest.asking import parameters, peer_of
from heliograph.ingress.rest.audit import AUDIT_OPERATIONS, Audit
from heliograph.ingress.rest.calls import Call, caller, decode, idempotency_of, shown_request
from heliograph.ingress.rest.declaring import DECLARED_OPERATIONS, Declaring
from heliograph.ingress.rest.endpoints import REPLAYED, Answerer
from heliograph.ingress.rest.events import EVENT_OPERATIONS, Events
from heliograph.ingress.rest.hooks import HOOK_OPERATIONS
from heliograph.ingress.rest.keys import KEY_OPERATIONS, Keys
from heliograph.ingress.rest.limits import LIMIT_OPERATIONS, Limits
from heliograph.ingress.rest.lists import LIST_OPERATIONS, Lists
from heliograph.ingress.rest.logins import LOGIN_OPERATIONS, login_endpoints
from heliograph.ingress.rest.oauth import TOKEN_PATH, OAuth
from heliograph.ingress.rest.openapi import document
from heliograph.ingress.rest.operations import Operation
from heliograph.ingress.rest.optouts import OPT_OUT_OPERATIONS, OptOuts
from heliograph.ingress.rest.page import docs_page
from heliograph.ingress.rest.problems import Reply, limited, refusal, refused_as
from heliograph.ingress.rest.publishable import PUBLISHABLE_OPERATIONS, Publishable
from heliograph.ingress.rest.replies import failed, too_large
from heliograph.ingress.rest.sandbox import SANDBOX_OPERATIONS, SandboxEndpoints
from heliograph.ingress.rest.scheduling import SCHEDULE_OPERATIONS, Scheduling
from heliograph.ingress.rest.sending import BatchBody, SendBody, SendReply, check_encoding
from heliograph.ingress.rest.services import Services
from heliograph.ingress.rest.starting import START_OPERATIONS, START_PATH, Starting
from heliograph.ingress.rest.versions import stale
from heliograph.ingress.rest.webhooks import Hooks
from heliograph.model import normalize_id

__all__ = ["OPERATIONS", "cold_api"]

_Answer = Callable[[Request], Awaitable[Reply | Response]]

_NOTHING_FOREIGN = ((b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),)
"""The page of the API has its style inside and asks nobody for anything."""
_FORBIDDEN = 403
_OF_PROXIES = ("forwarded", "via", "x-forwarded-for", "x-real-ip")


class InspectBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A text to look at."""

    text: str
    encoding: str = "auto"
    smart_encoding: bool | None = None
    national_tables: bool | None = None
    max_segments: Annotated[int, Meta(ge=1, le=255)] | None = None


_EXAMPLE = {"to": "+14155550123", "from": "12345", "text": "Your table is ready."}
OPERATIONS = (
    Operation(
        "POST",
        "/v1/messages",
        "Send a message",
        "messages:send",
        SendBody,
        SendReply,
        202,
        example=_EXAMPLE,
        problems=SEND_PROBLEMS,
    ),
    Operation(
        "POST",
        "/v1/messages/batch",
        "Send many messages in one transaction",
        "messages:send",
        BatchBody,
        None,
        202,
        example={"messages": [_EXAMPLE, _EXAMPLE | {"to": "+14155550124"}]},
        problems=("too_many_messages", *SEND_PROBLEMS),
    ),
    *LIST_OPERATIONS,
    *SCHEDULE_OPERATIONS,
    *ANALYTICS_OPERATIONS,
    Operation(
        "GET", "/v1/messages/{id}", "Show a message with segments and attempts", "messages:read", None, MessageView
    ),
    Operation(
        "GET",
        "/v1/messages/{id}/events",
        "List what happened to a message",
        "messages:read",
        None,
        EventView,
        list_name="events",
    ),
    Operation(
        "POST",
        "/v1/inspect",
        "Explain encoding and segments of a text",
        "inspect",
        InspectBody,
        sms.Inspection,
        example={"text": "Your table is ready 🎉"},
        problems=("encoding_impossible", "message_too_long"),
    ),
    *ACCOUNT_OPERATIONS,
    *HOOK_OPERATIONS,
    *EVENT_OPERATIONS,
    *OPT_OUT_OPERATIONS,
    *KEY_OPERATIONS,
    *PUBLISHABLE_OPERATIONS,
    *START_OPERATIONS,
    *LIMIT_OPERATIONS,
    *LOGIN_OPERATIONS,
    *AUDIT_OPERATIONS,
    *SANDBOX_OPERATIONS,
    *DECLARED_OPERATIONS,
)
"""What the API offers to customers."""

_inspect_decoder = msgspec.json.Decoder(InspectBody)
_encode = msgspec.json.Encoder().encode


def cold_api(services: Services, doors: Sequence[Door]) -> FastAPI:
    """The FastAPI application."""
    app = FastAPI(
        title="Heliograph",
        version=__version__,
        summary="Send text messages, follow them to the handset, hear the replies.",
        docs_url=None,
        redoc_url=None,
    )
    _Routes(services, doors).add(app)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        code = "method_not_allowed" if error.status_code == 405 else "not_found"
        detail = f"There is nothing to {request.method} at {request.url.path[:200]}: see /docs."
        response = _response(refusal(RequestRejected(code, detail, status=error.status_code)))
        if code == "method_not_allowed":
            response.headers["allow"] = ", ".join(_methods(app, request))
        return response

    return app


def _methods(app: FastAPI, request: Request) -> list[str]:
    """What may be asked of a path. (The framework tells only of the first endpoint that it finds there.)"""
    routes = [route for route in app.routes if isinstance(route, Route)]
    path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes if route.path == path for method in route.methods or ()})


class _Routes:
    """The endpoints, each a translation from a request to the house and back."""

    def __init__(self, services: Services, doors: Sequence[Door]) -> None:
        self._services = services
        self._doors = doors
        self._lists = Lists(services, self._caller)
        self._scheduling = Scheduling(services.schedules, services.store, services.cursors)
        self._events = Events(services, self._caller)
        self._opt_outs = OptOuts(services, self._caller)
        self._analytics = Analytics(services, self._caller)
        self._hooks = Hooks(services, self._caller, _call)
        self._keys = Keys(services, self._caller, _call)
        self._logins = login_endpoints(services, self._caller, _call)
        self._publishable = Publishable(services, self._caller, _call)
        self._starting = Starting(services, _call)
        self._limits = Limits(services, self._caller, _call)
        self._audit = Audit(services, self._caller)
        self._declaring = Declaring(services, self._caller, _call)
        self._oauth = OAuth(services, _call, self._count)
        self._sandbox = SandboxEndpoints(services, self._caller, _call)
        self._accounts = Accounting(services, self._caller, _call)

    def add(self, app: FastAPI) -> None:
        answers: dict[tuple[str, str], _Answer] = {
            **{("POST", door.path): self._through(door) for door in self._doors},
            ("GET", "/v1/messages"): self._lists.list,
            ("GET", "/v1/messages/export"): self._lists.export,
            ("GET", "/v1/messages/due"): self.due,
            ("POST", "/v1/messages/{id}/cancel"): self.cancel,
            ("POST", "/v1/messages/{id}/reschedule"): self.reschedule,
            ("GET", "/v1/analytics"): self._analytics.show,
            ("GET", "/v1/messages/{id}"): self.show,
            ("GET", "/v1/messages/{id}/events"): self.events,
            ("POST", "/v1/inspect"): self.inspect,
            **self._hooks.answers(),
            **self._keys.answers(),
            **self._declaring.answers(),
            **self._publishable.answers(),
            ("POST", START_PATH): self._starting.start,
            **self._limits.answers(),
            **{asked: answer for one in self._logins for asked, answer in one.answers().items()},
            ("GET", "/v1/audit"): self._audit.show,
            **self._accounts.answers(),
            ("GET", "/v1/events"): self._events.read,
            ("GET", "/v1/opt-outs"): self._opt_outs.list,
            **self._sandbox.answers(),
        }
        for operation in OPERATIONS:
            handler = self._endpoint(answers[operation.method, operation.path])
            app.add_api_route(
                operation.path, handler, methods=[operation.method], name=operation.summary, include_in_schema=False
            )
        app.add_api_route(TOKEN_PATH, self._endpoint(self._oauth.token), methods=["POST"], include_in_schema=False)
        preflight = self._endpoint(self._starting.preflight)
        app.add_api_route(START_PATH, preflight, methods=["OPTIONS"], include_in_schema=False)
        for path, plain in self._plain().items():
            app.add_api_route(path, self._endpoint(plain), methods=["GET"], include_in_schema=False)
        schema = document(OPERATIONS)
        app.openapi = lambda: schema  # type: ignore[method-assign]
        self._docs = docs_page(schema)

    def _plain(self) -> dict[str, Answerer]:
        """Paths of the house itself, which the document leaves out."""
        return {
            "/healthz": self.healthz,
            "/readyz": self.readyz,
            "/metrics": self.metrics,
            "/docs": self.docs,
            **self._oauth.documents(),
        }

    def _through(self, door: Door) -> Answerer:
        """The same endpoint for requests that do not come through its door."""

        async def through(request: Request) -> Reply:
            self._known(request, door.scope)  # nobody without a key makes us hold a body
            return await door.answer(await _call(request, door.most_octets))

        return through

    def _caller(self, request: Request, scope: str, *others: str) -> Principal:
        """Who asks; the request counts on their limits, once."""
        principal = self._known(request, scope, *others)
        self._count(request, principal)
        return principal

    def _count(self, request: Request, principal: Principal) -> None:
        limiter = self._services.limiter
        meters = None if limiter is None else limiter.of(principal)
        if meters is not None and not hasattr(request.state, "meters"):
            request.state.meters = meters
            meters.request()

    def _known(self, request: Request, scope: str, *others: str) -> Principal:
        header = request.headers.get("authorization")
        raw = None if header is None else header.encode("latin-1")
        call = Call(request.method, request.url.path, b"", raw, peer=peer_of(request), origin=_origin_of(request))
        principal = caller(call, self._services.keys, scope, *others)
        request.state.principal = principal
        return principal

    def _note(self, request: Request, error: RequestRejected | StoreError) -> None:
        """A caller who is known may not do this: the audit log tells it. Who is not known was told of by the key."""
        principal = getattr(request.state, "principal", None)
        if principal is None or not isinstance(error, RequestRejected) or error.status != _FORBIDDEN:
            return
        operation = f"{request.method} {request.scope['route'].path}"
        detail = {"code": error.code, "request": shown_request(request.method, request.url.path)}
        if error.field is not None:
            detail["field"] = error.field
        self._services.keys.refused(principal, peer_of(request), "operation", operation, **detail)

    def _endpoint(self, answer: _Answer) -> Callable[[Request], Awaitable[Response]]:
        """What FastAPI calls: every error becomes a problem here."""
        metrics = self._services.metrics

        async def answered(request: Request) -> Reply | Response:
            try:
                try:
                    return await answer(request)
                except Unseen as unseen:
                    await unseen.meet()
                    return await answer(request)
            except VersionConflict as error:
                metrics.refused("version_mismatch")
                return refusal(stale(error))
            except (RequestRejected, StoreError) as error:
                metrics.refused(refused_as(error))
                self._note(request, error)
                return refusal(error)
            except Exception as error:
                return failed(metrics, request.method, request.url.path, error)

        async def endpoint(request: Request) -> Response:
            found = await answered(request)
            if isinstance(found, Response):
                return found
            return _response(limited(found, getattr(request.state, "meters", None)))

        return endpoint

    # --- messages --------------------------------------------------------------------------------

    async def show(self, request: Request) -> Reply:
        principal = self._caller(request, "messages:read")
        record, names = await self._message(request, principal)
        operator = "routes:read" in principal.scopes
        connectors = self._services.connectors
        return Reply(200, message_json(record, operator=operator, connectors=connectors, accounts=names))

    async def events(self, request: Request) -> Reply:
        record, _ = await self._message(request, self._caller(request, "messages:read"))
        message = record.message
        logged = await self._services.store.logged(message.account_id, message.id)
        return Reply(200, _encode({"events": events_of(record, logged)}))

    async def _message(self, request: Request, principal: Principal) -> tuple[MessageRecord, Mapping[int, str]]:
        """A message of the caller's account or of one below it, and the name of that. Raises ``RequestRejected``."""
        message_id = normalize_id(request.path_params["id"])
        own, accounts = principal.account.id, self._services.keys.accounts
        record = None
        if message_id is not None:
            record = await message_of(self._services.store, accounts.within(own), message_id)
        if record is None:
            raise _no_message()
        owner = record.message.account_id
        return record, {} if owner == own else {owner: accounts.name(owner)}

    # --- dates -----------------------------------------------------------------------------------

    async def due(self, request: Request) -> Reply:
        principal = self._caller(request, "messages:read")
        return await self._scheduling.due(principal, parameters(request, ("before", "cursor", "limit")))

    async def cancel(self, request: Request) -> Reply:
        principal = self._caller(request, "messages:send")
        call = await _call(request, self._services.bounds.body_octets)
        return await self._scheduling.cancel(principal, request.path_params["id"], idempotency_of(call, principal))

    async def reschedule(self, request: Request) -> Reply:
        principal = self._caller(request, "messages:send")
        call = await _call(request, self._services.bounds.body_octets)
        message_id = request.path_params["id"]
        return await self._scheduling.reschedule(principal, message_id, call, idempotency_of(call, principal))

    async def inspect(self, request: Request) -> Reply:
        principal = self._caller(request, "inspect")
        call = await _call(request, self._services.bounds.body_octets)
        body = decode(call, _inspect_decoder, InspectBody.__struct_fields__)
        check_encoding(body.encoding)
        account = principal.account
        wishes = sms.TextWishes(
            encoding=body.encoding,
            smart=account.smart_encoding if body.smart_encoding is None else body.smart_encoding,
            national=account.national_tables if body.national_tables is None else body.national_tables,
            keep_segments=body.max_segments or 0,
        )
        try:
            seen = sms.inspect(body.text, wishes)
        except sms.TooLong as error:
            raise RequestRejected("message_too_long", str(error), field="text") from error
        except sms.CannotEncode as error:
            raise RequestRejected("encoding_impossible", str(error), field="text") from error
        replayed = await self._services.webhooks.once.used(idempotency_of(call, principal))
        return Reply(200, _encode(seen), REPLAYED if replayed else ())

    # --- the house itself --------------------------------------------------------------------------

    async def healthz(self, request: Request) -> Reply:
        return Reply(200, b'{"status":"alive"}')

    async def readyz(self, request: Request) -> Reply:
        reason = self._services.ready()
        if reason is None:
            faults = len(self._services.faults())
            return Reply(200, b'{"status":"ready","faults":%d}' % faults if faults else b'{"status":"ready"}')
        return refusal(RequestRejected("overloaded", reason, status=503, retry_after_s=1))

    async def docs(self, request: Request) -> Reply:
        scheme = request.headers.get("x-forwarded-proto", request.url.scheme)
        page = self._docs.at(scheme, request.headers.get("host", ""))
        return Reply(200, page, _NOTHING_FOREIGN, b"text/html; charset=utf-8")

    async def metrics(self, request: Request) -> Reply:
        if not _on_loopback(request):
            self._caller(request, "metrics:read")
        return Reply(200, self._services.metrics_text(), media_type=b"text/plain; version=0.0.4; charset=utf-8")


async def _call(request: Request, most_octets: int) -> Call:
    headers = dict(request.headers.raw)
    return Call(
        request.method,
        request.url.path,
        await _body(request, most_octets),
        headers.get(b"authorization"),
        headers.get(b"idempotency-key"),
        peer_of(request),
        headers.get(b"origin"),
    )


async def _body(request: Request, most_octets: int) -> bytes:
    """It comes once; an operation that is asked again after a look at a credential finds it kept."""
    if not hasattr(request.state, "body"):
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > most_octets:
                raise too_large(most_octets)
        request.state.body = bytes(body)
    kept: bytes = request.state.body
    return kept


def _origin_of(request: Request) -> bytes | None:
    origin = request.headers.get("origin")
    return None if origin is None else origin.encode("latin-1")


def _response(reply: Reply) -> Response:
    response = Response(reply.body, reply.status, media_type=None)
    if reply.body:
        response.raw_headers.append((b"content-type", reply.media_type))
    response.raw_headers.extend(reply.headers)
    return response


def _no_message() -> RequestRejected:
    return RequestRejected("not_found", "There is no message of this id: GET /v1/messages lists yours.", status=404)


def _on_loopback(request: Request) -> bool:
    """Whether the caller is on this machine; what a proxy on it passes on is not."""
    if request.client is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
