"""One HTTP request whose every part ends by the call's deadline, and which another thread can end.

On the standard library's http.client. Its timeout, like those of requests and httpx, is one of each wait, so that a
server which sends a byte now and then holds a caller for ever; here each wait gets what is left of the whole call. No
connection is kept between calls, no redirect is followed, and no proxy or other setting is taken from the environment.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import Any

from vla_node.reasoners.address import Url
from vla_node.reasoners.call import Call, ReasonerError, hang_up

MOST_BYTES = 4 * 1024 * 1024
"""A longer answer is refused."""
_RESOLVE_S = 0.05


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
        with _connected(url, call, tls) as line:
            connection: Any = HTTPConnection(url.host, url.port)
            connection.sock = line
            host = str(url).split("/")[2]
            connection.request("POST", url.path, body, {**headers, "Host": host, "Connection": "close"})
            yield Reply(connection.getresponse())
    except (OSError, HTTPException, ValueError) as error:
        call.left_ns()  # a connection that was hung up, or ran out of time, breaks in many ways
        raise _said(url, error) from error


def _said(url: Url, error: Exception) -> ReasonerError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ReasonerError(
            f"{url} has no certificate that is trusted here: {error.verify_message}; give its authority as ca_file"
        )
    if isinstance(error, ValueError):
        return ReasonerError(f"{url} did not answer in HTTP: {error}")
    what = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return ReasonerError(f"{url}: {what}", again=True)


@contextmanager
def _connected(url: Url, call: Call, tls: ssl.SSLContext | None) -> Iterator[_Line]:
    """A connection to the first of a host's addresses that takes one."""
    trouble: OSError | None = None
    for family, kind, protocol, _, address in _resolved(url, call):
        with closing(socket.socket(family, kind, protocol)) as plain:
            try:
                with call.waiting_on(partial(hang_up, plain)):
                    plain.settimeout(call.left_s())
                    plain.connect(address)
            except OSError as error:
                call.left_ns()
                trouble = error
                continue
            if tls is None:
                sock = plain
            else:
                sock = tls.wrap_socket(plain, server_hostname=url.host, do_handshake_on_connect=False)
            with closing(sock), call.waiting_on(partial(hang_up, sock)):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if isinstance(sock, ssl.SSLSocket):
                    sock.settimeout(call.left_s())
                    sock.do_handshake()
                yield _Line(sock, call)
                return
    raise trouble or OSError(f"{url.host} has no address")


def _resolved(url: Url, call: Call) -> list[Any]:
    """A host's addresses. The resolver knows no deadline, so it is asked in a thread of its own."""
    found: list[Any] = []
    trouble: list[OSError] = []
    done = threading.Event()

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM))
        except OSError as error:
            trouble.append(error)
        finally:
            done.set()

    threading.Thread(target=look, name="resolver", daemon=True).start()
    while not done.wait(min(_RESOLVE_S, call.left_s())):
        pass
    if trouble:
        raise trouble[0]
    return found


class _Line(io.RawIOBase):
    """What http.client needs of a socket: each wait is given what is left of the call. Its owner closes the socket."""

    def __init__(self, sock: socket.socket, call: Call) -> None:
        self._sock, self._call = sock, call

    def makefile(self, mode: str) -> io.BufferedReader:
        """See `socket.makefile`."""
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        """See `socket.sendall`; SSLSocket's own would give each part the whole time again."""
        left = memoryview(data)
        while left:
            self._sock.settimeout(self._call.left_s())
            left = left[self._sock.send(left) :]

    def close(self) -> None:
        """Not yet: http.client closes it before it reads the body."""

    def readable(self) -> bool:
        """See `RawIOBase`."""
        return True

    def readinto(self, buffer: Any) -> int:
        """See `RawIOBase`."""
        self._sock.settimeout(self._call.left_s())
        return self._sock.recv_into(buffer)
