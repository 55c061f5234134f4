"""What both HTTP providers share: one pooled client, and what an answer or its absence means."""

from collections.abc import Callable

import httpx

from .base import Refused, Transient, Unknown

# Before a request is on its way another provider may have the message; later nobody knows.
NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
LATER = frozenset({408, 425, 429})


def client(connect_seconds: float, timeout_seconds: float, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        auth=auth,
        timeout=httpx.Timeout(timeout_seconds, connect=connect_seconds),
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30),
        follow_redirects=False,  # a message goes where the operator said, nowhere else
    )


def refused(response: httpx.Response) -> Refused:
    return Refused(f"http {response.status_code}")


async def post(
    http: httpx.AsyncClient, request: httpx.Request, why: Callable[[httpx.Response], Refused] = refused
) -> httpx.Response:
    """The 2xx answer: acceptance. Raises Transient, Refused (4xx; `why` reads its reason) or Unknown."""
    try:
        response = await http.send(request)
    except NEVER_LEFT as error:
        raise Transient(type(error).__name__, down=True) from None
    except httpx.HTTPError as error:
        raise Unknown(type(error).__name__) from None
    if response.is_success:
        return response
    said = f"http {response.status_code}"
    if response.status_code in {401, 403}:  # our credentials, so every message's trouble and not this one's
        raise Transient(said, down=True)
    if response.status_code in LATER or response.status_code == 503:
        raise Transient(said, down=response.status_code == 503)
    if response.status_code >= 500:
        raise Transient(said, down=True, counted=True)
    if response.is_redirect:
        raise Transient(said, down=True)
    raise why(response)
