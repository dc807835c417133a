"""The live classifier as a process of its own, with its page."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_S = 60.0
SOURCE = "synthetic:64x48?rate=50"


@pytest.fixture
def start(tiny_path: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return what starts the verb with the tiny model; all are ended with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, source: str = SOURCE, **variables: str) -> subprocess.Popen[str]:
        program = str(Path(sys.executable).with_name("edge-recog"))
        environ = {**os.environ, "STATE_DIRECTORY": str(tmp_path / "state"), **variables}
        running.append(
            subprocess.Popen(
                [program, "run", str(tiny_path), "--source", source, *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environ,
            )
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


def port_of(process: subprocess.Popen[str]) -> int:
    """Return where the page is, as the log says."""
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"live page: http://[^:]+:(\d+)/", line):
            return int(found[1])
    raise AssertionError("the log does not say where the page is")


def ask(port: int, path: str, *, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    body = b"{}" if method == "POST" else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    heard = connection.getresponse()
    found = heard.status, heard.read()
    connection.close()
    return found


def test_the_page_comes_with_the_first_answer(start: Callable[..., Any]) -> None:
    process = start("--web", "127.0.0.1:0")
    port = port_of(process)

    assert ask(port, "/")[0] == 200
    assert ask(port, "/readyz")[0] == 200
    answer = json.loads(ask(port, "/api/v1/classification")[1])
    assert answer["model"]["name"] == "tiny"
    status = json.loads(ask(port, "/api/v1/status")[1])
    assert status["frames"]["answered"] > 0
    assert [sink["name"] for sink in status["sinks"]] == ["jsonl"]
    assert (status["source"], status["picture"]) == (SOURCE, {"width": 64, "height": 48})
    config = json.loads(ask(port, "/api/v1/config")[1])
    assert config["web"]["listen"] == "127.0.0.1:0"
    assert ask(port, "/api/v1/frame.jpg")[1][:2] == b"\xff\xd8"


def test_the_model_is_loaded_anew_by_the_page(start: Callable[..., Any]) -> None:
    process = start("--web", "127.0.0.1:0")
    port = port_of(process)
    path = "/api/v1/model/activate"
    code, body = ask(port, path, method="POST", Content_Type="application/json")

    assert code == 200
    assert json.loads(body)["name"] == "tiny"
    assert json.loads(body)["labels"] == ["ant", "bee", "cat", "dog"]


def test_a_model_that_is_broken_by_then_is_not_taken(
    start: Callable[..., Any], tiny_path: Path, tmp_path: Path
) -> None:
    process = start("--web", "127.0.0.1:0")
    port = port_of(process)
    broken = tmp_path / "new.tflite"
    broken.write_bytes(tiny_path.read_bytes()[:500])
    broken.rename(tiny_path)
    code, body = ask(port, "/api/v1/model/activate", method="POST", Content_Type="application/json")

    assert code == 409
    assert str(tiny_path) in json.loads(body)["detail"]
    assert ask(port, "/readyz")[0] == 200


def test_lines_stay_json_whatever_is_asked(start: Callable[..., Any]) -> None:
    process = start("--web", "127.0.0.1:0")
    port = port_of(process)
    for path in ("/", "/nothing", "/metrics", "/api/v1/status?x=1"):
        ask(port, path)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=LONG_S)

    assert process.returncode == 0, err
    assert [json.loads(line) for line in out.splitlines()]
    assert "Traceback" not in err


def test_it_ends_with_viewers_connected(start: Callable[..., Any]) -> None:
    process = start("--web", "127.0.0.1:0")
    port = port_of(process)
    watching = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    watching.request("GET", "/api/v1/stream.mjpg")
    picture = watching.getresponse()
    assert picture.read(1000)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=LONG_S)
    watching.close()

    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "not done in time" not in err


def test_an_address_that_was_asked_for_must_be_free(start: Callable[..., Any], taken: int) -> None:
    process = start("--web", f"127.0.0.1:{taken}")
    out, err = process.communicate(timeout=LONG_S)

    assert process.returncode != 0
    assert out == ""
    assert f"127.0.0.1:{taken} is taken by another program" in err
    assert "Traceback" not in err


def test_so_must_one_of_the_environment(start: Callable[..., Any], taken: int) -> None:
    process = start(EDGE_RECOG__WEB__LISTEN=f"127.0.0.1:{taken}")
    _, err = process.communicate(timeout=LONG_S)

    assert process.returncode != 0
    assert "is taken" in err


def test_without_having_asked_for_a_page_one_goes_on_without(
    start: Callable[..., Any], missing: Callable[[str], NoReturn]
) -> None:
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 8080))
            holder.listen()
        except OSError:
            # Somebody else holds it, which is as good.
            pass
        process = start(source="synthetic:64x48?count=20")
        out, err = process.communicate(timeout=LONG_S)

    assert process.returncode == 0, err
    assert len(out.splitlines()) >= 20
    assert "there is no live page: 127.0.0.1:8080 is taken" in err


@pytest.mark.parametrize("arguments", [["--no-web"], ["--web", "x", "--no-web"], ["--web", "8080"]])
def test_what_is_said_of_the_page_is_obeyed(
    start: Callable[..., Any], arguments: list[str]
) -> None:
    process = start(*arguments, source="synthetic:64x48?count=5")
    _, err = process.communicate(timeout=LONG_S)

    if arguments == ["--no-web"]:
        assert process.returncode == 0, err
        assert "live page" not in err
    else:
        assert process.returncode != 0
        assert "Traceback" not in err


def test_for_the_network_a_token_is_made_and_wanted(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    process = start("--web", "0.0.0.0:0")
    port = port_of(process)
    token = (tmp_path / "state" / "web-token").read_text().strip()

    assert ask(port, "/api/v1/status")[0] == 401
    assert ask(port, "/api/v1/status", Authorization=f"Bearer {token}")[0] == 200


def test_promtool_takes_the_metrics_of_a_run(
    start: Callable[..., Any], missing: Callable[[str], NoReturn]
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool is not installed (Debian: prometheus)")
    port = port_of(start("--web", "127.0.0.1:0"))
    text = ask(port, "/metrics")[1]

    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_what_only_the_page_needs_is_not_loaded_without_it() -> None:
    code = (
        "import sys\n"
        "import edge_recog.service.daemon, edge_recog.service.web.site\n"
        "heavy = {'uvicorn', 'starlette', 'h11', 'asyncio', 'anyio', 'prometheus_client'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
