"""All doors, opened together on one port: who signs in, REST, and the sockets."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Final, Literal, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector

from actors.directory import Directory
from actors.domain.rate_limit import PRESENCES
from actors.journal.outside import Timers
from actors.ports import (
    Accounts,
    ApiKeys,
    Counters,
    ExportFiles,
    Factors,
    GoalRows,
    LoginSessions,
    Mails,
    MessageRows,
    Passkeys,
    Proofs,
    Roles,
)
from actors.runtime.outside import Report
from actors.runtime.owned import owned
from transport import tokens as access
from transport.calls import Calls
from transport.certificates import Certificate
from transport.contract.served import documents
from transport.identity import Bearers
from transport.limits import Gate, Limits, read_limit
from transport.load import Load
from transport.mailing import Mailing
from transport.passwords import Passwords
from transport.presence import Presences, Rationed, WhoIsThere
from transport.providers.mail import Smtp, Templates
from transport.providers.sender import Sender
from transport.proving import Proving
from transport.rest.app import app, listening
from transport.rest.doors import Doors
from transport.rest.doors import Limits as RequestLimits
from transport.rest.gauges import Histograms, Reading, Tally, show
from transport.rest.readiness import Check, Detail, Readiness
from transport.roles import Granting
from transport.service_keys import ServiceKeys
from transport.signed_in import Site
from transport.signin import SignIn
from transport.slot import Slot
from transport.sockets.doors import SocketDoors
from transport.sockets.gateway import Gateway
from transport.sockets.limits import Limits as SocketLimits
from transport.sockets.neighbours import Neighbours
from transport.sockets.outbox import LocalOutbox
from transport.tickets import Tickets
from transport.tracing import Traces
from transport.webrtc.seams.unfit import UNFIT

RENEWALS: Final = 3
"""Within the lease of a device: two may be lost."""


class Wanted(Protocol):
    """What the doors are told by the settings, under the settings' names."""

    host: str
    port: int
    tls_cert: Path | None
    tls_key: Path | None
    metrics_allow: tuple[IPv4Network | IPv6Network, ...]
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] | None
    limits_scale: float
    limit_register: str
    limit_login: str
    limit_attempts: str
    limit_failures: str
    limit_factor: str
    limit_mail: str
    limit_mail_daily: str
    limit_connect: str
    outbox_bound: int
    ask_seconds: float
    device_lease_seconds: float
    shed_lag_seconds: float
    shed_waiting: int
    token_issuer: str
    mail_from: str
    mail_verification: Literal["off", "on"]

    @property
    def mail_server(self) -> str | None: ...

    @property
    def links_to(self) -> str: ...

    @property
    def exempts_loopback(self) -> bool: ...

    @property
    def passkey_domain(self) -> str: ...

    @property
    def caught_mail(self) -> Path | None: ...

    @property
    def call_page(self) -> bool: ...

    @property
    def allowed_origins(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What the doors lead to. `signing_keys` reads the keys as they are now, `common_words` are no pass words,
    `say` tells whoever started the server. `waiting` counts messages in mailboxes, `errors` what was logged of them, by
    event. `slot` is this process's among those behind the same port, who trust each other by their key.
    """

    sessions: Directory
    outbox: LocalOutbox
    accounts: Accounts
    logins: LoginSessions
    counters: Counters
    roles: Roles
    factors: Factors
    passkeys: Passkeys
    api_keys: ApiKeys
    mails: Mails
    proofs: Proofs
    mail_templates: Path
    goals: GoalRows
    messages: MessageRows
    presences: Presences
    exports: ExportFiles | None
    timers: Timers
    node: str
    signing_keys: Callable[[], access.SigningKeys]
    common_words: Iterable[str]
    checks: Mapping[str, Check]
    details: Mapping[str, Detail]
    readings: Sequence[Reading]
    waiting: Callable[[], int]
    report: Report
    say: Callable[[str], None]
    errors: Mapping[str, int] = field(default_factory=dict)
    slot: Slot | None = None
    neighbours_key: bytes = field(default=b"", repr=False)
    calls: Calls = field(default_factory=Calls)
    traces: Traces = field(default_factory=Traces)


@dataclass(frozen=True, slots=True)
class Open:
    """The doors while they are open."""

    gateway: Gateway
    readiness: Readiness
    leave_port: Callable[[], Awaitable[None]] | None

    async def let_nobody_in(self) -> None:
        """Who is here is served on. A port with others behind it is left to them; a port of our own tells why."""
        self.readiness.draining = self.gateway.draining = True
        if self.leave_port is not None:
            await self.leave_port()


@asynccontextmanager
async def opened(wanted: Wanted, behind: Behind) -> AsyncIterator[Open]:
    """What is entered last is closed first."""
    load = Load(behind.waiting, most_lag=wanted.shed_lag_seconds, most_waiting=wanted.shed_waiting)
    registry, gate = _registry(behind, load), _gate(wanted, behind)
    who = Rationed(behind.presences, gate, PRESENCES.scaled(wanted.limits_scale))
    async with (
        owned(load.watch(), "load.watch", behind.report),
        _mail(wanted, behind) as (mailing, mail_checks),
        _signin(wanted, behind, mailing) as signin,
        _neighbours(behind) as neighbours,
        Gateway(
            replace(_socket_doors(wanted, behind, signin, registry, who), neighbours=neighbours, load=load)
        ) as gateway,
    ):
        readiness = Readiness({**behind.checks, **mail_checks}, details=behind.details)
        down = "1: it did not answer when it was last asked"
        show(registry, [Reading("part_down", down, partial(readiness.is_down, part), part) for part in readiness.parts])
        await _welcome(signin, behind.say)
        rest = _rest_doors(wanted, behind, signin, readiness, registry)
        application = app(replace(rest, gate=gate, presences=who, load=load, processes=neighbours))
        gateway.mount(application)
        async with (
            _tls(wanted, behind.report) as tls,
            listening(application, wanted.host, wanted.port, tls=tls, slot=behind.slot) as leave,
        ):
            yield Open(gateway, readiness, None if behind.slot is None else leave)


def _registry(behind: Behind, load: Load) -> CollectorRegistry:
    """What the process, the inside and its log say of themselves; each door adds its own."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    _show_calls(registry, behind.calls)
    registry.register(Tally("log_errors", "Errors and worse that were logged", "event", behind.errors))
    show(registry, (*behind.readings, Reading("loop_lag_seconds", "How late the loop comes", lambda: load.lag)))
    return registry


def _show_calls(registry: CollectorRegistry, calls: Calls) -> None:
    figures = calls.figures
    registry.register(Tally("call_media", "What was sent, heard, lost or dropped in calls", "kind", calls.counts))
    registry.register(Tally("call_seams_unfit", "Private parts of aiortc that are not as they were", "seam", UNFIT))
    registry.register(Tally("calls_ended", "Calls that came to their end", "reason", figures.ended))
    stages = Histograms("call_stage_seconds", "How long each stage of a spoken turn took", "stage", figures.stages)
    registry.register(stages)
    readings = (
        Reading("call_peers", "Peer connections of calls", calls.live),
        Reading("calls_live", "Calls, those among them whose device is away", lambda: figures.live),
        Reading("calls_begun", "Calls since the start", lambda: figures.begun),
        Reading("call_turns", "Spoken turns that were answered, since the start", lambda: figures.turns),
    )
    show(registry, readings)


@asynccontextmanager
async def _neighbours(behind: Behind) -> AsyncIterator[Neighbours | None]:
    """None for a process that has its port to itself."""
    if behind.slot is None:
        yield None
        return
    bounds = SocketLimits()
    async with Neighbours(
        behind.slot, behind.neighbours_key, most=bounds.connections, frame=bounds.frame
    ) as neighbours:
        yield neighbours


async def _welcome(signin: SignIn, say: Callable[[str], None]) -> None:
    """A fresh installation has no administrator: whoever sees what it prints may become it."""
    token = await Granting(signin).first_token()
    if token is not None:
        say(f"first administrator: sign in, then POST /v1/admin/setup with the token {token} (once, within 24 hours)")


@asynccontextmanager
async def _tls(wanted: Wanted, report: Report) -> AsyncIterator[ssl.SSLContext | None]:
    """None where a proxy in front ends it. Raises OSError for files that can't be used."""
    if wanted.tls_cert is None or wanted.tls_key is None:
        yield None
        return
    certificate = Certificate(wanted.tls_cert, wanted.tls_key)
    async with owned(certificate.follow(), "certificate.follow", report):
        yield certificate.context


@asynccontextmanager
async def _mail(wanted: Wanted, behind: Behind) -> AsyncIterator[tuple[Mailing, Mapping[str, Check]]]:
    """Where letters are left, and who sends them if there is a mail server. Raises ValueError for its URL."""
    mailing = Mailing(behind.mails, behind.timers, wanted.links_to, on=wanted.mail_server is not None)
    if wanted.mail_server is None:
        yield mailing, {}
        return
    server = Smtp(wanted.mail_server)
    sender = Sender(mailing, server, Templates(behind.mail_templates), wanted.mail_from)
    async with owned(sender.run(), "mail.sender", behind.report):
        yield mailing, {"mail": sender.check}


@asynccontextmanager
async def _signin(wanted: Wanted, behind: Behind, mailing: Mailing) -> AsyncIterator[SignIn]:
    """Accounts, tokens and login sessions; keys and revocations are followed as they change."""
    tokens = access.Tokens(behind.signing_keys(), issuer=wanted.token_issuer, timers=behind.timers)
    bearers = Bearers(tokens, behind.logins, behind.timers)
    async with (
        Passwords(words=behind.common_words) as passwords,
        owned(bearers.follow(), "bearers.follow", behind.report),
        owned(access.follow(tokens, behind.signing_keys), "signing-keys.follow", behind.report),
    ):
        yield SignIn(
            accounts=behind.accounts,
            logins=behind.logins,
            sessions=behind.sessions,
            tokens=tokens,
            bearers=bearers,
            passwords=passwords,
            proving=Proving(behind.proofs, mailing, behind.timers),
            roles=behind.roles,
            factors=behind.factors,
            passkeys=behind.passkeys,
            site=Site(wanted.passkey_domain, wanted.allowed_origins),
            verification=wanted.mail_verification == "on",
            timers=behind.timers,
        )


def _gate(wanted: Wanted, behind: Behind) -> Gate:
    limits = Limits(
        register=read_limit("register", wanted.limit_register),
        login=read_limit("login", wanted.limit_login),
        attempts=read_limit("login.account", wanted.limit_attempts),
        failures=read_limit("login.failures", wanted.limit_failures),
        factor=read_limit("login.factor", wanted.limit_factor),
        mail=read_limit("mail", wanted.limit_mail),
        mail_daily=read_limit("mail.daily", wanted.limit_mail_daily),
    )
    return Gate(behind.counters, limits.scaled(wanted.limits_scale), exempt_loopback=wanted.exempts_loopback)


def _socket_doors(
    wanted: Wanted, behind: Behind, signin: SignIn, registry: CollectorRegistry, who: WhoIsThere
) -> SocketDoors:
    return SocketDoors(
        sessions=behind.sessions,
        identify=Tickets(signin.proving, signin.bearers).identify,
        watch=signin.bearers.watch,
        messages=behind.messages,
        presences=who,
        outbox=behind.outbox,
        registry=registry,
        node=behind.node,
        origins=frozenset(wanted.allowed_origins),
        connects=read_limit("connect", wanted.limit_connect).scaled(wanted.limits_scale),
        limits=SocketLimits(
            waiting=wanted.outbox_bound,
            ask=wanted.ask_seconds,
            renew=wanted.device_lease_seconds / RENEWALS,
        ),
        traces=behind.traces,
    )


def _rest_doors(
    wanted: Wanted, behind: Behind, signin: SignIn, readiness: Readiness, registry: CollectorRegistry
) -> Doors:
    return Doors(
        sessions=behind.sessions,
        identify=signin.bearers.identify,
        goals=behind.goals,
        messages=behind.messages,
        presences=behind.presences,
        exports=behind.exports,
        signin=signin,
        gate=_gate(wanted, behind),
        keys=ServiceKeys(behind.api_keys, behind.timers),
        readiness=readiness,
        registry=registry,
        documents=documents,
        origins=frozenset(wanted.allowed_origins),
        metrics_from=wanted.metrics_allow,
        trusted_proxies=wanted.trusted_proxies or (),
        limits=RequestLimits(ask=wanted.ask_seconds),
        caught_mail=wanted.caught_mail,
        call_page=wanted.call_page,
        ice_servers=behind.calls.ice_servers,
        longest_call=behind.calls.longest,
        traces=behind.traces,
        now=behind.timers.now,
    )
