"""What people may do beside what is their own: the one policy table of roles."""

from collections.abc import Mapping
from typing import Final, Literal

Role = Literal["user", "moderator", "admin"]
INCLUDES: Final[Mapping[Role, frozenset[Role]]] = {
    "user": frozenset({"user"}),
    "moderator": frozenset({"user", "moderator"}),
    "admin": frozenset({"user", "moderator", "admin"}),
}
"""Whatever opens to one of these roles opens to who has this one. Programs have scopes instead, and no role."""
