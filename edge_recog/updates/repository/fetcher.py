"""Bytes by HTTP: bounded, resumed where they broke off, never slower than allowed.

Nothing here is believed: whoever asked checks what came.
"""

from __future__ import annotations

import re
import ssl
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin, urlsplit

import urllib3
from tuf.api.exceptions import (
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    SlowRetrievalError,
)
from tuf.ngclient.fetcher import FetcherInterface

from edge_recog import __version__
from edge_recog.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edge_recog.updates.repository.protocol import Limits

MOST_REDIRECTS: Final = 3
MOST_RESUMES: Final = 5
"""Of one fetch, each after bytes have come."""
_CHUNK_BYTES: Final = 65_536
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)")
_SECONDS: Final = re.compile(r"\d{1,9}")


class HttpStatusError(DownloadHTTPError):
    """The server answers with an error."""

    def __init__(self, message: str, status: int, retry_after_s: float | None) -> None:
        """Say which."""
        super().__init__(message, status)
        self.retry_after_s = retry_after_s


class Fetcher(FetcherInterface):
    """One connection, kept while it is used."""

    def __init__(
        self,
        limits: Limits,
        *,
        ca_file: str | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect to nothing yet.

        Args:
            limits: Of time.
            ca_file: Certificates (PEM) to trust instead of the system's.
            clock_s: Monotonic.
            sleep: Waits some seconds.

        Raises:
            UsageError: The certificates cannot be read.
        """
        self._limits = limits
        self._clock_s = clock_s
        self._sleep = sleep
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:  # An SSLError is one.
            raise UsageError(f"{ca_file}: no certificates (PEM) that can be read") from error
        self._pool = urllib3.PoolManager(
            ssl_context=context,
            headers={"User-Agent": f"edge-recog/{__version__}", "Accept-Encoding": "identity"},
            timeout=urllib3.Timeout(connect=limits.connect_s, read=limits.silence_s),
            retries=False,
            maxsize=1,
        )
        self._response: urllib3.BaseHTTPResponse | None = None
        """That is being read, or was left before its end."""

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        if self._response is not None:
            self._response.close()
            self._response = None
        self._pool.clear()

    def _fetch(self, url: str) -> Iterator[bytes]:
        """See `FetcherInterface`; for metadata, whose length that interface bounds."""
        response = self._open(url, {})
        _require_found(response, url)
        return self._chunks(response, url)

    def download(self, url: str, path: Path, size_bytes: int) -> None:
        """Have a file of a known length, going on with what is there of it.

        Args:
            url: Of the file; its content never changes.
            path: Of the part that is there, if any, and then of the whole.
            size_bytes: Length; no byte more is written.

        Raises:
            DownloadError: It is not whole; what has come is kept.
            OSError: It cannot be written.
        """
        for attempt in range(MOST_RESUMES + 1):
            before = _size(path)
            try:
                self._download_once(url, path, size_bytes)
                if _size(path) == size_bytes:
                    return
                problem = DownloadError(f"{url}: the connection ended early")
            except (DownloadLengthMismatchError, DownloadHTTPError):
                raise
            except DownloadError as error:
                problem = error
            if _size(path) <= before or attempt == MOST_RESUMES:
                raise problem
            self._sleep(min(8.0, 0.5 * 2**attempt))

    def _download_once(self, url: str, path: Path, size_bytes: int) -> None:
        have = _size(path)
        if have > size_bytes:
            path.unlink()
            have = 0
        if have == size_bytes:
            path.touch()
            return
        response = self._open(url, {"Range": f"bytes={have}-"} if have else {})
        if response.status == 416 and have:
            response.close()
            path.unlink(missing_ok=True)
            have = 0
            response = self._open(url, {})
        _require_found(response, url)
        if response.status == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != have or not have:
                response.close()
                raise DownloadError(f"{url}: the server sends another part than was asked for")
        else:
            have = 0  # This server knows no parts.
        with path.open("ab" if have else "wb", buffering=0) as file:
            for chunk in self._chunks(response, url):
                if have + len(chunk) > size_bytes:
                    raise DownloadLengthMismatchError(f"{url}: longer than {size_bytes} bytes")
                file.write(chunk)
                have += len(chunk)

    def _open(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Return the answer, after following a few redirections."""
        for _ in range(MOST_REDIRECTS + 1):
            _require_web(url)
            try:
                response = self._pool.request(
                    "GET",
                    url,
                    headers={**self._pool.headers, **headers},
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                )
            except urllib3.exceptions.TimeoutError as error:
                raise SlowRetrievalError(f"{url}: no answer in time") from error
            except urllib3.exceptions.HTTPError as error:
                raise DownloadError(f"{url}: {_reason(error)}") from error
            if response.status not in _REDIRECTS:
                self._response = response
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise DownloadError(f"{url}: redirected to an address that is not encrypted")
            url = target
        raise DownloadError(f"{url}: redirected more than {MOST_REDIRECTS} times")

    def _chunks(self, response: urllib3.BaseHTTPResponse, url: str) -> Iterator[bytes]:
        """Yield what comes, as it comes."""
        began_s, got = self._clock_s(), 0
        try:
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise DownloadError(f"{url}: the server sends it compressed, which was not asked")
            while chunk := response.read1(_CHUNK_BYTES, decode_content=False):
                yield chunk
                got += len(chunk)
                lasted_s = self._clock_s() - began_s
                if (
                    lasted_s > self._limits.grace_s
                    and got < lasted_s * self._limits.slowest_bytes_s
                ):
                    raise SlowRetrievalError(
                        f"{url}: only {got} bytes came in {lasted_s:.0f} s; too slow"
                    )
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError(f"{url}: nothing came for some time") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise DownloadError(f"{url}: {_reason(error)}") from error
        finally:
            # What is left unread would have to be read before the connection is used again.
            if response.length_remaining == 0:
                response.release_conn()
            else:
                response.close()


def _require_web(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DownloadError(f"{url!a}: only http and https are fetched")


def _require_found(response: urllib3.BaseHTTPResponse, url: str) -> None:
    if response.status not in {200, 206}:
        asked = response.headers.get("Retry-After", "")
        seconds = float(asked) if _SECONDS.fullmatch(asked) else None
        _leave(response)
        raise HttpStatusError(
            f"{url}: the server answers with {response.status}", response.status, seconds
        )


def _leave(response: urllib3.BaseHTTPResponse) -> None:
    """Read what little is left of an answer, so that the connection can be used again.

    There is a 404 in every look: that of the next root, which there is not.
    """
    left = response.length_remaining
    if left is None or left > _CHUNK_BYTES:
        response.close()
        return
    try:
        response.read(decode_content=False)
    except urllib3.exceptions.HTTPError:
        response.close()
    else:
        response.release_conn()


def _reason(error: Exception) -> str:
    text = re.sub(r"^<[^>]*>: |^HTTPS?Connection(Pool)?\([^)]*\): ", "", str(error))
    return text[:300].encode("unicode_escape").decode() or type(error).__name__


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
