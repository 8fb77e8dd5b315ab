"""What the doors themselves refuse, before anything inside is asked."""

from actors.runtime.envelope import Refused


class Forbidden(Refused):
    code = "forbidden"
    message = "This is not open to you."


class NotInRole(Forbidden):
    code = "forbidden.role"
    message = "Your role does not open this."


class FactorMissing(Forbidden):
    code = "forbidden.factor"
    message = "Your role opens this only with a second factor. Please set one up, or sign in with it."


class OwnRole(Forbidden):
    code = "forbidden.own_role"
    message = "Nobody changes their own role. Please ask another administrator."


class MethodNotAllowed(Refused):
    code = "method"
    message = "This can't be asked for in this way."


class NotAcceptable(Refused):
    code = "not_acceptable"
    message = "What is here can't be sent in any of the kinds you accept. Please accept application/json."


class Unsupported(Refused):
    code = "unsupported"
    message = "This kind of content is not read here. Please send application/json."


class Unreadable(Refused):
    code = "protocol"
    message = "No command could be read from this."


class NotJoined(Refused):
    code = "protocol.not_joined"
    message = "This connection has not signed in to anything."
