"""Who decides whether a model may be installed at all, before it is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from edge_recog.store.errors import OtherReleaseError
from edge_recog.store.state import Release

if TYPE_CHECKING:
    from edge_recog.interpreters.twins import Twins
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


def admit_both(
    admission: Admission,
    twins: Twins,
    signature: bytes | None,
    compiled_signature: bytes | None,
) -> Release | None:
    """Return which release a model and its compiled twin are: whoever signs one signs the other.

    Raises:
        EdgeRecogError: One of them must not be installed, or they are of two releases.
    """
    model, compiled = twins.bundle, twins.compiled
    release = admission.admit(model.data, signature, where=model.where)
    if compiled is None:
        return release
    other = admission.admit(compiled.data, compiled_signature, where=compiled.where)
    if release is not None and other is not None and release != other:
        raise OtherReleaseError(
            f"{compiled.where}: it is signed as release {other.sequence} of '{other.name}', and "
            f"the model as release {release.sequence} of '{release.name}': sign both with the "
            "same --sequence and --name"
        )
    return release
