"""Which texts are mail addresses: one plain address each, as a mail server takes it and nothing beside it."""

import re
from typing import Final

from actors.domain.refusals import NoAddress

_ATOM: Final = r'[^\s\x00-\x1f\x7f"(),.:;<>@\[\\\]]+'
_LABEL: Final = r"[^\W_](?:[\w-]*[^\W_])?"
_MAIL: Final = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
"""A dot-atom and a domain name, in any script (RFC 5321, 4.1.2; RFC 6531, 3.3): no names, quotes, comments, literals."""


def check_address(email: str) -> None:
    """Raises NoAddress."""
    if not _MAIL.fullmatch(email):
        raise NoAddress(fields={"email": "is not one plain mail address"})
