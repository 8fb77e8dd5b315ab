"""STUN and TURN for clients, with credentials that are good for some hours."""

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiortc import RTCIceServer


class IceServers:
    """As configured; without URLs there are none. `now`: seconds since 1970, as the TURN server counts them."""

    def __init__(
        self, stun: Sequence[str], turn: Sequence[str], secret: str, seconds: float, now: Callable[[], float]
    ) -> None:
        self._stun = list(stun)
        self._turn = list(turn)
        self._secret = secret
        self._seconds = seconds
        self._now = now

    def for_user(self, user_id: str) -> Sequence[Mapping[str, Any]]:
        """`RTCIceServer` dictionaries. TURN credentials as in draft-uberti-behave-turn-rest-00 (coturn's use-auth-secret)."""
        servers: list[Mapping[str, Any]] = [{"urls": self._stun}] if self._stun else []
        if self._turn:
            username = f"{int(self._now() + self._seconds)}:{user_id}"
            servers.append({"urls": self._turn, "username": username, "credential": credential(self._secret, username)})
        return servers

    def for_node(self) -> list[RTCIceServer]:
        """The same for a node that no client reaches directly."""
        return [RTCIceServer(**server) for server in self.for_user("node")]


def credential(secret: str, username: str) -> str:
    """The password of a TURN user that expires with its name."""
    return base64.b64encode(hmac.digest(secret.encode(), username.encode(), "sha1")).decode()
