"""Parts of aiortc and aioice that are not public: where one is no longer as it was, stock behaviour goes on, and is told."""

from collections import Counter

import structlog

log = structlog.get_logger()

UNFIT: Counter[str] = Counter()
"""How often each seam did not fit, for `/metrics`; of this program, like the libraries it tells of."""


def unfit(seam: str) -> None:
    """Warned of once for each seam, counted every time."""
    if not UNFIT[seam]:
        log.warning("webrtc.seam_unfit", seam=seam)
    UNFIT[seam] += 1
