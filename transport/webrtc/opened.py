"""Calls as they are configured: the peer connections of a node, closed at its end."""

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from actors.runtime.outside import Report
from transport.webrtc.ice_servers import IceServers
from transport.webrtc.peers import Network, RtcPeers
from transport.webrtc.seams.host_addresses import has_public_address, loopback_only
from transport.webrtc.wanted import Wanted


@asynccontextmanager
async def opened(wanted: Wanted, report: Report) -> AsyncIterator[RtcPeers]:
    """Entering opens no socket: those are of the calls."""
    secret = "" if wanted.calls_turn_secret is None else wanted.calls_turn_secret.get_secret_value()
    servers = IceServers(wanted.calls_stun, wanted.calls_turn, secret, wanted.calls_turn_seconds, time.time)
    advertised = None if wanted.calls_address is None else str(wanted.calls_address)
    public = advertised is not None or has_public_address()
    network = Network(servers, advertised, wanted.calls_stay_here, public=public)
    with ExitStack() as stack:
        if network.loopback:
            stack.enter_context(loopback_only())
        peers = RtcPeers(network, wanted.calls_per_node, report)
        try:
            yield peers
        finally:
            await peers.close()
