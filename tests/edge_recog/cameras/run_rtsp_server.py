"""An RTSP server of GStreamer, run by the system's Python: run_rtsp_server.py PORT open|locked.

Serves /ball, a moving picture; `locked` only for ann with the password secret. Prints its port;
then takes orders on stdin, a line each, and prints each when it is done.
"""

import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

_BALL = (
    "( videotestsrc is-live=true pattern=ball ! capsfilter name=size "
    "caps=video/x-raw,format=I420,width=320,height=240,framerate=30/1 "
    "! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
)
_filters = []


def remember(_factory, media):
    found = media.get_element().get_by_name("size")
    if found is not None:
        _filters.append(found)


def factory():
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(_BALL)
    made.connect("media-configure", remember)
    permissions = GstRtspServer.RTSPPermissions()
    for right in ("access", "construct"):
        permissions.add_permission_for_role("ann", f"media.factory.{right}", True)
    made.set_permissions(permissions)
    return made


def say(what):
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def obey(loop):
    for line in sys.stdin:
        if line.strip() == "shrink":
            for found in _filters:
                found.set_property(
                    "caps",
                    Gst.Caps.from_string(
                        "video/x-raw,format=I420,width=160,height=120,framerate=30/1"
                    ),
                )
        say(line.strip())
    loop.quit()


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    server.get_mount_points().add_factory("/ball", factory())
    if sys.argv[2] == "locked":
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "ann")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("ann", "secret"), token)
        server.set_auth(auth)
    if server.attach(None) == 0:
        sys.exit("the port is taken")
    say(server.get_bound_port())
    loop = GLib.MainLoop()
    threading.Thread(target=obey, args=(loop,), daemon=True).start()
    loop.run()


main()
