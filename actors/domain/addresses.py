"""How addresses are written: the one name an actor has in the log, in placement and towards devices."""

_SESSION = "session:"
_NODE = "node:"


def session_address(user_id: str) -> str:
    """The address of a user's session."""
    return _SESSION + user_id


def node_address(node: str) -> str:
    """Where a node itself is asked, for all the sessions it has."""
    return _NODE + node


def is_node(address: str) -> bool:
    return address.startswith(_NODE)


def owner(address: str) -> str:
    """Whose what is at that address is, devices and data key: a session's user, or the address itself."""
    return address.removeprefix(_SESSION)


def connection_id(node: str, sid: str) -> str:
    """What a device's connection is called in the whole fleet."""
    return f"{node}.{sid}"


def node_of(connection: str) -> str:
    """The node a connection of that id is at."""
    return connection.partition(".")[0]
