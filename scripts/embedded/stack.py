"""Everything one machine needs besides the server: a real part for each URL that is not configured."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

from rich.console import Console

from config.settings import Settings, variable
from scripts.embedded import ears
from scripts.embedded.ai import ollama
from scripts.embedded.ai.consent import plan
from scripts.embedded.binaries import Program, ProgramMissingError
from scripts.embedded.child import StartError
from scripts.embedded.local_ai import LocalAI, come_up, local_ai
from scripts.embedded.mail import mail_catcher
from scripts.embedded.mongo import mongod
from scripts.embedded.mongod import Mongod
from scripts.embedded.seaweed import SeaweedFS, seaweed_server
from scripts.embedded.valkey import Valkey, valkey_server
from transport.providers import speech

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One line of the table: what it is, whether it is the real thing, where, and what replaces it."""

    name: str
    state: Literal["real", "stand-in", "off"]
    where: str
    note: str
    setting: str
    child: Mongod | Valkey | SeaweedFS | LocalAI | None = None


@dataclass
class Stack:
    """`variables` are what the server is told; `parts` in the order of starting; `later` comes up after ready."""

    parts: list[Part] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    later: dict[str, Callable[[Console], Coroutine[None, None, None]]] = field(default_factory=dict)

    def add(self, part: Part, **variables: str) -> None:
        self.parts.append(part)
        self.variables |= variables

    @property
    def stand_ins(self) -> list[Part]:
        return [part for part in self.parts if part.state == "stand-in"]


@asynccontextmanager
async def embedded_stack(settings: Settings, say: Say, *, models: bool = True) -> AsyncIterator[Stack]:
    """Starts MongoDB, then Valkey, then the mail catcher; ends them in the opposite order."""
    async with AsyncExitStack() as opened:
        stack = Stack()
        await _timed(say, stack, _enter_mongo(opened, stack, settings))
        await _timed(say, stack, _enter_valkey(opened, stack, settings))
        await _enter_mail(opened, stack, settings)
        await _enter_files(opened, stack, settings)
        await _enter_model(opened, stack, settings, models=models)
        _add_speech(stack, settings)
        if settings.models != "none":
            stack.later["ears"] = partial(ears.come, settings.models_directory.resolve())
        stack.variables[variable("embedded")] = ",".join(part.name for part in stack.stand_ins)
        yield stack


async def _enter_mongo(opened: AsyncExitStack, stack: Stack, settings: Settings) -> None:
    setting = variable("mongo_url")
    if settings.mongo_url is not None:
        url = settings.mongo_url.get_secret_value()
        stack.add(Part("mongodb", "real", shown(url), "", setting), **{setting: url})
        return
    server = await opened.enter_async_context(mongod(settings.data / "mongo"))
    member = server.members[0]
    age = "an old release, " if member.program.bundled else ""
    note = f"{_version('mongod', member.program)}, {age}SSPL: development on this machine only"
    stack.add(Part("mongodb", "stand-in", shown(server.url), note, setting, member), **{setting: server.url})


async def _enter_valkey(opened: AsyncExitStack, stack: Stack, settings: Settings) -> None:
    setting = variable("redis_url")
    if settings.redis_url is not None:
        url = settings.redis_url.get_secret_value()
        stack.add(Part("valkey", "real", shown(url), "", setting), **{setting: url})
        return
    server = await opened.enter_async_context(valkey_server(settings.data / "valkey"))
    note = _version("Valkey" if server.program.bundled else "redis-server", server.program)
    stack.add(Part("valkey", "stand-in", shown(server.url), note, setting, server), **{setting: server.url})


async def _enter_mail(opened: AsyncExitStack, stack: Stack, settings: Settings) -> None:
    setting = variable("smtp_url")
    if settings.smtp_url is not None:
        stack.add(Part("mail", "real", shown(settings.smtp_url.get_secret_value()), "", setting))
        return
    url = await opened.enter_async_context(mail_catcher(settings.data / "mail"))
    note = "kept as files and shown at /dev/mail, delivered to nobody"
    stack.add(Part("mail", "stand-in", url, note, setting), **{setting: url})


