"""Who vouches for a model file: detached Ed25519 signatures, and which a device accepts.

The model file stays plain TFLite; its signature is `NAME.tflite.sig` beside it. What is signed is
a small `Statement` about the file. A device keeps public keys in a folder; from the first one on,
`Trust` refuses what no trusted key has signed, what was changed, and releases older than one that
was installed before. Without any key, nothing is asked and no library for it is loaded.

A key vouches for models, not for where they belong: whoever may install can install any model that
a trusted key has signed, and each name has a floor of its own.
"""

from edge_recog.signing.errors import (
    AlteredError,
    ClockError,
    DowngradeError,
    ExpiredError,
    MalformedSignatureError,
    OtherModelError,
    RevokedKeyError,
    SignatureError,
    UnknownKeyError,
    UnsignedError,
    UnusableTrustError,
)
from edge_recog.signing.places import trust_folders
from edge_recog.signing.public_keys import PublicKey
from edge_recog.signing.signatures import SUFFIX, sign, signature_path
from edge_recog.signing.statements import Statement, new_statement
from edge_recog.signing.trust import Trust

__all__ = [
    "SUFFIX",
    "AlteredError",
    "ClockError",
    "DowngradeError",
    "ExpiredError",
    "MalformedSignatureError",
    "OtherModelError",
    "PublicKey",
    "RevokedKeyError",
    "SignatureError",
    "Statement",
    "Trust",
    "UnknownKeyError",
    "UnsignedError",
    "UnusableTrustError",
    "new_statement",
    "sign",
    "signature_path",
    "trust_folders",
]
