"""Who may ask a server of ours: anybody on this machine, and beyond it those whose keys it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from saccade.errors import ConfigError
from vla_node.reasoners.address import loopback, tcp
from vla_node.reasoners.keys import Allowed, server_pair

_DOMAIN = b"saccade"


def guarded(
    context: zmq.Context[Any], socket: zmq.Socket[bytes], bind: str, keys: Path | None
) -> ThreadAuthenticator | None:
    """Bind a socket to `tcp://host:port`; with `keys`, a server's folder, encrypted and for those in it alone.

    The guard has to be stopped in the end. ConfigError where there are no keys and others can reach the address, where
    the keys cannot be used, and where the address is taken.
    """
    host, _ = tcp(bind)
    if keys is None and not loopback(host):
        how = "--keys DIR; `saccade serve keys DIR` makes them"
        raise ConfigError(f"{bind} can be reached from other machines, which takes keys: {how}")
    guard = None
    if keys is not None:
        pair = server_pair(keys)
        guard = ThreadAuthenticator(context)
        guard.start()
        guard.configure_curve_callback(_DOMAIN.decode(), Allowed(keys))
        socket.curve_server = True
        socket.curve_secretkey = pair.secret
        socket.zap_domain = _DOMAIN
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # without the guard nobody gets in, instead of everybody
    try:
        socket.bind(bind)
    except zmq.ZMQError as error:
        if guard is not None:
            guard.stop()
        raise ConfigError(f"cannot listen on {bind}: {error.strerror}; give another address") from error
    return guard
