"""What Chromium makes of the same packets: libwebrtc's NetEQ, by its own `getStats`."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec
from aiortc import RTCPeerConnection, RTCSessionDescription

from scripts.benchmarks.heard import Mute, connected, peer, to
from scripts.benchmarks.traces import CALM, PACKET, TICKS, Trace, replay
from tests.chromium import PROGRAM, Tab, tab

FLAGS = ("--autoplay-policy=no-user-gesture-required", "--disable-features=WebRtcHideLocalIpsWithMdns")
PAGE = """
window.calls = {};
window.answer = async (name, sdp) => {
  const pc = calls[name] = new RTCPeerConnection();
  pc.ontrack = ({track}) => { const out = new Audio(); out.srcObject = new MediaStream([track]); out.play(); };
  await pc.setRemoteDescription({type: 'offer', sdp});
  await pc.setLocalDescription(await pc.createAnswer());
  while (pc.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 10));
  return pc.localDescription.sdp;
};
window.figures = async () => {
  const told = {};
  for (const [name, pc] of Object.entries(calls))
    for (const one of (await pc.getReceivers()[0].getStats()).values())
      if (one.type === 'inbound-rtp') told[name] = {
        concealed: one.concealedSamples, delay: one.jitterBufferDelay, emitted: one.jitterBufferEmittedCount,
      };
  return told;
};
0"""


class Figures(msgspec.Struct, frozen=True):
    """`concealed` and `emitted` in samples at 48 kHz; `delay`: the seconds that all these waited, together."""

    concealed: float
    delay: float
    emitted: float

    def since(self, before: "Figures") -> "Figures":
        return Figures(*(getattr(self, name) - getattr(before, name) for name in self.__struct_fields__))

    @property
    def frames(self) -> float:
        """Concealed, in packets."""
        return self.concealed / TICKS

    @property
    def milliseconds(self) -> float:
        """That a sample waits on average."""
        return 1000 * self.delay / max(self.emitted, 1)


def is_there() -> bool:
    return PROGRAM is not None


async def heard_by_chromium(traces: Sequence[Trace], sounds: Sequence[bytes]) -> Mapping[str, Figures]:
    """All traces at once; what is counted is from the middle of the calm before to the middle of the calm after."""
    async with tab(*FLAGS) as page, AsyncExitStack() as opened:
        await page.run(PAGE)
        callers = [await _called(page, trace.name, opened) for trace in traces]
        async with asyncio.TaskGroup() as playing:
            for trace, caller in zip(traces, callers, strict=True):
                playing.create_task(replay(trace, sounds, to(caller)), name=f"bench.{trace.name}")
            await asyncio.sleep(CALM / 2 * PACKET)
            before = await _figures(page)
            await asyncio.sleep((len(sounds) - CALM) * PACKET)
            after = await _figures(page)
    return {name: figures.since(before[name]) for name, figures in after.items()}


async def _called(page: Tab, name: str, opened: AsyncExitStack) -> RTCPeerConnection:
    caller = await opened.enter_async_context(peer())
    caller.addTrack(Mute())
    await caller.setLocalDescription(await caller.createOffer())
    answer = await page.run(f"answer({json.dumps(name)}, {json.dumps(caller.localDescription.sdp)})")
    await caller.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await connected(caller)
    return caller


async def _figures(page: Tab) -> dict[str, Figures]:
    return msgspec.convert(await page.run("figures()"), dict[str, Figures])
