"""What a device's store asks of a model before it takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_recog.service.config.sections import Config


def install_options(config: Config, *, most_ms: float | None = None) -> tuple[str, ...]:
    """Return the options of `edge-recog model install` that have it tried as the service runs it.

    Args:
        config: Of the service.
        most_ms: That a picture may take; as configured if None.
    """
    store = config.store
    given = {
        "--threads": str(config.threads),
        "--most-ms": f"{most_ms or store.most_p50_ms:g}",
        "--most-mb": f"{store.most_memory_mb:g}",
        "--quota-mb": f"{store.quota_mb:g}",
    }
    if config.delegate:
        given["--delegate"] = config.delegate
    return tuple(word for option in given.items() for word in option)
