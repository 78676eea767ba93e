"""What `evidence.html` says of a file, beside what `verifier.py` finds in it."""

import io
import re
from dataclasses import dataclass
from typing import Any

from proof.in_node import Proofs
from support.ledger import SIGNER

from service import verifier
from service.verifier import Finding, Trust

# What only verifier.py checks. It finds a weak sign-in of somebody who executes under a name that both have.
_OF_RULES = {"not-rules", "rules-unsigned", "rules-older", "rules-foreign", "other-rules"}
ELSEWHERE = {"wrong-clock", "too-early", "wrong-result", "wrong-key", "not-allowed", "outside-hours"} | _OF_RULES


def lines(holders: frozenset[tuple[str, str]]) -> str:
    return "".join(f"{person} {key}\n" for person, key in sorted(holders))


@dataclass(frozen=True)
class Verdict:
    """What the page says, and what verifier.py finds."""

    page: dict[str, Any]
    found: set[str]

    @property
    def codes(self) -> set[str]:
        """The names of the findings of the page."""
        whys = [why for check in self.page["checks"] if check["state"] == "bad" for why in check["why"]]
        return {re.findall(r"\(([a-z-]+)\)$", why)[0] for why in whys}

    def state(self, name: str) -> str:
        return next(str(check["state"]) for check in self.page["checks"] if check["name"] == name)


def judged(proofs: Proofs, data: bytes, trust: Trust | None = None, key: str = SIGNER.verifier_key) -> Verdict:
    trust = trust or Trust()
    known = {
        "keys": [key],
        "signers": None if trust.signers is None else lines(trust.signers),
        "founders": None if trust.founders is None else lines(trust.founders),
    }
    page = proofs.call("judge", "examine", data, known)
    kept = verifier.Kept([], {}, trust)
    told = verifier.all_told(verifier.check_file(io.BytesIO(data), [verifier.read_key(key)], kept))
    return Verdict(page, {each.name for each in told if isinstance(each, Finding)})


def is_no_better(verdict: Verdict) -> bool:
    """Whether the page finds fault where verifier.py does, and nowhere else."""
    if verdict.found - ELSEWHERE - {"stale-sign-in"}:
        return bool(verdict.page["verdict"] == "bad")
    return bool(verdict.found) or verdict.page["verdict"] != "bad"
