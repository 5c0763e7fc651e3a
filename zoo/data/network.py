"""A quick check of whether a server answers, before anything waits for it."""

import socket
import threading
from urllib.parse import urlsplit
from urllib.request import getproxies

PATIENCE = 5  # seconds after which a server that has not answered counts as unreachable


def silence_of(address: str) -> str | None:
    """Why the server of a URL does not answer within PATIENCE seconds; None if it does.

    Also None if a proxy is configured, since the server is then not contacted directly.
    """
    url = urlsplit(address)
    if url.scheme in getproxies():
        return None
    problem = [f"no answer within {PATIENCE} seconds"]

    def ask() -> None:
        try:
            port = url.port or {"http": 80, "ftp": 21}.get(url.scheme, 443)
            # A shorter timeout for each of its addresses: one of them may be unreachable.
            socket.create_connection((url.hostname, port), PATIENCE / 3).close()
            problem.clear()
        except (OSError, ValueError) as error:
            problem[:] = [getattr(error, "strerror", None) or str(error)]

    # In a thread, because looking up a host name has no timeout.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    reasons = list(problem)  # a copy, because the thread may still change it
    return reasons[0] if reasons else None
