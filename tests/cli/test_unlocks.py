"""Unlocking from a terminal: what is asked for, and a policy that anybody may have written."""

import json
from pathlib import Path

import pytest
from support.installation import commanded, serving

from service.cli.common import print_rows
from service.cli.terminal import policy_rows
from service.cli.waiting import free_port

MEMBER = "444455556666"
HOSTILE = '{\x1b[2J\u202e\n"a": 1}\nWARNING  none\r' + "x" * 20_000


def test_a_policy_stays_in_its_column_and_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(policy_rows("eu-central-1", HOSTILE, "ab" * 32))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b[2J\\u202e" in shown
    named = [line.split("  ")[0] for line in shown.splitlines() if not line.startswith(" ")]
    assert named == ["resource in", "policy SHA-256", "policy"]
    assert shown.count("x") >= 20_000


def test_a_locked_bucket_and_queue_are_asked_for_and_shown_with_their_policy(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n[aws]\nsimulated = true\n'
        "[policy]\ndecision_requires_auth_time = false\n"
        "[organizations.main]\nunlock_resources = true\n"
        f'[accounts.{MEMBER}]\nname = "sandbox"\norganization = "main"\n'
        '[people.alice]\nname = "Alice"\nroles = ["requester"]\n'
        + "".join(f'[people.{name}]\nname = "{name}"\nroles = ["approver"]\n' for name in ("bob", "carol"))
    )
    options = "--server", f"http://127.0.0.1:{port}", "--token-file", "alice.token"
    with serving(tmp_path, port, "--migrate"):
        (tmp_path / "alice.token").write_text(commanded(tmp_path, "token", "create", "alice").stdout)
        for command, target in {
            "unlock-bucket": f"locked-{MEMBER}",
            "unlock-queue": f"arn:aws:sqs:eu-central-1:{MEMBER}:locked",
        }.items():
            filed = commanded(
                tmp_path, "request", command, MEMBER, target, "--reason", "It denies everybody, us included.", *options
            )
            assert filed.returncode == 0, filed.stderr
            shown = commanded(tmp_path, "show", filed.stdout.strip(), "--json", *options)
            found = json.loads(shown.stdout)["observed"]["resource"]
            assert (found["region"], '"Deny"' in found["policy"]) == ("eu-central-1", True)
            screen = commanded(tmp_path, "show", filed.stdout.strip(), *options).stdout
            assert found["policy_sha256"] in "".join(screen.split())
            assert f"target {target}" in " ".join(screen.split())
