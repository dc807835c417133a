"""Who may look: the token, the cookie that stands for it, and how often a wrong one may come."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edge_recog.errors import UsageError
from edge_recog.service.config.secret_files import read_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOG = logging.getLogger(__name__)

COOKIE: Final = "edge_recog_session"
SESSION_S: Final = 30 * 86_400
"""After which one logs in again."""
FILE_NAME: Final = "web-token"

_TOKEN = re.compile(r"[\x21-\x7e]{16,1000}")
_SESSION = re.compile(r"([0-9]{1,12})\.([0-9a-f]{64})")


def find_token(token_file: str | None, environ: Mapping[str, str]) -> str:
    """Return the token: of the file, else the one in the state directory, made if there is none.

    Args:
        token_file: Path; None for the state directory.
        environ: Variables, which say where that is.

    Raises:
        UsageError: A file cannot be used, or what is in it is no token.
    """
    path = Path(token_file) if token_file is not None else state_directory(environ) / FILE_NAME
    if token_file is None:
        _make_once(path)
        _LOG.info("the live page wants a token: it is in %s", path)
    token = read_secret(path).strip()
    if not _TOKEN.fullmatch(token):
        raise UsageError(
            f"{path}: no token: it must be 16 to 1000 letters, digits and signs without spaces; "
            f"make one with: openssl rand -hex 32 > {path}"
        )
    return token


def state_directory(environ: Mapping[str, str]) -> Path:
    """Return where this program keeps what it must not forget: systemd's folder, or the user's."""
    # systemd names several with a colon between them.
    if given := environ.get("STATE_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    # The XDG specification has relative paths ignored.
    home = environ.get("XDG_STATE_HOME", "")
    state = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return state / "edge-recog"


def _make_once(path: Path) -> None:
    """Write a new token into a file that only its owner can read, unless it is there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Under another name first: a file that is there is whole.
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        if path.exists():
            return
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{secrets.token_hex(32)}\n")
                file.flush()
                os.fsync(file.fileno())
            # Of two that start at the same time, the first one's stays.
            os.link(part, path)
        except FileExistsError:
            pass
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path}: the token cannot be kept there: {error.strerror or error}; name a file that "
            "has one with web.token_file"
        ) from error


class Tokens:
    """Compares what is brought with the token, in constant time. For one thread."""

    def __init__(self, token: str, *, clock: Callable[[], float] = time.time) -> None:
        """Begin.

        Args:
            token: The right one.
            clock: Unix time in seconds.
        """
        # Digests are equally long, so that not even the length can be measured.
        self._digest = hashlib.sha256(token.encode()).digest()
        self._key = hmac.digest(token.encode(), b"edge_recog session", "sha256")
        self._clock = clock

    def is_token(self, brought: str) -> bool:
        """Return whether it is the token."""
        digest = hashlib.sha256(brought.encode(errors="replace")).digest()
        return hmac.compare_digest(digest, self._digest)

    def session(self) -> str:
        """Return a new cookie's value, good for `SESSION_S`, whatever is restarted meanwhile."""
        ends = str(int(self._clock()) + SESSION_S)
        return f"{ends}.{self._signature(ends)}"

    def is_session(self, brought: str) -> bool:
        """Return whether it is a cookie of ours that has not run out."""
        found = _SESSION.fullmatch(brought)
        if found is None:
            return False
        is_ours = hmac.compare_digest(found[2], self._signature(found[1]))
        return is_ours and int(found[1]) > self._clock()

    def _signature(self, ends: str) -> str:
        return hmac.new(self._key, ends.encode(), "sha256").hexdigest()


class Tries:
    """Counts wrong tokens: of one address, and of all, in a time."""

    def __init__(
        self,
        *,
        each: int = 10,
        together: int = 100,
        per_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none.

        Args:
            each: Wrong ones that an address may bring in that time.
            together: And all addresses together.
            per_s: The time.
            clock: In seconds.
        """
        self._each = each
        self._together = together
        self._per_s = per_s
        self._clock = clock
        self._began_s = clock()
        self._wrong: dict[str, int] = {}
        self._all = 0

    def wait_s(self, address: str) -> int:
        """Return how long an address has to wait before another try; 0 if it may."""
        now_s = self._clock()
        if now_s - self._began_s >= self._per_s:
            self._began_s = now_s
            self._wrong.clear()
            self._all = 0
        if self._wrong.get(address, 0) < self._each and self._all < self._together:
            return 0
        return max(1, round(self._began_s + self._per_s - now_s))

    def wrong(self, address: str) -> None:
        """Count a wrong one."""
        self._all += 1
        self._wrong[address] = self._wrong.get(address, 0) + 1
