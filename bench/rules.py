"""How long it takes to work out which rules apply to one request, by the number of rules.

`python bench/rules.py`. The accounts are 5,000, each asked for in turn; a third of the rules select by ids, a third by
patterns of names, a third by tags. The ratio is to a tenth of the rules in the same run.
"""

import time
from statistics import median

from service.domain.demands import Demand
from service.domain.operation import OperationName
from service.domain.policy import Policy
from service.domain.rules import Placement, Rule, Rules

ACCOUNTS = 5_000
ROUNDS = 5


def account_id(number: int) -> str:
    return f"{number:012}"


def rules(count: int) -> Rules:
    return Rules([rule(number) for number in range(count)])


def rule(number: int) -> Rule:
    demand = Demand(rule=f"rule {number}", approvals={f"group-{number % 20}": 1})
    match number % 3:
        case 0:
            return Rule(demand=demand, accounts=frozenset(map(account_id, range(number, number + 50))))
        case 1:
            return Rule(demand=demand, names=(f"team-{number}-*", f"*-{number}"))
        case _:
            return Rule(demand=demand, tags={"team": frozenset({str(number)})})


def milliseconds(of: Rules) -> float:
    """Return the processor time of one request: which rules apply, and the policy that comes of them."""
    policy = Policy()
    began = time.process_time()
    for number in range(0, ACCOUNTS, 10):
        placement = Placement(name=f"team-{number}-prod", tags={"team": str(number), "env": "prod"})
        matching = of.matching(account_id(number), placement, OperationName.CREATE_ACCESS_KEY)
        policy.under(rule.demand for rule in matching)
    return (time.process_time() - began) * 1000 / (ACCOUNTS / 10)


def main() -> None:
    for count in (10, 100, 1_000):
        some, tenth = rules(count), rules(count // 10)
        rounds = [(milliseconds(some), milliseconds(tenth)) for _ in range(ROUNDS)]
        ours = median(each for each, _ in rounds)
        ratio = median(each / less for each, less in rounds)
        print(f"{count:>5} rules: {ours:.3f} ms a request, {ratio:.1f} times a tenth of them")


if __name__ == "__main__":
    main()
