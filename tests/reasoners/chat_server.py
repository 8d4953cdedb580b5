"""A real HTTP server on loopback that answers chat completions, and misbehaves as it is told."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GOOD = "<go>1.0 2.0</go>"


class ChatServer(ThreadingHTTPServer):
    """`acts` are what it does for one request after another, the last again and again; `asked` what it was asked."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *acts, port=0):
        super().__init__(("127.0.0.1", port), _Handler)
        self.acts, self.asked, self.headers = list(acts), [], []
        self.over = threading.Event()

    @property
    def address(self):
        """For `planner.reasoner.address`."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request, client_address):
        """Clients that hang up are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.asked.append(json.loads(body))
        server.headers.append(dict(self.headers))
        self.close_connection = True
        act = server.acts.pop(0) if len(server.acts) > 1 else server.acts[0]
        act(self)

    def log_message(self, *_):
        """Quiet."""

    def begin(self, status=200, kind="application/json", **headers):
        """Status line and headers; the body ends with the connection."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def say(self, data):
        """Part of a body."""
        self.wfile.write(data if isinstance(data, bytes) else data.encode())
        self.wfile.flush()


def whole(text=GOOD, finish="stop", **more):
    """An answer in one piece."""
    message = {"role": "assistant", "content": text, **more}
    return body({"choices": [{"index": 0, "message": message, "finish_reason": finish}]})


def body(value, status=200, kind="application/json", hold=False, **headers):
    """Any body."""

    def act(handler):
        handler.begin(status, kind, **headers)
        handler.say(value if isinstance(value, bytes | str) else json.dumps(value))
        if hold:
            handler.server.over.wait(30)

    return act


def delta(content=None, finish=None, **more):
    """One event of a stream."""
    choice = {"index": 0, "delta": {"content": content, **more}, "finish_reason": finish}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def stream(*events, hold=False):
    """A streamed answer; with `hold` the connection stays open after the last event."""

    def act(handler):
        handler.begin(kind="text/event-stream; charset=utf-8")
        for event in events:
            handler.say(event)
        if hold:
            handler.server.over.wait(30)

    return act


def chunked(*parts, end=b"0\r\n\r\n", kind="text/event-stream"):
    """A body in chunks, as servers of HTTP/1.1 stream; the connection is kept open as they do."""

    def act(handler):
        handler.begin(200, kind, Transfer_Encoding="chunked")
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode()
            handler.say(b"%x\r\n%b\r\n" % (len(data), data))
        handler.say(end)
        handler.server.over.wait(30 if end else 0)

    return act


def drip(data):
    """A byte now and then, for half a minute."""

    def act(handler):
        handler.begin(kind="text/event-stream")
        _drip(handler, data)

    return act


def drip_headers(handler):
    """A byte of a header now and then, for half a minute."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    _drip(handler, b"x")


def _drip(handler, data):
    for _ in range(1500):
        if handler.server.over.wait(0.02):
            return
        handler.say(data)


def frozen(handler):
    """Takes the question, says nothing."""
    handler.server.over.wait(30)


@contextmanager
def serving(*acts, port=0):
    """A server for the time of the context."""
    server = ChatServer(*acts, port=port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
