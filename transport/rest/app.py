"""The REST door: routes, and the steps every request goes through."""

from aiohttp import web

from transport.rest import chat, goals, health, profile
from transport.rest.doors import DOORS, Doors
from transport.rest.middleware import chain


def app(doors: Doors) -> web.Application:
    """An application that serves `/v1`, health and the landing page. Sockets add their own routes to it."""
    application = web.Application(middlewares=chain(doors), client_max_size=doors.limits.body)
    application[DOORS] = doors
    for routes in (health.ROUTES, profile.ROUTES, goals.ROUTES, chat.ROUTES, doors.signin):
        application.add_routes(routes)
    return application
