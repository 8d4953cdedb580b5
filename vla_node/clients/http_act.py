"""Client of HTTP policy servers: POST /act {"observation": ...} with arrays as json-numpy, GET /health, POST /reset.

That is what GR00T N1.5's gr00t/eval/http_server.py and many research servers speak.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse

from saccade.clock import MS, perf_ns
from vla_node.clients.base import MOST_BYTES, Array, Observation, RoundTrips, ServerError, Unreachable
from vla_node.clients.deadline import Deadline, parsed
from vla_node.clients.json_numpy import arrays, dumps, loads
from vla_node.line import Line, connected
from vla_node.policies.base import PolicyError

_UNKNOWN = (404, 405, 501)
"""What a server answers to a /reset that it does not have."""


class HttpClient:
    """See `PolicyClient`. One connection, kept open; after a failure it is closed, so no late reply can be mistaken."""

    def __init__(self, address: str, most_bytes: int = MOST_BYTES) -> None:
        """address: http://host:port, perhaps with a path before /act; ConfigError for another."""
        url = parsed(address, "http://127.0.0.1:8000", "http")
        self.trips = RoundTrips()
        self._url = f"http://{url.netloc}{url.path.rstrip('/')}"
        self._host, self._base, self._most = url.netloc, url.path.rstrip("/"), most_bytes
        self._at = url.hostname or "", url.port or 80
        self._connection: HTTPConnection | None = None
        self._sock: socket.socket | None = None
        self._broke = False

    def infer(self, observation: Observation, timeout_ns: int) -> Mapping[str, Array]:
        """See `PolicyClient.infer`; a bare array in the answer is named `actions`."""
        deadline = Deadline(timeout_ns)
        body = dumps({"observation": observation})
        if len(body) > self._most:
            raise PolicyError(f"{self._url}: the observation has {len(body)} bytes, at most {self._most} are sent")
        answer = arrays(self._loaded(self._called("POST", "/act", body, deadline)))
        self.trips.took(perf_ns() - deadline.begun_ns)
        return answer

    def reset(self, timeout_ns: int) -> None:
        """See `PolicyClient.reset`; a server without /reset has nothing to forget."""
        self._called("POST", "/reset", b"{}", Deadline(timeout_ns), pardoned=_UNKNOWN)

    def probe(self, timeout_ns: int) -> str:
        """See `PolicyClient.probe`."""
        return self._called("GET", "/health", b"", Deadline(timeout_ns))[:2000].decode(errors="replace")

    def close(self) -> None:
        """See `PolicyClient.close`."""
        self._connection = None
        if self._sock is not None:
            self._sock.close()

    def _loaded(self, data: bytes) -> object:
        try:
            return loads(data)
        except Unreachable as error:
            self.trips.failed += 1
            raise Unreachable(f"{self._url}/act answered {error}") from error

    def _called(self, method: str, path: str, body: bytes, deadline: Deadline, pardoned: tuple[int, ...] = ()) -> bytes:
        """The body of the answer. Whatever goes wrong closes the connection."""
        where = f"{self._url}{path}"
        try:
            status, answer = self._exchanged(method, self._base + path, body, deadline)
        except TimeoutError:
            self._failed(deadline)
            raise Unreachable(f"{where}: no answer within {deadline.timeout_ns / MS:.0f} ms") from None
        except (OSError, HTTPException, ValueError) as error:
            self._failed(deadline)
            raise Unreachable(f"{where}: {str(error) or type(error).__name__}") from error
        except PolicyError as error:
            self._failed(deadline)
            raise type(error)(f"{where}: {error}") from error
        if status != 200 and status not in pardoned:
            self.trips.failed += 1
            raise ServerError(f"{where} answered {status}: {answer[:500].decode(errors='replace')}")
        return answer

    def _exchanged(self, method: str, path: str, body: bytes, deadline: Deadline) -> tuple[int, bytes]:
        """Status and body. A kept connection that the server has closed meanwhile is opened anew, once.

        So is one on which something came that nobody asked for: it would be taken for the next answer.
        """
        kept = self._connection
        if kept is not None and self._spoken():
            self.close()
            self._broke, kept = True, None
        if kept is not None:
            try:
                return self._asked(kept, method, path, body, deadline)
            except ConnectionError:  # RemoteDisconnected is one
                self.close()
                self._broke = True
        self._connection = fresh = self._connected(deadline)
        return self._asked(fresh, method, path, body, deadline)

    def _spoken(self) -> bool:
        """Whether anything came since the last answer, the end of the connection included."""
        poll = select.poll()
        if self._sock is not None:
            poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

    def _connected(self, deadline: Deadline) -> HTTPConnection:
        connection = HTTPConnection(self._host)
        connection.auto_open = 0
        self._sock = connected(*self._at, deadline)
        connection.sock = Line(self._sock, deadline)
        self.trips.reconnected += self._broke
        self._broke = False
        return connection

    def _asked(
        self, connection: HTTPConnection, method: str, path: str, body: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        line = connection.sock
        assert isinstance(line, Line)
        line.until = deadline
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = self._read(response)
        if response.will_close:
            self.close()
        return response.status, answer

    def _read(self, response: HTTPResponse) -> bytes:
        if (response.length or 0) > self._most:
            raise Unreachable(f"an answer of {response.length} bytes, at most {self._most} are read")
        answer = response.read(self._most + 1) if response.length is None else response.read()
        if len(answer) > self._most:
            raise Unreachable(f"an answer of more than {self._most} bytes")
        return answer

    def _failed(self, deadline: Deadline) -> None:
        self.close()
        self._broke = True
        self.trips.failed += 1
        self.trips.late += perf_ns() - deadline.begun_ns >= deadline.timeout_ns
