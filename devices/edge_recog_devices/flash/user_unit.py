"""The unit for one user's own service manager, which can confine a service less than the system's.

What the classifier may use and write is what its user may.
"""

from __future__ import annotations

from typing import Final

from edge_recog.service.unit import restart_lines

_UNIT: Final = """\
# Written by edge-recog flash. What differs goes into a drop-in: systemctl --user edit edge-recog
[Unit]
Description=edge_recog live camera classifier
# Never gives up: the camera may be plugged in next week.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run --config {config}
ExecReload=/bin/kill -HUP $MAINPID
TimeoutStartSec=90s
WatchdogSec=30s
Restart=always
{restart}
KillMode=mixed
TimeoutStopSec=10s
UMask=0077
NoNewPrivileges=yes
Environment=PYTHONDONTWRITEBYTECODE=1
Environment=MALLOC_ARENA_MAX=2
Environment=XDG_STATE_HOME={state_home}
MemoryMax={memory_max}

[Install]
WantedBy=default.target
"""


def render_user_unit(
    *, program: str, config: str, state_home: str, memory_max: str, systemd: int
) -> str:
    """Return the unit's text; the paths are of characters that systemd takes as they are.

    Args:
        program: Absolute path of the `edge-recog` command.
        config: Absolute path of the configuration.
        state_home: Folder in which the service has its own one.
        memory_max: As systemd has it, such as `256M`.
        systemd: Version that will read it.
    """
    return _UNIT.format(
        program=program,
        config=config,
        state_home=state_home,
        memory_max=memory_max,
        restart=restart_lines(systemd),
    )
