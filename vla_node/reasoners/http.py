"""One HTTP request whose every part ends by the call's deadline, and which another thread can end.

On the standard library's http.client, over a `Line`. No connection is kept between calls, no redirect is followed, and
no proxy or other setting is taken from the environment.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import Any

from vla_node.line import Line, connected, hang_up, untrusted
from vla_node.reasoners.address import Url
from vla_node.reasoners.call import Call, ReasonerError

MOST_BYTES = 4 * 1024 * 1024
"""A longer answer is refused."""


class Reply:
    """A server's answer: status, headers, and its body in pieces as they come, at most MOST_BYTES in all."""

    def __init__(self, response: HTTPResponse) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: HTTPMessage = response.headers

    def pieces(self) -> Iterator[bytes]:
        """The body. ReasonerError where it is too long, or the connection breaks."""
        total = 0
        while piece := self._response.read1(65536):
            total += len(piece)
            if total > MOST_BYTES:
                raise ReasonerError(f"the answer is longer than {MOST_BYTES} bytes")
            yield piece


@contextmanager
def post(url: Url, headers: dict[str, str], body: bytes, call: Call, tls: ssl.SSLContext | None) -> Iterator[Reply]:
    """Send a request; the answer, while the context lasts. OutOfTime, Cancelled, ReasonerError."""
    try:
        sock = connected(url.host, url.port, call, tls)
        with closing(sock), call.waiting_on(partial(hang_up, sock)):
            connection: Any = HTTPConnection(url.host, url.port)
            connection.sock = Line(sock, call)
            host = str(url).split("/")[2]
            connection.request("POST", url.path, body, {**headers, "Host": host, "Connection": "close"})
            yield Reply(connection.getresponse())
    except (OSError, HTTPException, ValueError) as error:
        call.left_ns()  # a connection that was hung up, or ran out of time, breaks in many ways
        raise _said(url, error) from error


def _said(url: Url, error: Exception) -> ReasonerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ReasonerError(f"{url} has {untrusted(error)}")
    if isinstance(error, ValueError):
        return ReasonerError(f"{url} did not answer in HTTP: {error}")
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ReasonerError(f"{url}: {what}", again=True)
