"""Whether a browser, or another program, on this machine asks for a page by this machine's name.

A page of another site can have the browser ask 127.0.0.1 under a name of that site's. Then the
name, or the origin, is not one of ours.
"""

from urllib.parse import urlsplit

from aiohttp import web

OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})


def asked_by_own_name(request: web.Request) -> bool:
    try:
        asked = urlsplit(f"//{request.host}").hostname
        origin = request.headers.get("Origin")
        return asked in OWN_NAMES and (not origin or urlsplit(origin).netloc == request.host)
    except ValueError:  # what is said is no name at all
        return False