async def _enter_files(opened: AsyncExitStack, stack: Stack, settings: Settings) -> None:
    """Comes up after ready; where its program does not run there are no files."""
    setting = variable("s3_url")
    if settings.s3_url is not None:
        stack.add(Part("files", "real", shown(settings.s3_url), "", setting))
        return
    try:
        server = await opened.enter_async_context(seaweed_server(settings.data / "seaweedfs"))
    except ProgramMissingError as missing:
        stack.add(Part("files", "off", "", str(missing), setting))
        return
    note = f"SeaweedFS {server.program.version}, comes up after ready"
    stack.add(Part("files", "stand-in", server.url, note, setting, server), **server.variables)
    stack.later["files"] = partial(_start_later, server)


async def _start_later(server: SeaweedFS, console: Console) -> None:
    began = time.monotonic()
    try:
        await server.start_again()
    except StartError as problem:
        console.print(f"[red]files: {problem}[/]")
    else:
        console.print(f"files: SeaweedFS started in {time.monotonic() - began:.1f} s")


async def _enter_model(opened: AsyncExitStack, stack: Stack, settings: Settings, *, models: bool) -> None:
    """Only its address is taken here: what takes time comes up after the server is ready."""
    setting = "OPENAI_API_KEY"
    if settings.openai_api_key is not None or settings.openai_base_url is not None:
        where = settings.openai_base_url or "OpenAI"
        stack.add(Part("model", "real", where, settings.openai_model, "OPENAI_BASE_URL"))
        return
    if settings.models == "none" or not models:
        stack.add(Part("model", "off", "", "declined: the offline coach answers", setting))
        return
    directory = settings.models_directory.resolve()
    has_chat = settings.llm_file is not None or await ollama.running() is not None
    chosen = plan(directory, settings.models, has_chat=has_chat)
    if chosen.size is None:
        stack.add(Part("model", "off", "", chosen.told, setting))
        return
    told = {"AI_SIZE": chosen.size, "AI_MODELS": str(directory)}
    if settings.llm_file is not None:
        told["AI_LLM_FILE"] = str(settings.llm_file.resolve())
    child = await opened.enter_async_context(local_ai(settings.data / "ai", told))
    part = Part("model", "stand-in", f"{child.url}/v1", "comes up after ready", setting, child)
    stack.add(part, **child.variables)
    stack.later["model"] = partial(come_up, child, told=chosen.told)


def _add_speech(stack: Stack, settings: Settings) -> None:
    """Who hears and who speaks in calls: the local models, where they stand in for the model."""
    hears, speaks = speech.where(settings)
    if hears and speaks:
        places = dict.fromkeys(shown(url) for url in (hears, speaks))
        stack.add(Part("speech", "real", ", ".join(places), "", variable("transcriber_base_url")))
        return
    local = next((part for part in stack.stand_ins if part.name == "model"), None)
    if local is not None:
        stack.add(Part("speech", "stand-in", local.where, "comes up with the model", variable("transcriber_base_url")))
        return
    missing, setting = ("hears", "transcriber_base_url") if hears is None else ("speaks", "speaker_base_url")
    stack.add(Part("speech", "off", "", f"nobody {missing}, so no calls are made; writing works", variable(setting)))


def shown(url: str) -> str:
    """A URL without its user, pass word and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _version(name: str, program: Program) -> str:
    return f"bundled {name}" if program.bundled else f"{name} {program.version} from PATH"


async def _timed(say: Say, stack: Stack, start: Awaitable[None]) -> None:
    began = time.monotonic()
    await start
    part = stack.parts[-1]
    if part.child is not None:
        say(f"{part.name} started in {time.monotonic() - began:.1f} s")
