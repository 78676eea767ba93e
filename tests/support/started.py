"""Processes that start."""

from dataclasses import replace

from support.builders import policy_of
from support.house import House
from support.signing import SIGNING

from service.db import proved_log
from service.domain.demands import SignedApprovals
from service.domain.rule_file import SignedRules
from service.workflow.announce import announce
from service.workflow.context import Context


def under(house: House, rules: SignedRules | None) -> Context:
    """Return what a process has that starts with these rules."""
    signing = SIGNING if rules is None else replace(SIGNING, founders=rules.file.rules.founders)
    policy = replace(policy_of(), signed_approvals=SignedApprovals.REQUIRED)
    return replace(house.ctx, signed_rules=rules, signing=signing, policy=policy)


def start(house: House, rules: SignedRules | None) -> None:
    """Start a process with these rules. Raise Unavailable."""
    ctx = under(house, rules)
    announce(ctx)
    house.change(signed_rules=rules, signing=ctx.signing, policy=ctx.policy)


def in_a_new_process(house: House) -> House:
    """Forget what this process has read and written."""
    for memory in (proved_log._KNOWN, proved_log._WRITTEN):
        memory.pop(house.ctx.engine, None)
    return house
