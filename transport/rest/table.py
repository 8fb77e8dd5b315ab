"""Every route there is over HTTP. Nothing is served beside it but the sockets' own two paths."""

from typing import Final

from transport.rest import (
    actions,
    admin,
    auth,
    calls,
    chat,
    docs,
    exports,
    goals,
    health,
    mail_links,
    mfa,
    ops,
    passkeys,
    presence,
    profile,
    recovery,
)
from transport.rest.routes import Route

ROUTES: Final[tuple[Route, ...]] = (
    *auth.ROUTES,
    *recovery.ROUTES,
    *mfa.ROUTES,
    *passkeys.ROUTES,
    *mail_links.ROUTES,
    *profile.ROUTES,
    *presence.ROUTES,
    *exports.ROUTES,
    *goals.ROUTES,
    *chat.ROUTES,
    *calls.ROUTES,
    *actions.ROUTES,
    *ops.ROUTES,
    *admin.ROUTES,
    *docs.ROUTES,
    *health.ROUTES,
)
