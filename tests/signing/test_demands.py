"""What a signature proves may be less than the settings ask for, and each thing that is missing has its name."""

from dataclasses import replace

import pytest
from support.signers import (
    BACKED_UP,
    BACKUP_ELIGIBLE,
    ECDSA,
    ED25519,
    ORIGIN,
    PASSKEY,
    PRESENT,
    RP_ID,
    SK_ECDSA,
    SK_ED25519,
    VERIFIED,
    Authenticator,
    Passkey,
    Signer,
)

from service.signing.demands import Demands, check, faults
from service.signing.faults import BadSignature, Fault
from service.signing.sshsig import verify

_MESSAGE, _NAMESPACE = b"a statement", "decision@rootquorum"
_DEMANDS = Demands(origins=frozenset({ORIGIN}), rp_id=RP_ID)
_HARDWARE = pytest.mark.parametrize(
    "signer", [SK_ED25519, SK_ECDSA, PASSKEY], ids=["sk-ed25519", "sk-ecdsa", "passkey"]
)


def faults_of(signer: Signer, demands: Demands = _DEMANDS) -> tuple[Fault, ...]:
    return faults(verify(signer.sign(_MESSAGE, _NAMESPACE), _MESSAGE, _NAMESPACE), demands)


@_HARDWARE
def test_somebody_has_to_touch_an_authenticator(signer: Authenticator | Passkey) -> None:
    untouched = replace(signer, flags=VERIFIED)
    assert faults_of(untouched) == (Fault.NOT_TOUCHED,)
    assert faults_of(untouched, replace(_DEMANDS, user_verified=False)) == (Fault.NOT_TOUCHED,)


@_HARDWARE
def test_an_authenticator_has_to_verify_its_user_unless_the_settings_say_otherwise(
    signer: Authenticator | Passkey,
) -> None:
    touched = replace(signer, flags=PRESENT)
    assert faults_of(touched) == (Fault.NOT_VERIFIED,)
    assert faults_of(touched, replace(_DEMANDS, user_verified=False)) == ()


@_HARDWARE
@pytest.mark.parametrize("flags", [BACKUP_ELIGIBLE, BACKED_UP, BACKUP_ELIGIBLE | BACKED_UP])
def test_a_key_that_can_be_copied_is_refused_only_where_the_settings_say_so(
    signer: Authenticator | Passkey, flags: int
) -> None:
    synced = replace(signer, flags=PRESENT | VERIFIED | flags)
    assert faults_of(synced) == ()
    assert faults_of(synced, replace(_DEMANDS, only_hardware=True)) == ()
    assert faults_of(synced, replace(_DEMANDS, only_device_bound=True)) == (Fault.NOT_DEVICE_BOUND,)
    assert faults_of(signer, replace(_DEMANDS, only_device_bound=True)) == ()


@pytest.mark.parametrize("signer", [ED25519, ECDSA])
def test_a_key_in_a_file_is_refused_only_where_the_settings_say_so(signer: Signer) -> None:
    assert faults_of(signer) == ()
    for demands in (replace(_DEMANDS, only_hardware=True), replace(_DEMANDS, only_device_bound=True)):
        assert faults_of(signer, demands) == (Fault.NOT_HARDWARE,)


@pytest.mark.parametrize(
    "signer",
    [
        replace(PASSKEY, origin="https://evil.example"),
        replace(PASSKEY, rp_id="example.com"),
        replace(PASSKEY, members=(("crossOrigin", True),)),
    ],
)
def test_a_passkey_signs_for_the_exact_origin_and_relying_party_of_the_settings(signer: Signer) -> None:
    assert faults_of(signer) == (Fault.WRONG_SITE,)


def test_without_settings_for_a_site_no_passkey_counts() -> None:
    assert faults_of(PASSKEY, Demands()) == (Fault.WRONG_SITE,)
    assert faults_of(PASSKEY, Demands(origins=frozenset({ORIGIN}))) == (Fault.WRONG_SITE,)
    assert faults_of(PASSKEY, Demands(rp_id=RP_ID)) == (Fault.WRONG_SITE,)
    assert faults_of(SK_ED25519, Demands()) == ()


def test_a_passkey_that_no_browser_asked_counts_for_nothing() -> None:
    """A terminal has a key of its own. One for a site signs with the browser's word on the page."""
    for application in (RP_ID, "ssh", "https://ssh:"):
        assert faults_of(replace(SK_ECDSA, application=application)) == (Fault.WRONG_SITE,)
    assert faults_of(replace(SK_ECDSA, application="ssh:rootquorum")) == ()


def test_a_terminals_key_that_a_browser_asked_counts_for_nothing() -> None:
    assert faults_of(replace(PASSKEY, rp_id="ssh:")) == (Fault.WRONG_SITE,)


def test_everything_that_is_missing_is_named_and_the_first_refuses() -> None:
    all_wrong = replace(PASSKEY, flags=BACKED_UP, origin="https://evil.example")
    strictest = replace(_DEMANDS, only_device_bound=True)
    expected = (Fault.NOT_TOUCHED, Fault.NOT_VERIFIED, Fault.NOT_DEVICE_BOUND, Fault.WRONG_SITE)
    assert faults_of(all_wrong, strictest) == expected
    with pytest.raises(BadSignature) as refusal:
        check(verify(all_wrong.sign(_MESSAGE, _NAMESPACE), _MESSAGE, _NAMESPACE), strictest)
    assert refusal.value.fault is Fault.NOT_TOUCHED
