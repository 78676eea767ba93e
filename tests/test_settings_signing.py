"""Settings of signed approvals: what would let nobody approve, or the wrong people, prevents the start."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.signers import ORIGIN, RP_ID, SK_ED25519
from support.signing import BOB, CAROL

from service.app import compose
from service.domain.demands import SignedApprovals
from service.domain.rulebook import change
from service.settings import FaultySettings, Settings, load

_WEAK = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_SETTINGS = f"""
[audit]
origin = "rootquorum.example.com/log"
[policy]
decision_requires_auth_time = false
signed_approvals = "required"
[signing]
rp_id = "{RP_ID}"
origins = ["{ORIGIN}"]
[accounts.111122223333]
name = "production"
profile = "prod"
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
[people.alice]
name = "Alice"
roles = ["requester"]
[machines.robo]
name = "Robo"
[founders.bob]
keys = ["{BOB.public.text} bob@laptop"]
[founders.carol]
keys = ["{CAROL.public.text}"]
"""


def loaded(folder: Path, text: str) -> Settings:
    (folder / "rootquorum.toml").write_text(text)
    return load(folder / "rootquorum.toml")


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(FaultySettings) as refusal:
        loaded(folder, text)
    return refusal.value.faults


def test_founders_keys_are_read_without_their_comments(tmp_path: Path) -> None:
    settings = loaded(tmp_path, _SETTINGS)
    with compose(settings, with_aws=False) as ctx:
        assert ctx.signing.founders == {("bob", BOB.public.text), ("carol", CAROL.public.text)}
        assert (ctx.signing.rp_id, ctx.signing.origins) == (RP_ID, frozenset({ORIGIN}))
        assert ctx.policy.signed_approvals is SignedApprovals.REQUIRED


def without(*lines: str) -> Callable[[str], str]:
    return lambda text: "\n".join(line for line in text.splitlines() if line not in lines)


def instead(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


_FAULTY: dict[str, tuple[Callable[[str], str], str]] = {
    "no name of the log": (without("[audit]", 'origin = "rootquorum.example.com/log"'), "audit.origin is missing"),
    "fewer founders than the quorum": (
        without("[founders.carol]", f'keys = ["{CAROL.public.text}"]'),
        "fewer than policy.quorum",
    ),
    "a rule with too few founders": (
        lambda text: (
            without('signed_approvals = "required"', "[founders.carol]", f'keys = ["{CAROL.public.text}"]')(text)
            + '\n[[rules]]\nname = "signed"\nsigned_approvals = "enrolled"\n'
        ),
        "fewer than policy.quorum",
    ),
    "one key of two": (instead(CAROL.public.text, BOB.public.text), "another founder has one of them"),
    "a weak key": (instead(CAROL.public.text, _WEAK), "The key is too weak"),
    "no key": (instead(CAROL.public.text, "ssh-ed25519 nothing-of-a-key"), "not in the form"),
    "a founder who approves nothing": (instead("founders.carol", "founders.alice"), "is no approver"),
    "a machine": (instead("founders.carol", "founders.robo"), "a machine, which never decides"),
    "nobody who can sign in": (instead("founders.carol", "founders.erin"), "nobody else can sign in"),
    "a passkey's site without its pages": (without(f'origins = ["{ORIGIN}"]'), "they belong together"),
    "a page of another site": (instead(ORIGIN, "https://example.org"), "not below signing.rp_id"),
    "a file where only hardware may sign": (instead("[signing]", "[signing]\nonly_hardware = true"), "authenticator's"),
}


@pytest.mark.parametrize("name", _FAULTY)
def test_what_would_not_work_prevents_the_start(tmp_path: Path, name: str) -> None:
    broken, said = _FAULTY[name]
    found = faults(tmp_path, broken(_SETTINGS))
    assert any(said in fault for fault in found), found


def test_a_founder_s_key_is_in_the_rulebook_and_naming_one_is_told(tmp_path: Path) -> None:
    before = loaded(tmp_path, _SETTINGS).signing_in_force().document()
    more = _SETTINGS.replace(CAROL.public.text, f'{CAROL.public.text}", "{SK_ED25519.public.text}')
    now = loaded(tmp_path, more).signing_in_force().document()
    event = change({"signing": before}, {"signing": now})
    assert event is not None
    changes: Any = event.data["changes"]
    assert [line.partition(":")[0] for line in changes] == ["signing.founders.carol"]


def test_without_signatures_the_rulebook_is_that_of_the_version_before(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        without("[audit]", 'origin = "rootquorum.example.com/log"')(
            _SETTINGS.partition("[founders")[0]
            .replace('signed_approvals = "required"', "")
            .replace(f'[signing]\nrp_id = "{RP_ID}"\norigins = ["{ORIGIN}"]\n', "")
        ),
    )
    assert settings.signing_in_force().document() == {}
    assert "signed_approvals" not in settings.policy_in_force().document()
