"""A service manager for one user, as far as `edge-recog flash` asks for one: it runs one service.

For devices without systemd, which tests can have. The service is started again when it ends, until
it is stopped.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(os.environ["HOME"])
UNIT = HOME / ".config/systemd/user/edge-recog.service"
STATE = HOME / ".service-manager"
RESTART_S = 0.5


def of_unit(key: str) -> list[str]:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def pid_of(name: str) -> int | None:
    try:
        pid = int((STATE / name).read_text(encoding="utf-8"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    # One that is not waited for yet is no more.
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return None if state == "Z" else pid


def serve() -> None:
    """Run the service again and again; this process is the manager of it."""
    (STATE / "manager").write_text(str(os.getpid()), encoding="utf-8")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    [command] = of_unit("ExecStart")
    environment = dict(one.split("=", 1) for one in of_unit("Environment"))
    main: subprocess.Popen[bytes] | None = None
    try:
        while True:
            with (STATE / "log").open("ab") as log:
                main = subprocess.Popen(
                    shlex.split(command),
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                )
            (STATE / "main").write_text(str(main.pid), encoding="utf-8")
            main.wait()
            time.sleep(RESTART_S)
    finally:
        if main is not None and main.poll() is None:
            main.terminate()
            main.wait(20)
        (STATE / "main").unlink(missing_ok=True)


def stop() -> None:
    manager = pid_of("manager")
    if manager is not None:
        os.kill(manager, signal.SIGTERM)
        for _ in range(1000):
            if pid_of("manager") is None:
                return
            time.sleep(0.02)


def start() -> None:
    with (STATE / "log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, __file__, "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> int | str:
    STATE.mkdir(exist_ok=True)
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    verb = words[0]
    runs = pid_of("manager") is not None
    match verb:
        case "serve":
            serve()
        case "show":
            enabled = (STATE / "enabled").exists()
            say(f"ActiveState={'active' if runs else 'inactive'}")
            say(f"UnitFileState={'enabled' if enabled else 'disabled' if UNIT.exists() else ''}")
        case "is-active":
            say("active" if runs else "inactive")
            return 0 if runs else 3
        case "is-enabled":
            enabled = (STATE / "enabled").exists()
            say("enabled" if enabled else "disabled")
            return 0 if enabled else 1
        case "enable":
            (STATE / "enabled").touch()
        case "disable":
            (STATE / "enabled").unlink(missing_ok=True)
        case "restart":
            stop()
            start()
        case "stop":
            stop()
        case "reload":
            process = pid_of("main")
            if process is None:
                return 1
            os.kill(process, signal.SIGHUP)
        case "daemon-reload" | "reset-failed":
            pass
        case _:
            return f"no such verb: {verb}"
    return 0


if __name__ == "__main__":
    sys.exit(main())
