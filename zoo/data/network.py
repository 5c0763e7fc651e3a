"""Whether a server answers, found out before anything waits for it."""

import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 5  # seconds for a server to answer before it counts as out of reach


def silence_of(address: str) -> str | None:
    """Why the server of a web address does not answer within PATIENCE seconds; None where it does.

    None, too, where a proxy would do the asking.
    """
    url = urlsplit(address)
    if url.scheme in getproxies():
        return None
    problem = [f"no answer within {PATIENCE} seconds"]

    def ask() -> None:
        try:
            port = url.port or {"http": 80, "ftp": 21}.get(url.scheme, 443)
            # Less for each of its addresses: of two that it has one may lead nowhere.
            socket.create_connection((url.hostname, port), PATIENCE / 3).close()
            problem.clear()
        except (OSError, ValueError) as error:
            problem[:] = [getattr(error, "strerror", None) or str(error)]

    # In a thread: looking up a name has no time limit of its own.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    found = list(problem)  # which may change now
    return found[0] if found else None
