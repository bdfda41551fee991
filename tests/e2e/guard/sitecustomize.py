"""Put on PYTHONPATH, this lets no socket of a Python process leave the machine, and reports who tried.

Each attempt is one line in the file that NPS_E2E_NETWORK_LOG names: the audit event, the address,
and the module that asked.
"""

import ipaddress
import os
import sys

_CONNECTS = {"socket.connect", "socket.sendto", "socket.sendmsg"}
_NAMES = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _guard(event: str, arguments: tuple) -> None:
    if event in _CONNECTS:
        address = arguments[1]
        # a pair or more is an internet address; a text is a path, and None a connected socket
        host = address[0] if isinstance(address, tuple) else None
    elif event in _NAMES:
        host = arguments[0]
    else:
        return
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if _is_local(host):
        return
    frame = sys._getframe(1)
    with open(os.environ["NPS_E2E_NETWORK_LOG"], "a", encoding="utf-8") as log:
        log.write(f"{event} {host} from {frame.f_globals.get('__name__')}\n")
    raise PermissionError(f"the guard refuses {event} to {host}")


if "NPS_E2E_NETWORK_LOG" in os.environ:
    sys.addaudithook(_guard)
