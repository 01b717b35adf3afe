"""The house in one piece: builds every room from a configuration, starts and stops it.

The only place that reads the configuration; everybody else receives the values they need.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from heliograph.access import KeyRing
from heliograph.access.accounts import Accounts
from heliograph.access.configuring import Configuring
from heliograph.access.following import Following
from heliograph.access.guard import Guard
from heliograph.access.issuers import OutsideIssuer, Trust
from heliograph.access.limiting import Limiter
from heliograph.access.passwords import Passwords
from heliograph.access.rekeying import ready_to_seal, refuse_keyless
from heliograph.access.sealing import MasterKeys, keys_from
from heliograph.access.signing import SigningKeys
from heliograph.access.tokens import Tokens
from heliograph.config import Config, load
from heliograph.config.certificates import files_of
from heliograph.config.stored import Key
from heliograph.contracts import Store, SystemClock
from heliograph.delivery.breaker_news import BreakerNews
from heliograph.delivery.counting import Counting
from heliograph.delivery.directory import Directory
from heliograph.delivery.eventlog import EventLog
from heliograph.delivery.intake import IntakeLimits
from heliograph.delivery.lane import LaneLimits
from heliograph.delivery.notices import Notices
from heliograph.delivery.outbox import Bounds as OutboxBounds
from heliograph.delivery.outbox import Outbox
from heliograph.delivery.pipeline import Pipeline
from heliograph.delivery.readiness import Readiness
from heliograph.delivery.replays import Replays
from heliograph.delivery.rescue import RescueSettings
from heliograph.delivery.standard_webhooks import StandardWebhooks
from heliograph.delivery.tails import Tails
from heliograph.delivery.webhooks import Webhooks
from heliograph.errors import (
    ConfigError,
    ConfigFault,
    ConfigurationUnreadable,
    HeliographError,
    SecretLocked,
    StoreError,
)
from heliograph.furnishing import Furnishing
from heliograph.ingress.rest import Services, build
from heliograph.ingress.rest.cursors import CURSOR_KEYS, Cursors
from heliograph.ingress.rest.services import Bounds
from heliograph.ingress.server import HttpLimits, HttpServer
from heliograph.ingress.tls import Tls
from heliograph.model import Fact, IdSource, Live
from heliograph.outbound import DirectHttp, Fetching, HelperHttp
from heliograph.sandbox import Sandboxes
from heliograph.sms.numbers import prepare_numbers
from heliograph.store import open_store
from heliograph.telemetry import journal
from heliograph.telemetry.metrics import LaneReading, Metrics

__all__ = ["Heliograph", "run_serve"]

_CONFIG_EVERY_S = 1.0
_DRAIN_S = 10.0
_DAY_S = 86_400.0
_HELPED_FROM = 8_000.0
"""Webhook requests a second from which a helper process sends them: below it costs more than it takes off."""
_COLLECT = (50_000, 20, 50)
"""Messages make no cycles: looking for them at every 700 objects costs a tenth of all and finds nothing."""
_SWITCH_S = 0.0005
"""The store's thread waits no longer than this for a busy loop: with Python's 5 ms a commit waits ten times."""


class Heliograph:
    """A running server: ``async with Heliograph(config) as server: server.url``."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = ""
        self.metrics = Metrics()
        self.clock = SystemClock()
        self.readiness = Readiness(self.clock)
        self._locked: str | None = None
        """Why endpoints could not be loaded since they changed ("": not tried yet); None: they are."""
        self._damage: tuple[str, str, str] | None = None
        """What could not be read of the configuration at the last look: table, row, and why."""
        self._looked = -1
        """The version of the configuration that endpoints were last loaded for."""
        self._watch: asyncio.Task[None] | None = None
        self._started = False
        """Whether lanes are open, so that connectors which change open and close theirs."""
        self.tls: Tls | None = None

    async def __aenter__(self) -> Heliograph:
        try:
            await self.start()
        except BaseException:
            await self.stop(drain_s=0.0)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # --- start -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Opens the store, recovers what the last run left, connects to carriers, then takes requests."""
        config = self.config
        self._read_certificate(config)
        self.sealing = MasterKeys(_keys_of(config))
        refuse_keyless(self.sealing)
        self.store: Store = open_store(
            config.store.url,
            serve=True,
            max_waiting=config.limits.store_queue_messages,
            observe=self.metrics.committed,
            sealer=self.sealing,
        )
        await self.store.open()
        await ready_to_seal(self.sealing, self.store)
        self._opened = True
        await self._build_pipeline()
        self._build_outbox()
        await self.keys.refresh()
        await self._load_endpoints()
        self.store.on_facts = self._on_facts
        await self.counting.start()
        await self.outbox.start()
        self.configuring = Configuring(
            self.store, self.sealing, self.clock.now_us, lambda: self.following.config, os.environ
        )
        self.furnishing = Furnishing(self.store, self.directory, self.keys, self.clock)
        self.following = Following(config, self.configuring, self._take)
        self.metrics.read_faults = self.following.counts
        await self.following.reload(config)
        self._trust(config)
        await self.pipeline.start(self.furnishing.connectors)
        self._started = True
        await self.sandboxes.start()
        self.server = HttpServer(
            self._application(),
            host=config.http.host,
            port=config.http.port,
            closed=self.metrics.closed,
            tls=None if self.tls is None else self.tls.context,
            limits=HttpLimits(
                connections=config.http.connections,
                header_timeout_s=config.http.header_timeout_s,
                body_timeout_s=config.http.body_timeout_s,
                write_timeout_s=config.http.write_timeout_s,
                idle_timeout_s=config.http.idle_timeout_s,
            ),
        )
        self.url = await self.server.start()
        self.tokens.issuer = config.oauth.issuer or self.url
        self._watch = asyncio.get_running_loop().create_task(self._watch_configuration())
        self.readiness.serve(self.store, self._look)

    def _read_certificate(self, config: Config) -> None:
        """The HTTP server's certificate, if it has one. Raises ``ConfigError`` where it can't be served."""
        files = files_of(config.http)
        if files is not None:
            self.tls = Tls(files, self.clock, self.metrics.certificate_refused)
            self.metrics.certificate_end_s = self.tls.ends_at.timestamp()

    def _look_at_certificate(self) -> None:
        if self.tls is not None:
            self.tls.look()
            self.metrics.certificate_end_s = self.tls.ends_at.timestamp()

    async def _build_pipeline(self) -> None:
        config, clock = self.config, self.clock
        self.directory = Directory()
        retention = config.retention
        self.pipeline = Pipeline(
            self.store,
            self.directory,
            IdSource(await self.store.newest_id()),
            clock,
            self.metrics,
            lane_limits=LaneLimits(lane_segments=config.limits.lane_messages),
            intake_limits=IntakeLimits(messages=config.limits.store_queue_messages),
            rescue_settings=RescueSettings(
                contents_s=retention.contents_days * _DAY_S,
                records_s=retention.records_days * _DAY_S,
                outbox_s=retention.events_days * _DAY_S,
                orphans_s=retention.orphans_days * _DAY_S,
                audit_s=retention.audit_days * _DAY_S,
                dead_letters=config.webhooks.dead_letters,
            ),
        )
        self.sandboxes = Sandboxes(self.store, self.pipeline)
        self.pipeline.intake.on_sandbox = self.sandboxes.ensure
        self.metrics.read_lanes = self._lane_readings
        self.metrics.read_healths = lambda: self.outbox.healths()
        self.metrics.read_lags = lambda: {**self.outbox.lags(), "counts": self.counting.lag}
        guard = Guard(clock.now_us, shared=config.http.allow_plain_http)
        guard.on_lock = self._locked_out
        self.keys = KeyRing(self.store, clock.now_us, guard)
        self.keys.tokens = self.tokens = Tokens(
            SigningKeys(self.store, self.sealing, clock.now_us),
            clock.now_us,
            self.keys.find,
            self.keys.refresh,
            issuer=config.oauth.issuer or "",
            lifetime_s=config.oauth.token_lifetime_s,
        )
        self.fetching = Fetching()
        self.passwords = Passwords()
        self.notices = Notices(self.store, clock, lambda endpoint_id: self.outbox.look(endpoint_id))
        self.limiter = Limiter(self.store, clock, self._tell_of_limit, journal.limit_reached)
        self.keys.on_refresh = self._take_accounts
        self.counting = Counting(self.store)
        self.tails = Tails(EventLog(self.store, clock, int(retention.events_days * _DAY_S * 1_000_000)))

    def _trust(self, config: Config) -> None:
        """Issuers outside as ``config`` declares them; what did not change keeps its keys."""
        known = {one.trust: one for one in self.tokens.outside}
        declared = [Trust(**vars(one)) for one in config.issuers]
        self.tokens.trust([known.get(one) or self._issuer(one) for one in declared])

    def _issuer(self, trust: Trust) -> OutsideIssuer:
        tokens = self.tokens
        return OutsideIssuer(
            trust, self.fetching.get, self.clock.monotonic, lambda name: tokens.accounts.get(name), tokens.changed
        )

    def _build_outbox(self) -> None:
        webhooks = self.config.webhooks
        private = webhooks.allow_private_addresses
        self.http = HelperHttp(
            DirectHttp(allow_private_addresses=private), allow_private_addresses=private, starts_at=_HELPED_FROM
        )
        voice = StandardWebhooks(timeout_s=webhooks.timeout_s)
        news = BreakerNews(
            self.notices,
            self.clock,
            lambda: self.directory.accounts,
            lambda account_id: self.outbox.endpoints_of(account_id),
            lambda: self.config.webhooks.operator,
        )
        self.outbox = Outbox(
            self.store,
            self.http,
            voice,
            metrics=self.metrics,
            clock=self.clock,
            bounds=OutboxBounds(connections=webhooks.concurrency),
            news=news.tell,
        )
        self.webhooks = Webhooks(self.store, self.clock, lambda: self._position)
        self.webhooks.changed = self._load_endpoints
        self.pipeline.intake.on_callback = self.webhooks.ensure_callbacks
        self._position = 0

    def _application(self) -> Any:
        limits = self.config.limits
        return build(
            Services(
                intake=self.pipeline.intake,
                schedules=self.pipeline.schedules,
                store=self.store,
                keys=self.keys,
                webhooks=self.webhooks,
                outbox=self.outbox,
                replays=Replays(self.store, self.outbox, self.clock),
                tails=self.tails,
                now_us=self.clock.now_us,
                sandboxes=self.sandboxes,
                cursors=Cursors(lambda: self.sealing.derived(CURSOR_KEYS)),
                connectors=self.furnishing.names,
                limiter=self.limiter,
                passwords=self.passwords,
                declared_accounts=lambda: self.config.accounts,
                configuring=self.configuring,
                sealer=self.sealing,
                faults=lambda: self.following.faults,
                bound=lambda: {
                    one.connector.name for one in self.pipeline.dispatch.lanes.values() if one.connector.bound
                },
                reconfigured=self._look,
                metrics=self.metrics,
                metrics_text=self.metrics.exposition,
                allow_private_addresses=self.config.webhooks.allow_private_addresses,
                ready=self.readiness.reason,
                bounds=Bounds(
                    body_octets=limits.body_octets,
                    batch_body_octets=limits.batch_body_octets,
                    batch_messages=limits.batch_messages,
                ),
            )
        )

    def _on_facts(self, position: int, facts: Sequence[Fact], lives: Sequence[Live | None]) -> None:
        self._position = position
        self.counting.told(position, facts)
        self.outbox.told(position, facts, lives)  # type: ignore[arg-type]
        if self.tails.listening:
            self.tails.told(facts)

    # --- configuration -----------------------------------------------------------------------------

    async def reload(self, config: Config) -> None:
        """A new configuration: only what it changes is touched."""
        await self._take_keys(config)
        await self.following.reload(config)
        self._trust(config)
        self.config = config
        await self.pipeline.settled()

    async def _take(self, config: Config, files: Config) -> dict[Key, ConfigFault]:
        """Makes a configuration hold: the file's with the store's."""
        changed, failed = await self.furnishing.take(config, files)
        if self._started:
            self.pipeline.plan_connectors(self.furnishing.connectors, drain_s=_DRAIN_S)
            for name, what in changed:
                journal.connector_changed(name, what)
        return failed

    async def _take_keys(self, config: Config) -> None:
        """The master keys of a new configuration, if they open what there is. Raises ``ConfigError``."""
        before = self.sealing.use(_keys_of(config))
        try:
            await self._load_endpoints()
        except SecretLocked as error:
            self.sealing.use(before)
            raise ConfigError([ConfigFault("security.master_key", str(error))]) from error

    async def _load_endpoints(self) -> None:
        self.outbox.set_endpoints(await self.store.endpoints())

    async def _watch_configuration(self) -> None:
        """A change by any process (a key revoked on the command line) holds here within two seconds."""
        while True:
            await asyncio.sleep(_CONFIG_EVERY_S)
            self._look_at_certificate()
            self.tokens.tend()
            await self.readiness.look()
            with contextlib.suppress(HeliographError):
                await self.keys.note_uses()
                await self.keys.refusals.write()
                await self.limiter.tend()
                self.metrics.depth = await self.store.depth()

    async def _look(self) -> None:
        """Reads what another process may have changed."""
        damage: tuple[str, str, str] | None = None
        try:
            await self.keys.refresh()
            if self.keys.version != self._looked:
                self._looked = self.keys.version
                self._locked = self._locked or ""
            if self._locked is not None:
                await self._load_again()
        except ConfigurationUnreadable as error:
            damage = (error.table, error.name, str(error))
        self._tell_of_damage(damage)
        await self.following.look()

    def _tell_of_damage(self, found: tuple[str, str, str] | None) -> None:
        """The store answers, and what was read before it was damaged goes on: the journal hears of it once."""
        before, self._damage = self._damage, found
        if found is not None and found != before:
            journal.configuration_faulty(*found)
        elif found is None and before is not None:
            journal.configuration_mended(*before[:2])

    async def _take_accounts(self, accounts: Accounts) -> None:
        """Whatever asks for a key again may do so at any time: what its account needs is here before the key is."""
        await self.limiter.load(accounts)
        self.directory.set_accounts(list(accounts.kept.values()))

    async def _tell_of_limit(
        self, account_id: int, subject: str, data: Mapping[str, object], once: str, until_us: int
    ) -> bool:
        return await self.notices.tell(
            account_id, "limit.reached", subject, data, once=once, until_us=until_us + int(_DAY_S * 1_000_000)
        )

    def _locked_out(self, what: str, name: str, for_s: int) -> None:
        journal.authentication_locked(what, name, for_s)
        self.metrics.locked(what)
        self.keys.refusals.locked(what, name, for_s)

    async def _load_again(self) -> None:
        """Endpoints after a change; while a secret is locked those before go on, and each look tries again."""
        try:
            self.sealing.read()
            await self._load_endpoints()
        except (SecretLocked, ConfigError) as error:
            if self._locked != str(error):
                self._locked = str(error)
                journal.secret_locked(self._locked)
        else:
            self._locked = None

    def _lane_readings(self) -> Iterable[LaneReading]:
        for lane in self.pipeline.dispatch.lanes.values():
            connector = lane.connector
            yield LaneReading(
                connector.name,
                lane.depth,
                lane.in_flight,
                connector.window,
                lane.pace.rate,
                int(connector.bound),
                lane.congestion,
            )

    # --- stop --------------------------------------------------------------------------------------

    async def stop(self, *, drain_s: float = _DRAIN_S) -> None:
        """Takes no more requests, lets carriers and webhooks answer, keeps everything else for the next start."""
        self.readiness.stop()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if hasattr(self, "following"):
            await self.following.stop()
        if hasattr(self, "tails"):
            self.tails.close()
        if hasattr(self, "server"):
            await self.server.stop()
            with contextlib.suppress(HeliographError):
                await self.keys.note_uses(at_once=True)
                await self.keys.refusals.write(at_once=True)
                await self.limiter.tend()
        if hasattr(self, "outbox"):
            await self.sandboxes.stop()
            await self.pipeline.stop(drain_s)
            await self.outbox.drain(min(drain_s, 5.0))
            await self.outbox.close()
            await self.counting.stop()
            await self.http.close()
        if hasattr(self, "tokens"):
            await self.tokens.close()
            await self.fetching.close()
        if hasattr(self, "passwords"):
            self.passwords.close()
        if hasattr(self, "store"):
            await self.store.close()


