"""The process that talks to the server: `python -m edge_recog.updates.repository.child`.

Libraries, connections and whatever strangers send are gone with it after each look. It gets an
order on stdin and writes an answer to stdout.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

import msgspec

from edge_recog.errors import EdgeRecogError
from edge_recog.updates.errors import UnusableUpdatesError, UpdateError
from edge_recog.updates.repository.protocol import Answer, Order, Trouble

LOCK = "lock"


def carry_out(order: Order) -> Answer:
    """Return the answer to an order."""
    try:
        return _carried_out(order)
    except UpdateError as error:
        return Answer(trouble=Trouble.of(error))
    except EdgeRecogError as error:
        return Answer(trouble=Trouble.of(UnusableUpdatesError(str(error))))


def _carried_out(order: Order) -> Answer:
    try:
        from edge_recog.updates.repository.client import TufRepository
        from edge_recog.updates.repository.fetcher import Fetcher
    except ImportError as error:
        raise UnusableUpdatesError(
            f'updates need {error.name}: pip install "edge-recog[daemon]"'
        ) from error
    folder = Path(order.folder)
    fetcher = Fetcher(order.limits, ca_file=order.ca_file)
    repository = TufRepository(folder, order.url, order.root.encode(), fetcher)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / LOCK).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnusableUpdatesError(
                    f"{folder}: another process looks for updates; it will be done soon"
                ) from error
            if order.offer is None:
                return Answer(offers=repository.look(order.channel))
            return Answer(path=str(repository.fetch_file(order.offer)))
    except OSError as error:
        raise UnusableUpdatesError(
            f"{folder}: cannot be read or written: {error.strerror or error}"
        ) from error
    finally:
        repository.close()


def main() -> None:
    """Be the child."""
    # Only the answer goes to stdout.
    out = os.dup(1)
    os.dup2(2, 1)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    os.write(out, msgspec.json.encode(carry_out(order)))


if __name__ == "__main__":
    main()
