"""Runs the benchmarks that have goals, prints one table, and records it with all rounds as JSON.

[QUICK=1] PYTHONPATH=tests python bench/run.py [--json FILE]
"""

from itertools import chain

import floor
import growth
import lifecycles
import peer
import verification
from measure import finish

BENCHES = (floor, lifecycles, peer, growth, verification)

if __name__ == "__main__":
    finish(chain.from_iterable(bench.rows() for bench in BENCHES))
