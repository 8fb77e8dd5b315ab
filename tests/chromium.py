"""A headless Chromium for tests, spoken to over its DevTools protocol, where one is installed."""

import asyncio
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

PROGRAM: Final = shutil.which("chromium") or shutil.which("google-chrome")
QUIET: Final = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-extensions", "--no-first-run")


class Tab:
    """One page; `told` is what its console and its policies complained of."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.told: list[str] = []

    async def ask(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            answer = await self._socket.receive_json(timeout=10)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            if answer.get("method") == "Log.entryAdded":
                self.told.append(answer["params"]["entry"]["text"])

    async def run(self, script: str) -> Any:
        """What the script comes to, once it is settled."""
        result = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    async def open(self, url: str, language: str = "en", *, dark: bool = False) -> None:
        await self.ask("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])
        await self.ask("Page.navigate", url="about:blank")
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.protocol !== 'about:'")

    async def until(self, script: str, seconds: float = 8.0) -> None:
        async with asyncio.timeout(seconds):
            while not await self.run(script):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.02)


@asynccontextmanager
async def tab(*flags: str) -> AsyncIterator[Tab]:
    """A fresh browser with one page open; `flags` are words of its command line."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = (*QUIET, *flags, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(PROGRAM, *words, stderr=asyncio.subprocess.PIPE)
        try:
            async with aiohttp.ClientSession() as http, http.ws_connect(await _page(process, http)) as socket:
                page = Tab(socket)
                for domain in ("Page", "Network", "Log"):
                    await page.ask(f"{domain}.enable")
                yield page
        finally:
            process.kill()
            await process.wait()


async def _page(process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(15):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"ws://([\d.:]+)/", line):
                async with http.get(f"http://{found[1]}/json") as answer:
                    pages = json.loads(await answer.text())
                return next(str(one["webSocketDebuggerUrl"]) for one in pages if one["type"] == "page")
    raise AssertionError("the browser ended before it could be spoken to")
