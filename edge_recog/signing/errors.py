"""Why a model is not accepted.

EdgeRecogError
└── SignatureError (ValueError)     nobody this device trusts vouches for the model
    ├── UnsignedError               it has no signature
    ├── MalformedSignatureError     what should be its signature is none
    ├── UnknownKeyError             signed by a key that is not trusted here
    ├── RevokedKeyError             signed by a key that was revoked here
    ├── AlteredError                the signature does not fit what it signs
    ├── OtherModelError             the signature is good, but for another file
    ├── ExpiredError                it was to be used until a time that is over
    ├── ClockError                  that time cannot be judged: the clock is not set
    ├── DowngradeError              a newer release was installed here before
    └── UnusableTrustError          the device's own keys or floors cannot be read
"""

from __future__ import annotations

from typing import ClassVar

from edge_recog.errors import EdgeRecogError


class SignatureError(EdgeRecogError, ValueError):
    """Nobody this device trusts vouches for the model."""

    reason: ClassVar[str] = "refused"
    """Stable, for programs."""


class UnsignedError(SignatureError):
    """The model has no signature, and the device wants one."""

    reason = "unsigned"


class MalformedSignatureError(SignatureError):
    """What should be the signature, or the statement that it signs, cannot be read."""

    reason = "malformed-signature"


class UnknownKeyError(SignatureError):
    """The signature is by a key that the device does not trust."""

    reason = "unknown-key"


class RevokedKeyError(SignatureError):
    """The signature is by a key that was revoked on the device."""

    reason = "revoked-key"


class AlteredError(SignatureError):
    """The signature does not fit what it signs: one of the two was changed, or it is forged."""

    reason = "bad-signature"


class OtherModelError(SignatureError):
    """The signature is good, but for another file."""

    reason = "other-model"


class ExpiredError(SignatureError):
    """The signer wanted the model installed until a time that is over."""

    reason = "expired"


class ClockError(SignatureError):
    """Whether the model has expired cannot be judged: the clock is not set."""

    reason = "clock-not-set"


class DowngradeError(SignatureError):
    """A newer release of the model was installed on the device before."""

    reason = "downgrade"


class UnusableTrustError(SignatureError):
    """The device's own keys or floors cannot be read, so nothing is accepted."""

    reason = "unusable-trust"
