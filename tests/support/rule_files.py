"""Files of rules, and people who sign them."""

from pathlib import Path

from support.signers import ORIGIN, RP_ID, Signer
from support.signing import BOB, CAROL, KEYS

from service.domain.rule_file import SignedRules, parse_rules
from service.domain.statement import Namespace

# The people of the house. Alice asks, Bob and Carol are founders.
TEXT = f"""
version = 1

[policy]
signed_approvals = "required"
decision_requires_auth_time = false

[people.alice]
name = "Alice"
roles = ["requester"]
[people.bob]
name = "Bob"
roles = ["approver"]
[people.carol]
name = "Carol"
roles = ["approver"]
[people.dave]
name = "Dave"
roles = ["approver"]

[signing]
rp_id = "{RP_ID}"
origins = ["{ORIGIN}"]

[founders.bob]
keys = ["{BOB.public.text} bob@laptop"]
[founders.carol]
keys = ["{CAROL.public.text}"]
"""


def following(before: SignedRules | str, *changes: tuple[str, str]) -> str:
    """Return the text of a next version with these replacements."""
    read = parse_rules((before if isinstance(before, str) else before.file.text).encode())
    head = f"version = {read.rules.version}\n"
    if read.rules.previous is not None:
        head += f'previous = "{read.rules.previous}"\n'
    assert head in read.text
    text = read.text.replace(head, f'version = {read.rules.version + 1}\nprevious = "{read.rules.digest}"\n')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def signature(text: str, signer: Signer, namespace: Namespace = Namespace.RULES) -> str:
    return signer.sign(text.encode(), namespace)


def signed_by(text: str, *people: str | Signer, place: str = "rules.toml") -> SignedRules:
    """Return a version as it stands in its files, with the signatures of these people."""
    signers = [KEYS[each] if isinstance(each, str) else each for each in people]
    return SignedRules(parse_rules(text.encode()), tuple(signature(text, each) for each in signers), place)


def written(file: Path, signed: SignedRules) -> Path:
    """Write a version into its files."""
    file.write_text(signed.file.text)
    file.with_name(f"{file.name}.sigs").write_text("".join(signed.signatures))
    return file
