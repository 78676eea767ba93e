"""What a signature must prove beyond its key. OpenSSH asks for none of this: `ssh-keygen -Y verify` accepts them all.

So whoever checks with `ssh-keygen` alone knows which key signed, and not that somebody touched it. All of it is the
word of the authenticator and of the browser. There is no attestation: whoever registers a key could have made up both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain.signed import Signing
from service.signing.faults import BadSignature, Fault
from service.signing.sshsig import Assertion, Signed

# The application of a key that `ssh-keygen` made begins so (ssh-keygen(1), `-O application`). No RP id does.
_SSH = "ssh:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What the settings ask of signatures. `origins` and `rp_id` are compared exactly; None accepts no passkey.

    Somebody must always have touched an authenticator. `user_verified` demands that it verified them, too.
    """

    origins: frozenset[str] = frozenset()
    rp_id: str | None = None
    user_verified: bool = True
    only_hardware: bool = False
    # Implies `only_hardware`. Each assertion is judged by itself, because providers of synchronized keys change it.
    only_device_bound: bool = False


def demands_of(signing: Signing) -> Demands:
    """Return what is asked of a new signature, and of that of a decision whenever it is judged."""
    return Demands(
        rp_id=signing.rp_id,
        origins=signing.origins,
        user_verified=signing.user_verified,
        only_hardware=signing.only_hardware,
        only_device_bound=signing.only_device_bound,
    )


def faults(signed: Signed, demands: Demands) -> tuple[Fault, ...]:
    """Return each demand that a good signature does not meet. Empty if it meets all."""
    if signed.assertion is None:
        return (Fault.NOT_HARDWARE,) if demands.only_hardware or demands.only_device_bound else ()
    return tuple(_faults_of(signed.assertion, signed.key.application, demands))


def check(signed: Signed, demands: Demands) -> None:
    """Raise BadSignature for the first demand that is not met."""
    for fault in faults(signed, demands):
        raise BadSignature(fault)


def _faults_of(assertion: Assertion, application: str, demands: Demands) -> Iterator[Fault]:
    if not assertion.is_user_present:
        yield Fault.NOT_TOUCHED
    if demands.user_verified and not assertion.is_user_verified:
        yield Fault.NOT_VERIFIED
    if demands.only_device_bound and not assertion.is_device_bound:
        yield Fault.NOT_DEVICE_BOUND
    if not _is_right_site(assertion, application, demands):
        yield Fault.WRONG_SITE


def _is_right_site(assertion: Assertion, application: str, demands: Demands) -> bool:
    """Return whether a browser signed at one of our origins with a passkey for us, or a terminal with a key of SSH."""
    site = assertion.site
    if site is None:
        return application.startswith(_SSH)
    return application == demands.rp_id and site.origin in demands.origins and not site.is_framed
