"""Why a signature proves nothing. The codes are part of the contract with other verifiers (`conformance/`)."""

from enum import StrEnum
from typing import Self

from service.domain.signed import OF_STATEMENT
from service.domain.statement import StatementFault


class Fault(StrEnum):
    """What is wrong with a signature. Each has a sentence that is true and safe to show."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        fault = str.__new__(cls, value)
        fault._value_ = value
        fault.sentence = sentence
        return fault

    # what is signed
    NOT_A_STATEMENT = ("not-a-statement", "The signed bytes are not a statement of this type.")
    ANOTHER_SERVICE = ("another-service", OF_STATEMENT[StatementFault.ANOTHER_SERVICE])
    ANOTHER_LOG = ("another-log", OF_STATEMENT[StatementFault.ANOTHER_LOG])

    # the signature itself
    MALFORMED = ("malformed", "The signature is not in the form that OpenSSH writes.")
    UNSUPPORTED_KEY = ("unsupported-key", "Keys of this kind are not accepted.")
    WEAK_KEY = ("weak-key", "The key is too weak.")
    ANOTHER_NAMESPACE = ("another-namespace", "The signature was made for another purpose.")
    ANOTHER_HASH = ("another-hash", "The signature is not over SHA-512.")
    ANOTHER_KEY = ("another-key", "Another key than the one named made the signature.")
    WRONG_SIGNATURE = ("wrong-signature", "The signature is not of these bytes by this key.")

    # how it was made
    NOT_HARDWARE = ("not-hardware", "The key is not one of an authenticator.")
    NOT_TOUCHED = ("not-touched", "Nobody touched the authenticator.")
    NOT_VERIFIED = ("not-verified", "The authenticator did not verify its user, by a PIN or a fingerprint.")
    NOT_DEVICE_BOUND = ("not-device-bound", "The key can be copied to other devices.")
    WRONG_SITE = ("wrong-site", "The signature was made for another site.")


class BadSignature(Exception):
    """The signature proves nothing, because of `fault`. The text never quotes the input."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.sentence)
        self.fault = fault
