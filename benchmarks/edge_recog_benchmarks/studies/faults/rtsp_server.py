"""An RTSP camera of GStreamer, for the system's Python: rtsp_server.py PORT.

Says its port on stdout. Orders on stdin: a letter, a length (4 bytes) and so many bytes. `P`: show
this JPEG; `D`: hang up on everybody and let nobody in; `R`: let them in again. Ends with stdin.
"""

from __future__ import annotations

import struct
import sys
import threading
from typing import Any

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import (  # type: ignore[import-not-found]  # noqa: E402
    GLib,
    Gst,
    GstRtspServer,
)

_LAUNCH = (
    "( appsrc name=pictures is-live=true format=time do-timestamp=true max-buffers=2 "
    "leaky-type=downstream ! rtpjpegpay name=pay0 pt=26 )"
)
_ORDER = struct.Struct("<cI")
_PATH = "/live"
_sources: list[Any] = []


def _remember(_factory: Any, media: Any) -> None:
    source = media.get_element().get_by_name("pictures")
    _sources.append(source)
    media.connect("unprepared", lambda _media: _sources.remove(source))


def _factory() -> Any:
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(_LAUNCH)
    made.connect("media-configure", _remember)
    return made


def _show(data: bytes) -> None:
    # Start of frame, with precision, height and width: ITU-T T.81, B.2.2.
    at = data.index(b"\xff\xc0") + 5
    height, width = struct.unpack(">HH", data[at : at + 4])
    caps = Gst.Caps.from_string(f"image/jpeg,width={width},height={height},framerate=15/1")
    for source in tuple(_sources):
        source.set_property("caps", caps)
        source.emit("push-buffer", Gst.Buffer.new_wrapped(data))


def _obey(server: Any, loop: Any) -> None:
    while len(head := sys.stdin.buffer.read(_ORDER.size)) == _ORDER.size:
        letter, size = _ORDER.unpack(head)
        data = sys.stdin.buffer.read(size)
        if letter == b"P":
            # Not in the main loop, which waits for pictures while a client comes.
            _show(data)
        elif letter == b"D":
            GLib.idle_add(_shut, server)
        elif letter == b"R":
            GLib.idle_add(_admit, server)
    loop.quit()


def _shut(server: Any) -> None:
    server.get_mount_points().remove_factory(_PATH)
    server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)


def _admit(server: Any) -> None:
    server.get_mount_points().add_factory(_PATH, _factory())


def main() -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    _admit(server)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    threading.Thread(target=_obey, args=(server, loop), daemon=True).start()
    loop.run()


main()
