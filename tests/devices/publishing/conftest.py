"""A publisher, a web server with his files, and devices that look there."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from edge_recog_devices.publishing.keys import KeyFolders
from edge_recog_devices.publishing.publisher import Publisher
from edge_recog_devices.publishing.roles import LIFETIMES
from hypothesis import settings

from edge_recog.updates import UpdateSettings
from edge_recog.updates.repository.client import TufRepository
from edge_recog.updates.repository.fetcher import Fetcher
from edge_recog.updates.repository.isolated import IsolatedRepository
from edge_recog.updates.repository.protocol import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A busy machine is no failure.
settings.register_profile("edge_recog", deadline=None)
settings.load_profile("edge_recog")

MODEL = b"a model " * 2000
QUICK = Limits(connect_s=5, silence_s=5, grace_s=5, slowest_bytes_s=100)


@dataclass
class Web:
    """A web server; what is in its folder is at its address."""

    folder: Path
    url: str
    is_nginx: bool
    log: Path | None = None

    def requests(self) -> list[tuple[str, int, int]]:
        """Return path, status and bytes sent of each request so far; of nginx only."""
        assert self.log is not None
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [(path, int(status), int(sent)) for path, status, sent in lines]


@dataclass
class Nginx:
    """Starts and stops it: no rights, no port and no folder of the system's."""

    program: str

    @contextlib.contextmanager
    def serving(self, folder: Path, *, limit_rate: str = "") -> Iterator[Web]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        state = folder.with_name(f"{folder.name}.nginx")
        state.mkdir()
        log = state / "access.log"
        log.touch()
        user = "user root;\n" if os.geteuid() == 0 else ""
        rate = f"limit_rate {limit_rate};" if limit_rate else ""
        temporary = "".join(
            f"{kind}_temp_path {state}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (state / "nginx.conf").write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {state}/pid;\n"
            f"error_log {state}/error.log;\nevents {{}}\nhttp {{\n{temporary}"
            "log_format short '$uri $status $bytes_sent';\n"
            f"access_log {log} short;\n"
            f"server {{ listen 127.0.0.1:{port}; root {folder}; {rate} }}\n}}\n"
        )
        command = [self.program, "-e", str(state / "error.log"), "-c", str(state / "nginx.conf")]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as server:
            try:
                _await(port, server)
                yield Web(folder, f"http://127.0.0.1:{port}", is_nginx=True, log=log)
            finally:
                server.terminate()
                server.wait(30)


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + 30
    while time.monotonic() < end_s:
        assert server.poll() is None, "nginx ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("nginx does not listen")


def _program() -> str | None:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.fixture(scope="session")
def nginx(missing: Callable[[str], Any]) -> Nginx:
    program = _program()
    if program is None:
        missing("nginx is not installed (nginx-light)")
    return Nginx(str(program))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="session")
def shared_web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Run one web server: nginx where it is installed, else Python's."""
    folder = tmp_path_factory.mktemp("web") / "www"
    folder.mkdir()
    program = _program()
    if program is not None:
        with Nginx(program).serving(folder) as web:
            yield web
        return
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Web(folder, f"http://127.0.0.1:{server.server_port}", is_nginx=False)
        server.shutdown()
        thread.join()


@dataclass
class Fleet:
    """A publisher, his keys, the folder that is served, and devices."""

    site: Path
    url: str
    keys: KeyFolders
    work: Path
    now: datetime | None = None
    fetchers: list[Fetcher] = field(default_factory=list)

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.site, self.keys, now=lambda: self.now or datetime.now(UTC))

    @property
    def metadata(self) -> Path:
        return self.site / "metadata"

    def publish(self, model: bytes = MODEL, **options: Any) -> Any:
        told = {"name": "clothing", "channel": "stable", "share_ppm": 1_000_000}
        return self.publisher.publish(model, **told | options)

    def device(self, name: str = "device", *, root: bytes | None = None) -> TufRepository:
        """Return the repository as a device sees it; the same name is the same device."""
        anchor = self.keys.anchor.read_bytes() if root is None else root
        self.fetchers.append(Fetcher(QUICK))
        return TufRepository(self.work / name, self.url, anchor, self.fetchers[-1])

    def isolated(self, name: str = "device", **options: Any) -> IsolatedRepository:
        told = UpdateSettings(url=self.url, root_file=str(self.keys.anchor))
        return IsolatedRepository(told, self.work / name, **options)

    def copy(self, name: str) -> Path:
        """Return a copy of what is served now."""
        return Path(shutil.copytree(self.site, self.work / name))

    def restore(self, copy: Path) -> None:
        """Serve what was copied, in the place of what is served."""
        shutil.rmtree(self.site)
        shutil.copytree(copy, self.site)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return what makes a repository and its keys once for all tests that copy them."""
    made: dict[Any, Path] = {}

    def make(now: datetime | None, is_published: bool, options: dict[str, Any]) -> Path:
        key = (now, is_published, *sorted(options.items()), *LIFETIMES.values())
        if key not in made:
            folder = tmp_path_factory.mktemp("template")
            fleet = Fleet(folder / "site", "", KeyFolders((folder / "keys",)), folder, now)
            fleet.publisher.create(**options)
            if is_published:
                fleet.publish()
            made[key] = folder
        return made[key]

    return make


@pytest.fixture
def make_fleet(
    shared_web: Web, tmp_path: Path, templates: Callable[..., Path]
) -> Iterator[Callable[..., Fleet]]:
    """Return what makes a publisher with an empty repository, or one with a model for all."""
    made: list[Fleet] = []

    def make(*, now: datetime | None = None, is_published: bool = False, **options: Any) -> Fleet:
        # Several of one test are different publishers, with keys of their own.
        template = templates(now, is_published, options | {"root_keys": 1 + len(made)} | options)
        name = f"{tmp_path.name}-{len(made)}"
        site = shared_web.folder / name
        shutil.copytree(template / "site", site)
        shutil.copytree(template / "keys", tmp_path / name)
        keys = KeyFolders((tmp_path / name,))
        fleet = Fleet(site, f"{shared_web.url}/{name}", keys, tmp_path, now)
        made.append(fleet)
        return fleet

    yield make
    for fleet in made:
        for fetcher in fleet.fetchers:
            fetcher.close()
        shutil.rmtree(fleet.site, ignore_errors=True)


@pytest.fixture
def fleet(make_fleet: Callable[..., Fleet]) -> Fleet:
    """Return a publisher who has published one model to all devices."""
    return make_fleet(is_published=True)
