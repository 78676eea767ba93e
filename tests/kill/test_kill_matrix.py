"""The service is killed at every call to AWS that it makes, and whatever is left, the worker ends.

Killed is a real process, with a real settings file, real profiles and a real database, executing over HTTP.
"""

import os
import signal
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from kill.aftermath import assert_no_secret, judge, restart
from kill.matrix import ENGINES, Case, When, every_case, kept, recorded, seed
from kill.processes import PATIENCE_SECONDS, ForkServer, Process, furnish, post
from kill.undertakings import REQUESTER, UNDERTAKINGS, Scene

from service.simulated_aws import SimulatedAws

_ALL = os.environ.get("KILL_MATRIX") == "full"
ROWS = [(engine, case) for engine in ENGINES for case in (every_case() if _ALL else seed(engine))]


class Killing:
    """Waits in AWS for the call of the case, and lets it go on only when the process is dead."""

    def __init__(self, aws: SimulatedAws, case: Case) -> None:
        self.victim: Future[Process] = Future()
        self._case = case
        self._arrived = self._acted = 0
        self._over = threading.Event()
        aws.on(case.action, self._arrive, times=case.ordinal)
        aws.on(case.action, self._act, after=True, times=case.ordinal)

    def _arrive(self) -> None:
        self._arrived += 1
        if self._arrived < self._case.ordinal or self._case.when not in {When.BEFORE, When.LOST}:
            return
        self.victim.result(PATIENCE_SECONDS).kill()
        if self._case.when is When.LOST:
            self._over.set()
            raise ConnectionResetError  # which the server takes for a connection that is gone: AWS never acts

    def _act(self) -> None:
        self._acted += 1
        if self._acted < self._case.ordinal:
            return
        if self._case.when is When.AFTER:
            self.victim.result(PATIENCE_SECONDS).kill()
        self._over.set()

    def wait(self) -> None:
        """Until AWS is done with the call: a dead process does not keep it from acting."""
        assert self._over.wait(PATIENCE_SECONDS), "the call never came"


def kill(scene: Scene, case: Case, forks: ForkServer, folder: Path, database_url: str) -> None:
    """Let a process of its own begin, and end, what the scene is set for."""
    house, undertaking = scene.house, scene.undertaking
    credentials = scene.credentials
    url = furnish(
        folder,
        database_url,
        house.aws,
        drift_checks=undertaking.is_drift_check,
        credentials=credentials,
        more={"organizations.main": {"unlock_resources": True}},
    )
    so_far = len(house.aws.calls)
    token = house.token(REQUESTER)
    killing = Killing(house.aws, case)
    with forks.started(folder, house.clock() if undertaking.by_worker else None) as process:
        killing.victim.set_result(process)
        if undertaking.by_worker:
            process.wait()
        else:
            assert scene.request is not None
            answer = post(f"{url}/v1/requests/{scene.request.filing.request_id}/execution", token, process)
            assert answer is None or answer.is_success, answer.text
            assert (answer is not None) is (case.when is When.ANSWERED)
        killing.wait()
    house.aws.reset_faults()
    assert process.wait() == -signal.SIGKILL
    assert tuple(call.action for call in house.aws.calls[so_far:]) == case.calls


@pytest.mark.parametrize(
    ("database_url", "case"), ROWS, indirect=["database_url"], ids=[f"{engine}-{case}" for engine, case in ROWS]
)
def test_what_a_kill_leaves_the_worker_ends(database_url: str, case: Case, forks: ForkServer, tmp_path: Path) -> None:
    with Scene.of(case.undertaking, database_url) as scene:
        kill(scene, case, forks, tmp_path, database_url)
        restart(scene)
        judge(scene)
        assert_no_secret(scene, tmp_path)


def test_the_kept_calls_are_those_that_the_undertakings_make() -> None:
    assert kept() == recorded(), "PYTHONPATH=tests python -m kill.matrix"


def test_the_seed_meets_every_undertaking_and_every_call_that_acts() -> None:
    sown = {(case.undertaking.name, case.calls) for engine in ENGINES for case in seed(engine)}
    assert {name for name, _ in sown} == {undertaking.name for undertaking in UNDERTAKINGS}
    assert {(case.undertaking.name, case.calls) for case in every_case() if case.acts} <= sown
