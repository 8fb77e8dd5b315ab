"""Every setting of the server: its variable, its default, what it does, and what production refuses."""

import os
import re
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from config.production import unfit

PREFIX = "LIFEBUDDY_"
CONTAINER_SECRETS = Path("/run/secrets")

Network = IPv4Network | IPv6Network
Words = Annotated[tuple[str, ...], NoDecode]
Networks = Annotated[tuple[Network, ...], NoDecode]
Rate = Annotated[str, Field(pattern=r"^[1-9]\d*/([1-9]\d*)?(s|min|h|d)$")]
"""So many in a time, such as `5/15min`."""
_HOST = r"([^,:/?@\[\]]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?"
REDIS_URL = re.compile(rf"unix://.|rediss?://.|rediss?\+cluster://([^/]*@)?{_HOST}(,{_HOST})*(/0?)?(\?.*)?$")


class SettingsError(ValueError):
    """Settings that cannot be used: one line for each, naming the variable and never its value."""


def _standard(name: str) -> AliasChoices:
    return AliasChoices(f"{PREFIX}{name}", name)


class Settings(BaseSettings):
    """Read once, by `read_settings()`, and handed on as plain values; only `server.py` and `scripts/` see this."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        validate_default=True,
    )

    profile: Literal["development", "test", "production"] = Field(
        "development",
        description="`production` refuses everything that is only fit for one machine, naming the setting.",
    )
    host: str = Field("127.0.0.1", description="Address the server listens on.")
    port: int = Field(8787, ge=0, le=65535, description="Port the server listens on; 0 takes a free one.")
    tls_cert: Path | None = Field(
        None,
        description="Certificate chain (PEM), to speak TLS 1.3 without a proxy. May change while the server runs.",
    )
    tls_key: Path | None = Field(None, description="Its private key (PEM, not encrypted).")
    data: Path = Field(Path("data"), description="Directory of the embedded servers' files and of generated secrets.")

    mongo_url: SecretStr | None = Field(
        None,
        description="MongoDB, a replica set of version 6 or newer. Unset: `scripts/run` starts one.",
    )
    mongo_database: str = Field("lifebuddy", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="Name of the database.")
    redis_url: SecretStr | None = Field(
        None,
        description="Redis or Valkey, version 7 or newer: `redis://:password@host:6379/0` or `rediss://…`. A Redis Cluster: "
        "`redis+cluster://:password@host:6379,host:6379` (`rediss+cluster://…`), with some of its nodes; the others are "
        "asked for. Unset: `scripts/run` starts one.",
    )
    embedded: Words = Field(
        (),
        description="Which parts are stand-ins; set by `scripts/run`, refused in production.",
    )

    master_key: SecretStr | None = Field(
        None,
        description="The key that wraps every other key: 64 hexadecimal digits. Goes before `MASTER_KEY_FILE`.",
    )
    master_key_file: Path | None = Field(
        None,
        description="File with the master key. Unset: `DATA/secrets/master-key`, made when missing, but not in production.",
    )
    wrapping_keys: Path | None = Field(
        None,
        description="Directory of keys that wrap people's keys in the master key's place: `2.key`, `3.key`, … of 64 "
        "hexadecimal digits each; the highest number is used. Unset: `DATA/secrets/wrapping-keys`, if there is one.",
    )
    signing_keys: Path | None = Field(
        None,
        description="Directory of Ed25519 private keys, `KID.pem`, for access tokens. "
        "Unset: `DATA/secrets/signing-keys`, made when missing, but not in production.",
    )
    signing_key_id: str | None = Field(
        None,
        description="The key that signs new tokens. Unset: the last by name; the others go on verifying.",
    )
    token_issuer: str = Field("lifebuddy", description="`iss` and `aud` of access tokens.")

    origins: Words = Field(
        (),
        description="Web origins that may call, with commas between; that of `APP_URL` may always. "
        "Unset: the server's own loopback addresses.",
    )
    passkeys_for: str | None = Field(
        None,
        pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        description="The domain passkeys are for (WebAuthn's RP ID): that of all origins, or one above it. With another one, "
        "those there are sign nobody in. Unset: the host of `APP_URL`, else of the first origin.",
    )
    trusted_proxies: Networks | None = Field(
        None,
        description="Networks of the proxies in front, with commas between, or `none`; production wants one of both said. "
        "Nobody else's `X-Forwarded-For` is believed.",
    )
    metrics_allow: Networks = Field(
        (ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="Networks that may read `/metrics`, with commas between.",
    )
    limits_scale: PositiveFloat = Field(1.0, description="Multiplies every rate limit; for tests and benches.")
    limit_register: Rate = Field(
        "3/h", description="Registrations by address. In `development`, loopback is not counted."
    )
    limit_login: Rate = Field("10/min", description="Logins by address. In `development`, loopback is not counted.")
    limit_attempts: Rate = Field("5/5min", description="Logins by account, from an address or from all unknown ones.")
    limit_failures: Rate = Field("5/15min", description="Wrong passwords by account, counted like logins.")
    limit_factor: Rate = Field("5/15min", description="Wrong codes of second factors by account, counted like logins.")
    limit_mail: Rate = Field("1/min", description="Mails that others may cause, by account.")
    limit_mail_daily: Rate = Field("5/d", description="The same over a day.")
    limit_connect: Rate = Field("10/min", description="Socket connects by device, counted by each node for itself.")

    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=_standard("OPENAI_API_KEY"),
        description="Key of the model provider. Without it, and without a base URL, the offline coach answers.",
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias=_standard("OPENAI_BASE_URL"),
        description="Any server that speaks the OpenAI protocol. Unset: OpenAI's own.",
    )
    openai_model: str = Field(
        "gpt-4.1-mini",
        validation_alias=_standard("OPENAI_MODEL"),
        description="Model that answers in chats.",
    )
    fallback_base_url: str | None = Field(
        None,
        description="A second provider that speaks the OpenAI protocol, asked when the first one fails.",
    )
    fallback_api_key: SecretStr | None = Field(
        None,
        description="Key of the second provider. Without it, and without a base URL, there is none.",
    )
    fallback_model: str | None = Field(None, description="Model of the second provider. Unset: `OPENAI_MODEL`.")
    model_first_token_seconds: PositiveFloat = Field(30.0, description="A model that has said nothing by then failed.")
    model_between_tokens_seconds: PositiveFloat = Field(15.0, description="A model silent for so long was cut off.")
    model_whole_seconds: PositiveFloat = Field(120.0, description="An answer ends by then, finished or not.")
    model_reads_ahead: bool = Field(
        False,
        description="A model that keeps what it has read, as local ones do, reads what is known of a caller when the call "
        "begins and after each of its answers: the next comes seconds sooner. With a paid one each costs a prompt.",
    )
    model_rest_seconds: PositiveFloat = Field(
        10.0,
        description="A provider that failed three times in a row is left alone for so long, then tried once; "
        "after each trial that fails twice as long.",
    )
    context_tokens: PositiveInt | None = Field(
        None,
        ge=1500,
        description="Tokens of a prompt: instructions, goals, summary and recent turns; tools and the answer come on top. "
        "Unset: 12,000 for OpenAI's own, 3,000 elsewhere, fit for a small local model.",
    )
    daily_tokens: PositiveInt = Field(
        1_000_000,
        description="Tokens of language models a user has on a local day, read and written; then the offline coach answers.",
    )
    actions_wait_hours: PositiveFloat = Field(
        24.0, le=24.0 * 30, description="How long what the coach proposes waits for its user's word."
    )
    llm_file: Path | None = Field(
        None,
        description="A GGUF file that `scripts/run` serves on loopback as the model. Refused in production.",
    )
    models: Literal["auto", "full", "lite", "none"] = Field(
        "auto",
        description="Local models that `scripts/run` fetches when no provider is configured: `auto` looks at memory and "
        "disk, `none` declines, like `--no-models`, and the two small ones of `MODELS_DIR` as well.",
    )
    models_dir: Path | None = Field(
        None,
        description="Directory of the model files; several checkouts may share it. In it the server itself looks for the two "
        "by which calls tell speech from noise and the end of a turn. Unset: `DATA/models`.",
    )
    models_status_url: str | None = Field(
        None,
        description="Where the local models say how far they are; set by `scripts/run`.",
    )

    transcriber_base_url: str | None = Field(
        None,
        description="Who hears in calls: any server that speaks the OpenAI protocol. Unset, and without a key: the model "
        "provider, when that is OpenAI itself; else there are no calls.",
    )
    transcriber_api_key: SecretStr | None = Field(None, description="Its key.")
    transcriber_model: str = Field("gpt-4o-mini-transcribe", description="Model that hears; or `whisper-1`.")
    transcriber_interim_model: str | None = Field(
        None, description="Model for captions of what is not said to its end. Unset: the same."
    )
    caption_seconds: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Seconds between two looks for the words of who still speaks: for captions, and for what interrupts the "
        "coach at once. Each is a request to `TRANSCRIBER_INTERIM_MODEL`, and costs; 0: none, and words come at pauses.",
    )
    transcriber_fallback_base_url: str | None = Field(None, description="A second one, asked when the first one fails.")
    transcriber_fallback_api_key: SecretStr | None = Field(None, description="Its key.")
    transcriber_fallback_model: str | None = Field(None, description="Its model. Unset: the same.")
    transcriber_seconds: PositiveFloat = Field(
        5.0, le=30.0, description="A transcript that is not there by then failed, asking again included."
    )
    speaker_base_url: str | None = Field(None, description="Who speaks in calls, like `TRANSCRIBER_BASE_URL`.")
    speaker_api_key: SecretStr | None = Field(None, description="Its key.")
    speaker_model: str = Field("gpt-4o-mini-tts", description="Model that speaks; or `tts-1`.")
    speaker_voice: str = Field("coral", description="The coach's voice, as the model calls it.")
    speaker_fallback_base_url: str | None = Field(None, description="A second one, asked when the first one fails.")
    speaker_fallback_api_key: SecretStr | None = Field(None, description="Its key.")
    speaker_fallback_model: str | None = Field(None, description="Its model. Unset: the same.")
    speaker_fallback_voice: str | None = Field(None, description="Its voice. Unset: the same.")
    speaker_first_sound_seconds: PositiveFloat = Field(
        3.0, le=30.0, description="A sentence of which there is no sound by then failed, asking again included."
    )
    speaker_between_sounds_seconds: PositiveFloat = Field(
        3.0, le=30.0, description="A voice silent for so long in a sentence was cut off."
    )
    speaker_whole_seconds: PositiveFloat = Field(30.0, le=300.0, description="A sentence is made by then.")

    app_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s#?]+[^\s#?/]$",
        description="Where people open the web app; links in mails lead there. Unset: the server itself.",
    )
    mail_from: str = Field(
        "LifeBuddy <no-reply@lifebuddy.invalid>",
        pattern=r"^[^@\r\n]*[^@\s]+@[^@\s]+$",
        description="Who mails are from.",
    )
    mail_verification: Literal["off", "on"] = Field(
        "off",
        description="`on`: there is no account before its mail address is confirmed, and registering tells nobody whether "
        "there is one. Needs a mail server.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="Mail server, `smtp://user:password@host:587` or `smtps://…:465`. Unset: `scripts/run` keeps each mail "
        "as a file and shows it at `/dev/mail`; elsewhere no mail is sent.",
    )

    s3_url: str | None = Field(
        None,
        description="Files: S3 or a server of its protocol; `https://s3.REGION.amazonaws.com` is Amazon's. Unset: "
        "`scripts/run` starts one; elsewhere there are no files.",
    )
    s3_public_url: str | None = Field(None, description="How apps reach it by signed links. Unset: as the server does.")
    s3_region: str = Field("us-east-1", description="Region that is signed for.")
    s3_key_id: str | None = Field(None, description="Access key. Unset: the machine's own role is asked.")
    s3_secret: SecretStr | None = Field(None, description="Secret of the access key.")
    s3_prefix: str = Field("lifebuddy-", pattern=r"^[a-z0-9-]{0,40}$", description="Goes before each bucket's name.")

    calls_per_node: PositiveInt = Field(20, description="Calls that a node takes at once; more are `overloaded`.")
    calls_lag_seconds: PositiveFloat = Field(
        0.15,
        description="A node that comes so late to what is due, in one of a hundred cases, takes no call beside those it has.",
    )
    calls_longest_seconds: PositiveFloat = Field(3600.0, description="How long a call may last.")
    calls_away_seconds: PositiveFloat = Field(
        60.0, le=3600.0, description="How long a call waits for a device that is out of reach, before it ends."
    )
    calls_leaving_seconds: PositiveFloat = Field(
        4.0,
        le=6.0,
        description="For the sentence that is being said when a node ends; then the call goes on at another. What is left of "
        "`DRAIN_SECONDS` is for everything else.",
    )
    calls_working_seconds: PositiveFloat = Field(
        1.2, le=30.0, description="How long a tool may work in a call before the coach says that it is on it."
    )
    calls_thinking_seconds: PositiveFloat = Field(
        4.0, le=30.0, description="How long the coach may be silent in a call before it says that it still thinks."
    )
    calls_address: IPv4Address | None = Field(
        None,
        description="Public IPv4 address by which clients reach this node's UDP ports, where it has only a private one itself "
        "(1:1 NAT). Unset: its own addresses; those of this machine alone, if that is where the server listens.",
    )
    calls_stun: Words = Field((), description="STUN servers for calls, `stun:host:3478`, with commas between.")
    calls_turn: Words = Field(
        (),
        description="TURN servers for calls, `turn:host:3478?transport=udp` or `turns:…`, with commas between. They must know "
        "the secret (coturn: `use-auth-secret`).",
    )
    calls_turn_secret: SecretStr | None = Field(None, description="Secret shared with the TURN servers.")
    calls_turn_seconds: PositiveFloat = Field(4 * 3600.0, description="How long credentials for TURN are good.")

    membership_ttl_seconds: PositiveFloat = Field(10.0, description="A node silent for so long counts as gone.")
    membership_refresh_seconds: PositiveFloat = Field(3.0, description="How often a node says that it is there.")
    device_lease_seconds: PositiveFloat = Field(
        30.0, description="A device that was not renewed for so long is gone; it is renewed three times as often."
    )
    last_seen_seconds: PositiveFloat = Field(
        900.0, description="How often it is kept that somebody is still there, of those who show it to others."
    )
    mailbox_bound: PositiveInt = Field(256, description="Messages waiting for one actor; more are `overloaded`.")
    outbox_bound: PositiveInt = Field(512, description="Events waiting for one device; more close it as `overloaded`.")
    idle_seconds: PositiveFloat = Field(900.0, description="An actor nobody spoke to for so long leaves the memory.")
    ask_seconds: PositiveFloat = Field(10.0, description="A command not answered by then ends in `timeout`.")
    shed_lag_seconds: PositiveFloat = Field(
        0.5, description="A node whose loop comes so late to things refuses new work as `overloaded`."
    )
    shed_waiting: PositiveInt = Field(
        20_000, description="Messages waiting in all mailboxes of a node; beyond, the same."
    )
    drain_seconds: PositiveFloat = Field(25.0, description="Time for a graceful end after SIGTERM.")
    snapshot_every: PositiveInt = Field(200, description="Events of an address between two snapshots.")

    jobs_together: PositiveInt = Field(4, description="Jobs that a worker (`scripts/worker`) does at once.")
    jobs_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port at which a worker answers `/healthz` and, to `METRICS_ALLOW`, `/metrics`; 0 takes a free one. "
        "Unset: none.",
    )
    jobs_lease_seconds: PositiveFloat = Field(
        15.0, description="A worker silent for so long counts as gone: its job is done by another."
    )
    jobs_attempts: PositiveInt = Field(5, description="Failures after which a job is not tried again: a dead letter.")

    otel_exporter_otlp_endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        validation_alias=_standard("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="An OpenTelemetry collector that takes OTLP over HTTP, `http://127.0.0.1:4318`: a share of all traces is "
        "sent to it, as protobuf. Needs `scripts/bootstrap.py traces`. The other variables of the OTLP exporter, such as "
        "`OTEL_EXPORTER_OTLP_HEADERS`, are heeded where they are in the environment. Unset: nothing is sent.",
    )
    otel_service_name: str = Field(
        "lifebuddy", validation_alias=_standard("OTEL_SERVICE_NAME"), description="What the server is called in traces."
    )
    otel_sdk_disabled: bool = Field(
        default=False, validation_alias=_standard("OTEL_SDK_DISABLED"), description="Sends no traces all the same."
    )
    trace_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="How many of all traces are sent, from 0 to 1; it is decided where one begins, and holds at every node. "
        "Each that is sent costs as much CPU as a message or two; of the others there is nothing to be measured.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto",
        description="`auto`: for people in a terminal, JSON lines elsewhere.",
    )
    log_exception_text: bool = Field(
        default=False,
        description="Logs what exceptions say, not only their type and place; may show private text. "
        "Refused in production.",
    )

    @field_validator("origins", "embedded", "calls_stun", "calls_turn", mode="before")
    @classmethod
    def _split(cls, given: object) -> object:
        return _words(given)

    @field_validator("trusted_proxies", "metrics_allow", mode="before")
    @classmethod
    def _split_networks(cls, given: object) -> object:
        if given is None or given == "none":
            return None if given is None else ()
        try:
            return tuple(ip_network(str(word)) for word in _words(given) or ())
        except ValueError:
            raise ValueError("is not a list of networks such as 10.0.0.0/8") from None

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not REDIS_URL.match(given.get_secret_value()):
            raise ValueError(
                "is no URL such as redis://:password@host:6379/0 or redis+cluster://:password@host:6379,host:6379"
            )
        return given

    @field_validator("smtp_url")
    @classmethod
    def _smtp_url_is_one(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not re.match(r"smtps?://[^/]", given.get_secret_value()):
            raise ValueError("is no URL such as smtp://user:password@host:587")
        return given

    @field_validator("calls_stun", "calls_turn")
    @classmethod
    def _ice_urls_are_some(cls, given: tuple[str, ...], field: ValidationInfo) -> tuple[str, ...]:
        scheme = "stun" if field.field_name == "calls_stun" else "turn"
        if not all(re.fullmatch(rf"{scheme}s?:{_HOST}(\?transport=(udp|tcp))?", url) for url in given):
            raise ValueError(f"is no list of URLs such as {scheme}:host:3478")
        return given

    @field_validator("master_key")
    @classmethod
    def _master_key_is_hexadecimal(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", given.get_secret_value()):
            raise ValueError("is not 64 hexadecimal digits")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.membership_refresh_seconds * 2 > self.membership_ttl_seconds:
            raise ValueError(f"{PREFIX}MEMBERSHIP_REFRESH_SECONDS: is more than half of the time to live")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY: only one is set")
        if self.calls_turn and self.calls_turn_secret is None:
            raise ValueError(f"{PREFIX}CALLS_TURN: needs {PREFIX}CALLS_TURN_SECRET")
        if self.mail_verification == "on" and self.smtp_url is None:
            raise ValueError(f"{PREFIX}MAIL_VERIFICATION: needs {PREFIX}SMTP_URL")
        refused = unfit(self) if self.profile == "production" else {}
        problems = [f"{variable(name)}: {why}" for name, why in refused.items()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def scheme(self) -> Literal["http", "https"]:
        return "http" if self.tls_cert is None else "https"

    @property
    def url(self) -> str:
        """Where the server itself listens."""
        return f"{self.scheme}://{self.host}:{self.port}"

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Where links in mails lead is a page of ours, whatever else is listed."""
        own = (f"{self.scheme}://127.0.0.1:{self.port}", f"{self.scheme}://localhost:{self.port}")
        listed = self.origins or (() if self.profile == "production" else own)
        linked = "/".join(self.links_to.split("/")[:3])
        return listed if linked in listed else (*listed, linked)

    @property
    def passkey_domain(self) -> str:
        """A page at a bare address can have no passkeys: this machine's is then taken by its name."""
        host = urlsplit(self.app_url or self.allowed_origins[0]).hostname or ""
        return self.passkeys_for or ("localhost" if host in {"127.0.0.1", "::1"} else host)

    @property
    def context_budget(self) -> int:
        return self.context_tokens or (3_000 if self.openai_base_url else 12_000)

    @property
    def models_directory(self) -> Path:
        return self.models_dir or self.data / "models"

    @property
    def secrets_directory(self) -> Path:
        return self.data / "secrets"

    @property
    def exempts_loopback(self) -> bool:
        """Whether limits by address pass over this machine's own programs."""
        return self.profile == "development"

    @property
    def calls_stay_here(self) -> bool:
        """Whether only programs of this machine call: nobody else reaches the server either."""
        return (
            self.profile != "production" and self.host in {"127.0.0.1", "::1", "localhost"} and not self.calls_address
        )

    @property
    def call_page(self) -> bool:
        """Whether developers have a page to call from."""
        return self.profile == "development"

    @property
    def mail_server(self) -> str | None:
        """Its URL, with what it wants to know of us."""
        return None if self.smtp_url is None else self.smtp_url.get_secret_value()

    @property
    def links_to(self) -> str:
        """Where links in mails lead."""
        return self.app_url or self.url

    @property
    def caught_mail(self) -> Path | None:
        """What the mail catcher of one machine keeps; nobody else may look at mail."""
        return self.data / "mail" if self.profile == "development" and "mail" in self.embedded else None


