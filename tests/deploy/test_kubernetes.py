"""The manifests in `deploy/kubernetes`. No cluster runs them: their schemas and their rules are checked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from support.installation import every_command
from support.products import kubernetes

from service.settings import load

KUBERNETES = Path(__file__).parents[2] / "deploy" / "kubernetes"
MANIFESTS = sorted(file for file in KUBERNETES.glob("*/*.yaml") if file.name != "kustomization.yaml")
RESOURCES = [(file.parent.name, each) for file in MANIFESTS for each in yaml.safe_load_all(file.read_text())]
PODS = {
    each["metadata"]["name"]: each["spec"]["template"] for _, each in RESOURCES if each["kind"] in {"Deployment", "Job"}
}
CONTAINERS = {name: pod["spec"]["containers"][0] for name, pod in PODS.items()}
SETTINGS = KUBERNETES / "common" / "settings.toml"


def of_kind(kind: str) -> Iterator[dict[str, Any]]:
    return (each for _, each in RESOURCES if each["kind"] == kind)


@pytest.fixture
def _schemas() -> None:
    if not kubernetes.are_there():
        pytest.skip("the schemas are missing: make kubernetes")


@pytest.mark.usefixtures("_schemas")
def test_kubernetes_knows_every_field() -> None:
    done = kubernetes.validate(MANIFESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr.count(" passed for resource ") + done.stdout.count(" passed for resource ") == len(RESOURCES)


@pytest.mark.usefixtures("_schemas")
def test_an_unknown_field_would_be_found(tmp_path: Path) -> None:
    manifest = (KUBERNETES / "run" / "serve.yaml").read_text()
    assert "enableServiceLinks" in manifest
    (tmp_path / "serve.yaml").write_text(manifest.replace("enableServiceLinks", "enableServiceLink"))
    assert kubernetes.validate([tmp_path / "serve.yaml"]).returncode != 0


@pytest.mark.parametrize("folder", ["migrate", "run"])
def test_kustomize_puts_everything_together(folder: str) -> None:
    built = kubernetes.kustomize(KUBERNETES / folder)
    if built is None:
        pytest.skip("there is no kubectl on this machine")
    found = list(yaml.safe_load_all(built))
    written = {each["metadata"]["name"] for place, each in RESOURCES if place in {folder, "common"}}
    names = {each["metadata"]["name"] for each in found}
    assert {each["metadata"]["namespace"] for each in found} == {"rootquorum"}
    assert written <= names
    for pod in (each["spec"]["template"]["spec"] for each in found if each["kind"] in {"Deployment", "Job"}):
        assert "@sha256:" in pod["containers"][0]["image"]
        assert {volume["configMap"]["name"] for volume in pod["volumes"]} <= names


@pytest.mark.parametrize("name", ["migrate", "serve", "worker"])
def test_a_pod_may_do_nothing_but_its_work(name: str) -> None:
    pod, container = PODS[name]["spec"], CONTAINERS[name]
    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & {*pod}


def test_pods_run_commands_that_exist() -> None:
    commands = {" ".join(path): command for path, command in every_command() if path}
    assert {name: container["args"][0] for name, container in CONTAINERS.items()} == {name: name for name in PODS}
    for container in CONTAINERS.values():
        name, *more = container["args"]
        known = {option for each in commands[name].params for option in (*each.opts, *each.secondary_opts)}
        assert {option for option in more if option.startswith("--")} <= known


def test_passwords_come_from_secrets_and_the_owner_s_reaches_only_the_migration() -> None:
    def secrets_of(container: dict[str, Any]) -> dict[str, str]:
        return {
            each["name"]: each["valueFrom"]["secretKeyRef"]["name"] for each in container["env"] if "valueFrom" in each
        }

    assert {name: secrets_of(container) for name, container in CONTAINERS.items()} == {
        "migrate": {"PGPASSWORD": "database-owner"},
        "serve": {"PGPASSWORD": "database"},
        "worker": {"PGPASSWORD": "database"},
    }


def test_only_pods_that_call_aws_get_the_role() -> None:
    (account,) = of_kind("ServiceAccount")
    assert "eks.amazonaws.com/role-arn" in account["metadata"]["annotations"]
    accounts = {name: pod["spec"].get("serviceAccountName") for name, pod in PODS.items()}
    assert accounts == {"migrate": None, "serve": account["metadata"]["name"], "worker": account["metadata"]["name"]}


def test_a_restart_waits_for_the_longest_execution_and_liveness_asks_no_database() -> None:
    for name in ("serve", "worker"):
        assert PODS[name]["spec"]["terminationGracePeriodSeconds"] >= 860
    probes = {kind: CONTAINERS["serve"][kind]["httpGet"]["path"] for kind in CONTAINERS["serve"] if "Probe" in kind}
    assert probes == {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}


def test_every_selector_selects_pods() -> None:
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    selectors = [each["spec"]["selector"]["matchLabels"] for each in of_kind("PodDisruptionBudget")]
    selectors += [each["spec"]["selector"] for each in of_kind("Service")]
    assert len(selectors) == 3
    assert [sum(selector.items() <= each.items() for each in labels) for selector in selectors] == [1, 1, 1]
    (policy,) = of_kind("NetworkPolicy")
    assert all(policy["spec"]["podSelector"]["matchLabels"].items() <= each.items() for each in labels)
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


def test_the_network_hides_the_node_s_credentials() -> None:
    (policy,) = of_kind("NetworkPolicy")
    blocks = [to["ipBlock"] for rule in policy["spec"]["egress"] for to in rule["to"] if "ipBlock" in to]
    hidden = {block["cidr"]: block["except"] for block in blocks if block["cidr"].endswith("/0")}
    assert "169.254.0.0/16" in hidden["0.0.0.0/0"]
    assert "fd00:ec2::/32" in hidden["::/0"]


def test_the_settings_of_the_example_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = (KUBERNETES / "common" / "aws-config").read_text()
    token = tmp_path / "token"
    token.write_text("token")
    mounted = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    assert mounted in profiles
    (tmp_path / "aws").write_text(profiles.replace(mounted, str(token)))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    settings = load(SETTINGS)
    ports = {each["name"]: each["containerPort"] for each in CONTAINERS["serve"]["ports"]}
    assert ports["metrics"] == settings.metrics.port
    assert settings.organizations["main"].profile == "root-access"
    (of_owner,) = (each["value"] for each in CONTAINERS["migrate"]["env"] if "value" in each)
    assert of_owner == settings.database.url.replace("rootquorum@", "rootquorum_owner@")
