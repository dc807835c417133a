"""Who decides whether a model may be installed at all, before it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_recog.store.state import Release

if TYPE_CHECKING:
    from edge_recog.signing import Trust


class Admission(Protocol):
    """Knows whom this device trusts."""

    def admit(self, model: bytes, signature: bytes | None, *, where: str) -> Release | None:
        """Return which release a model is, if its signer says so.

        Args:
            model: The whole file: what is admitted is what is installed.
            signature: The whole signature file; None if there is none.
            where: Path of the model, for messages.

        Raises:
            EdgeRecogError: It must not be installed.
        """
        ...

    def in_use(self, release: Release) -> None:
        """Take that a release is the active one. Told again at every start.

        Raises:
            EdgeRecogError: That cannot be remembered.
        """
        ...


class Anybody:
    """Lets every model in."""

    def admit(self, model: bytes, signature: bytes | None, *, where: str) -> Release | None:
        """See `Admission`."""
        del model, signature, where
        return None

    def in_use(self, release: Release) -> None:
        """See `Admission`."""


class Trusted:
    """Lets in what the device's keys have signed; every model while it has no keys."""

    def __init__(
        self, trust: Trust, *, allow_unsigned: bool = False, allow_downgrade: bool = False
    ) -> None:
        """Begin.

        Args:
            trust: Keys and floors.
            allow_unsigned: See `Trust.check_data`.
            allow_downgrade: See `Trust.check_data`.
        """
        self._trust = trust
        self._allow_unsigned = allow_unsigned
        self._allow_downgrade = allow_downgrade

    def admit(self, model: bytes, signature: bytes | None, *, where: str) -> Release | None:
        """See `Admission`."""
        statement = self._trust.check_data(
            model,
            signature,
            where=where,
            allow_unsigned=self._allow_unsigned,
            allow_downgrade=self._allow_downgrade,
        )
        return None if statement is None else Release(statement.name, statement.sequence)

    def in_use(self, release: Release) -> None:
        """See `Admission`."""
        self._trust.floors.raise_to(release.name, release.sequence)
