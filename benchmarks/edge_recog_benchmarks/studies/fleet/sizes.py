"""What a look and a release cost the server, measured: a published repository, a client, nginx."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_recog_devices.publishing.keys import KeyFolders
from edge_recog_devices.publishing.publisher import Publisher

from edge_recog.errors import UsageError
from edge_recog.models import default_model
from edge_recog.updates.repository.client import TufRepository
from edge_recog.updates.repository.fetcher import Fetcher
from edge_recog.updates.repository.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_recog.updates.release import Offer

_NUMBER = re.compile(r"/\d+\.")
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one errand to the server."""

    requests: int
    sent_bytes: int
    """By the server, heads included, TCP and TLS not."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of a device."""

    idle: Cost
    """A look when nothing is new."""
    news: Cost
    """A look when a release is new, or its share has grown."""
    stop: Cost
    """A look when a release was stopped."""
    model: Cost
    """Fetching the model."""
    files: dict[str, int]
    """Name of a file, `N` for its number → bytes sent for it."""


def measure(model: bytes | None = None) -> Costs:
    """Publish, look and fetch through nginx, and return what it has sent.

    Args:
        model: The one that comes with the package if None.

    Raises:
        UsageError: nginx is not installed, or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="edge-recog-fleet.") as folder:
        site = Path(folder) / "site"
        publisher = Publisher(site, KeyFolders((Path(folder) / "keys",)))
        publisher.create()
        data = default_model().read_bytes() if model is None else model
        options = {"name": "clothing-fast", "channel": "stable"}
        publisher.publish(b"the release before", share_ppm=1_000_000, **options)  # type: ignore[arg-type]
        anchor = (Path(folder) / "keys" / "1.root.json").read_bytes()
        with _nginx(site, Path(folder)) as (url, log):

            def errand(offer: Offer | None = None) -> Cost:
                before = len(_lines(log))
                fetcher = Fetcher(Limits())
                device = TufRepository(Path(folder) / "device", url, anchor, fetcher)
                if offer is None:
                    offers.append(device.look("stable"))
                else:
                    device.fetch(offer)
                device.close()
                sent = [int(line.split()[1]) for line in _lines(log)[before:]]
                return Cost(len(sent), sum(sent))

            offers: list[object] = []
            errand()
            idle = errand()
            publisher.publish(data, share_ppm=10_000, **options)  # type: ignore[arg-type]
            news = errand()
            latest = offers[-1].latest  # type: ignore[attr-defined]
            fetched = errand(latest)
            publisher.stop("stable", "3 of the first 3 devices failed, and 5 % are tolerated")
            stop = errand()
            files = {
                _NUMBER.sub("/N.", path): int(sent)
                for path, sent in map(str.split, _lines(log))
                if path.endswith(".json")
            }
    return Costs(idle, news, stop, fetched, files)


def _lines(log: Path) -> list[str]:
    return log.read_text().splitlines()


@contextmanager
def _nginx(site: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise UsageError("nginx is not installed: sudo apt install nginx-light")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log, errors = folder / "access.log", folder / "error.log"
    log.touch()
    folders = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {errors};\nevents {{}}\n"
        f"http {{\n{folders}"
        f"log_format sent '$uri $bytes_sent';\naccess_log {log} sent;\n"
        f"server {{ listen 127.0.0.1:{port}; root {site}; }}\n}}\n"
    )
    command = [program, "-e", str(errors), "-c", str(folder / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            _await(port, server, errors)
            yield f"http://127.0.0.1:{port}", log
        finally:
            server.terminate()
            server.wait(_WAIT_S)


def _await(port: int, server: subprocess.Popen[bytes], errors: Path) -> None:
    end_s = time.monotonic() + _WAIT_S
    while server.poll() is None and time.monotonic() < end_s:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    told = errors.read_text().strip().splitlines() if errors.exists() else []
    raise UsageError(f"nginx does not start: {told[-1] if told else 'it says nothing'}")
