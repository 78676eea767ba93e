"""What the page says where the provider's access token is one that nobody else can read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import Arrive, serving_at
from support.builders import ACCOUNT
from support.issuer import Issuer, issuing


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, issuer: Issuer) -> Iterator[str]:
    (tmp_path / "rootquorum.toml").write_text(
        f'[database]\nurl = "sqlite:///{tmp_path}/rootquorum.db"\n[aws]\nsimulated = true\n'
        f'[accounts.{ACCOUNT}]\nname = "production"\n'
        f'[issuers.corp]\nurl = "{issuer.url}"\naudience = ["rootquorum"]\nclient_id = "rootquorum"\n'
        '[[issuers.corp.grants]]\ngroup = "root-approvers"\nroles = ["approver"]\n'
    )
    with serving_at(tmp_path) as origin:
        yield origin


def test_page_says_what_to_set_for_a_token_that_is_opaque(arrive: Arrive, issuer: Issuer) -> None:
    issuer.token = lambda: {"access_token": "2YotnFZFEjr1zCsicMWpAA", "token_type": "Bearer"}
    ann = arrive("ann")
    said = ann.ui.sign_in_in_vain("corp")
    assert "authorization_parameters (audience or resource" in said
    assert "2YotnFZFEjr1zCsicMWpAA" not in ann.page.content()