def _keys_of(config: Config) -> Callable[[], Sequence[bytes]]:
    """Where the master keys of a configuration come from."""
    return keys_from(config.security.master_key, config.security.other_master_keys, config.store.file)


def run_serve(config_path: Path | None) -> int:
    """``heliograph serve``: runs until SIGTERM or SIGINT. Gives the exit code."""
    import uvloop

    try:
        config = load(config_path, os.environ)
        journal.configure(config.log.format, config.log.level, whole_numbers=config.log.whole_numbers)
        sys.setswitchinterval(_SWITCH_S)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(config, config_path))
    except (ConfigError, HeliographError) as error:
        for line in str(error).splitlines():
            print(f"heliograph: {line}", file=sys.stderr)
        return 1


async def _serve(config: Config, config_path: Path | None) -> int:
    stopping = asyncio.Event()
    reloading = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, reloading.set)
    await asyncio.to_thread(prepare_numbers)
    async with Heliograph(config) as server:
        # Everything built so far lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT)
        journal.serving(server.url, config.store.url.partition(":")[0], server.store.node_id)
        print(f"ready {server.url}", flush=True)
        reloader = loop.create_task(_reload_when_told(server, config_path, reloading))
        await stopping.wait()
        reloader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reloader
        journal.stopping("told by a signal")
    journal.stopped()
    return 0


async def _reload_when_told(server: Heliograph, config_path: Path | None, told: asyncio.Event) -> None:
    while True:
        await told.wait()
        told.clear()
        try:
            config = load(config_path, os.environ)
            await server.reload(config)
        except ConfigError as error:
            journal.configuration_kept(len(error.faults), str(error.faults[0]))
        except StoreError as error:
            journal.store_unavailable(str(error))
        else:
            journal.configuration_read(len(config.connectors), len(config.routes), len(config.numbers))