def read_settings(**given: object) -> Settings:
    """From the environment, `.env` and the container's secrets; what is given goes before. Raises SettingsError."""
    folder = CONTAINER_SECRETS if CONTAINER_SECRETS.is_dir() else None
    try:
        return Settings(_secrets_dir=folder, **given)  # type: ignore[call-arg, arg-type]  # checked while reading
    except ValidationError as failure:
        raise SettingsError("\n".join(_lines(failure))) from None


def variable(name: str) -> str:
    """The environment variable of a field."""
    return PREFIX + name.upper()


def _words(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    return tuple(word.strip() for word in given.split(",") if word.strip())


def _lines(failure: ValidationError) -> list[str]:
    lines = []
    for error in failure.errors(include_url=False, include_input=False):
        text = error["msg"].removeprefix("Value error, ")
        place = str(error["loc"][0]) if error["loc"] else ""
        name = place if place.isupper() else variable(place)
        lines.append(f"{name}: {text}" if place else text)
    return lines


def without_settings(environment: dict[str, str] | None = None) -> dict[str, str]:
    """An environment in which nothing is configured, for programs that are given their own."""
    source = dict(os.environ) if environment is None else environment
    return {name: value for name, value in source.items() if not name.startswith((PREFIX, "OPENAI_", "OTEL_"))}
