"""Why an RTSP stream cannot be opened: FFmpeg does not tell, so the camera is asked (RFC 2326)."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from edge_recog.cameras.connection import Connection
from edge_recog.cameras.login import authorization
from edge_recog.errors import SourceError

if TYPE_CHECKING:
    from edge_recog.cameras.addresses import Address

_MOST_BYTES = 65_536
_STATUS = re.compile(rb"RTSP/1\.\d (\d{3})\b")
_CHALLENGE = re.compile(r"^www-authenticate:[ \t]*(.*?)\r?$", re.IGNORECASE | re.MULTILINE)

_REASONS = {
    403: "this user may not see it (403)",
    404: "no such stream (404); look up the camera's stream address",
    453: "it has not enough bandwidth (453): too many viewers?",
    454: "it does not know this session (454)",
    503: "it is busy (503): too many viewers?",
}


def why_closed(address: Address, *, timeout_s: float) -> str:
    """Return why a stream could not be opened, and what to do.

    Args:
        address: Of the stream.
        timeout_s: How long the opening was allowed to take, and this may.
    """
    try:
        status = _status(address, timeout_s=timeout_s)
    except SourceError as error:
        return str(error).removeprefix(f"{address.name}: ")
    except TimeoutError:
        return f"connected, but no answer within {timeout_s:g} s"
    except OSError as error:
        return f"the connection broke off: {error.strerror or error}"
    if status is None:
        return "no RTSP there; check the port"
    if status == 401 and address.user:
        return "user or password is wrong (401)"
    if status == 401:
        return "it asks for user and password (401): rtsp://USER:PASSWORD@HOST/…"
    if status == 200:
        return (
            f"no picture within {timeout_s:g} s, though the camera answers; allow more with "
            "#open_timeout_s=20, or try its other streams"
        )
    return _REASONS.get(status, f"it answers with status {status} instead of a stream")


def _status(address: Address, *, timeout_s: float) -> int | None:
    """Return the status of a DESCRIBE, with login if it is asked for; None if it is no RTSP.

    Raises:
        SourceError: There is no connection.
        OSError: It broke off, or took too long.
    """
    connection = Connection(address, timeout_s=timeout_s)
    try:
        connection.deadline_s = time.monotonic() + timeout_s
        status, head = _described(connection, address, 1, None)
        if status != 401 or not address.user:
            return status
        login = authorization(
            _CHALLENGE.findall(head),
            user=address.user,
            password=address.password,
            method="DESCRIBE",
            target=address.origin,
        )
        return status if login is None else _described(connection, address, 2, login)[0]
    finally:
        connection.close()


def _described(
    connection: Connection, address: Address, number: int, login: str | None
) -> tuple[int | None, str]:
    """Return status and head of an answer."""
    lines = [f"DESCRIBE {address.origin} RTSP/1.0", f"CSeq: {number}", "Accept: application/sdp"]
    if login is not None:
        lines.append(f"Authorization: {login}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
    data, buffer = b"", bytearray(4096)
    while b"\r\n\r\n" not in data and len(data) < _MOST_BYTES:
        count = connection.receive_into(buffer)
        if not count:
            break
        data += buffer[:count]
    found = _STATUS.match(data)
    return (int(found[1]) if found else None), data.decode("latin-1")
