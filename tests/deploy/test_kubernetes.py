"""The manifests fit Kubernetes' own schemas, and what they say of the product is so."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from config.settings import Settings, read_settings, variable
from tests.deploy.manifests import DEPLOY, KUSTOMIZATION, RESOURCES, container, labels, pod, the
from transport.rest.table import ROUTES

KUBERNETES = "1.37"
SETTINGS = {variable(name) for name in Settings.model_fields} | {"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"}
MAPPED: dict[str, str] = the("ConfigMap", "settings")["data"]
PATHS = {route.path for route in ROUTES}
WORKLOADS = ("node", "gateway")


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_a_resource_fits_its_schema(resource: dict[str, Any]) -> None:
    kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_a_resource_that_does_not_fit_is_found() -> None:
    wrong = {**the("PodDisruptionBudget", "node"), "spec": {"maxUnavailble": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_all_manifests_are_applied_and_all_are_in_their_namespace() -> None:
    assert {f"kubernetes/{path.name}" for path in (DEPLOY / "kubernetes").glob("*.yaml")} == set(
        KUSTOMIZATION["resources"]
    )
    spaces = {one["metadata"].get("namespace") for one in RESOURCES if one["kind"] != "Namespace"}
    assert spaces == {KUSTOMIZATION["namespace"]} == {the("Namespace", "lifebuddy")["metadata"]["name"]}


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_variable_is_a_setting() -> None:
    own = {one["name"]: one for one in container("node")["env"]}
    assert set(MAPPED) | set(own) <= SETTINGS
    assert not set(MAPPED) & set(own)
    for name, one in own.items():
        assert one["valueFrom"]["secretKeyRef"]["key"] == name, "a secret stands under its setting's name"
    assert container("node")["envFrom"] == [{"configMapRef": {"name": "settings"}}]


def test_production_takes_these_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With what the Secrets hold; a server that refused them would never get ready."""
    secret = {
        "LIFEBUDDY_MONGO_URL": "mongodb://node:7rT2qkW9@mongo.data:27017/?replicaSet=rs0",
        "LIFEBUDDY_REDIS_URL": "redis://:7rT2qkW9@redis.data:6379/0",
        "LIFEBUDDY_SMTP_URL": "smtp://node:7rT2qkW9@mail.data:587",
    }
    key = tmp_path / "master-key"
    key.write_text("0123456789abcdef" * 4)
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**MAPPED, **secret, "LIFEBUDDY_MASTER_KEY_FILE": str(key)}.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.profile == "production"
    assert settings.port == container("node")["ports"][0]["containerPort"]


def test_a_secret_is_required_where_the_server_does_not_start_without_it() -> None:
    optional = {
        one["name"]: one["valueFrom"]["secretKeyRef"].get("optional", False) for one in container("node")["env"]
    }
    assert {name for name, may in optional.items() if not may} == {"LIFEBUDDY_MONGO_URL", "LIFEBUDDY_REDIS_URL"}
    volumes = {one["name"]: one for one in pod("node")["volumes"]}
    assert not volumes["master-key"]["secret"].get("optional")
    assert not volumes["signing-keys"]["secret"].get("optional")


def test_files_that_settings_name_are_mounted() -> None:
    mounts = {one["mountPath"]: one["name"] for one in container("node")["volumeMounts"]}
    assert mounts[MAPPED["LIFEBUDDY_SIGNING_KEYS"]] == "signing-keys"
    assert mounts[MAPPED["LIFEBUDDY_WRAPPING_KEYS"]] == "wrapping-keys"
    assert mounts[str(Path(MAPPED["LIFEBUDDY_MASTER_KEY_FILE"]).parent)] == "master-key"
    assert MAPPED["LIFEBUDDY_DATA"].startswith("/tmp/")  # noqa: S108 - the volume's own
    assert mounts["/tmp"] == "tmp"  # noqa: S108 - the one place that may be written


# ── life and death ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_probes_ask_routes_that_exist_at_the_port_that_listens() -> None:
    node = container("node")
    asked = {name: node[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {one["path"] for one in asked.values()} <= PATHS
    assert {one["port"] for one in asked.values()} == {node["ports"][0]["name"]}
    assert asked["liveness"]["path"] == "/healthz", "a database that is away restarts no node"
    assert asked["readiness"]["path"] == "/readyz"


def test_a_node_has_the_time_it_needs_to_end() -> None:
    told = container("node")["lifecycle"]["preStop"]["sleep"]["seconds"]
    readiness = container("node")["readinessProbe"]
    unready = readiness["periodSeconds"] * readiness["failureThreshold"]
    drain = float(MAPPED["LIFEBUDDY_DRAIN_SECONDS"])
    assert told > unready, "whoever balances has heard of it"
    assert drain >= 25
    assert pod("node")["terminationGracePeriodSeconds"] >= told + drain + 10


def test_a_roll_out_takes_no_node_before_the_next_is_ready() -> None:
    for name in WORKLOADS:
        rolling = the("Deployment", name)["spec"]["strategy"]["rollingUpdate"]
        assert rolling["maxUnavailable"] == 0
        assert rolling["maxSurge"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_budget_service_and_spread_select_the_deployment(name: str) -> None:
    chosen = the("Deployment", name)["spec"]["selector"]["matchLabels"]
    assert chosen.items() <= labels(name).items()
    assert the("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == chosen
    assert the("PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1
    service = the("Service", "nodes" if name == "node" else name)["spec"]
    assert service["selector"] == chosen
    ports = {one["name"] for one in container(name)["ports"]}
    assert {one["targetPort"] for one in service["ports"]} <= ports
    spread = pod(name)["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} >= {"topology.kubernetes.io/zone"}
    assert all(one["labelSelector"]["matchLabels"] == chosen for one in spread)


def test_the_autoscaler_scales_the_nodes() -> None:
    scaler = the("HorizontalPodAutoscaler", "node")["spec"]
    scaled = the(scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"])
    assert scaled["apiVersion"] == scaler["scaleTargetRef"]["apiVersion"]
    assert "replicas" not in scaled["spec"], "it would undo what the autoscaler said, at each apply"
    assert scaler["minReplicas"] >= 3
    by = {one["pods"]["metric"]["name"] for one in scaler["metrics"] if one["type"] == "Pods"}
    assert by == {"loop_lag_seconds", "actors_awake"}


def test_a_worker_is_the_image_with_another_command_and_has_what_it_needs_of_a_node_s() -> None:
    worker, node = container("worker"), container("node")
    module = worker["command"][-1].replace(".", "/") + ".py"
    assert (worker["image"], worker["command"][:2]) == (node["image"], ["python", "-m"])
    assert module in (DEPLOY / "Dockerfile").read_text()
    assert worker["envFrom"] == node["envFrom"]
    assert {one["name"] for one in worker["env"]} <= {one["name"] for one in node["env"]}
    mounts = {one["mountPath"]: one["name"] for one in worker["volumeMounts"]}
    assert mounts.items() <= {one["mountPath"]: one["name"] for one in node["volumeMounts"]}.items()
    assert str(Path(MAPPED["LIFEBUDDY_MASTER_KEY_FILE"]).parent) in mounts
    assert pod("worker")["securityContext"] == pod("node")["securityContext"]
    assert worker["securityContext"] == node["securityContext"]
    assert MAPPED["LIFEBUDDY_JOBS_PORT"] == str(worker["ports"][0]["containerPort"])
    for kind in ("startup", "liveness"):
        assert worker[f"{kind}Probe"]["httpGet"] == {"path": "/healthz", "port": worker["ports"][0]["name"]}
    (entry,) = policy("worker-from")["ingress"]
    assert entry["from"] == [policy("node-from")["ingress"][0]["from"][1]], "Prometheus alone"
    assert [one["port"] for one in entry["ports"]] == [worker["ports"][0]["name"]]
    stores, world = policy("worker-to")["egress"]
    assert stores == policy("node-to")["egress"][0]
    assert [one["port"] for one in world["ports"]] == [443]


@pytest.mark.parametrize("name", [*WORKLOADS, "worker"])
def test_prometheus_finds_a_pod_by_its_annotations_and_by_its_port(name: str) -> None:
    told = the("Deployment", name)["spec"]["template"]["metadata"]["annotations"]
    ports = {str(one["containerPort"]): one["name"] for one in container(name)["ports"]}
    assert (told["prometheus.io/scrape"], told["prometheus.io/path"]) == ("true", "/metrics")
    port = ports[told["prometheus.io/port"]]
    asked = (DEPLOY / "prometheus.yaml").read_text()
    assert f"[__meta_kubernetes_pod_container_port_name], regex: {port}," in asked


# ── what it may ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_pod_may_nothing_it_does_not_need(name: str) -> None:
    whole, own = pod(name)["securityContext"], container(name)["securityContext"]
    assert whole["runAsNonRoot"]
    assert whole["runAsUser"] > 0
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(name)["automountServiceAccountToken"] is False
    resources = container(name)["resources"]
    assert {"cpu", "memory"} <= resources["requests"].keys()
    assert "memory" in resources["limits"]


def policy(name: str) -> dict[str, Any]:
    found: dict[str, Any] = the("NetworkPolicy", name)["spec"]
    return found


def test_nothing_goes_in_or_out_unless_it_is_said() -> None:
    assert policy("nothing") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_gateway_and_prometheus_reach_a_node() -> None:
    (entry,) = policy("node-from")["ingress"]
    gateway, prometheus = entry["from"]
    assert gateway["podSelector"]["matchLabels"].items() <= labels("gateway").items()
    assert "namespaceSelector" not in gateway
    assert prometheus["namespaceSelector"]["matchLabels"]
    assert prometheus["podSelector"]["matchLabels"]
    assert [one["port"] for one in entry["ports"]] == ["http"]
    assert policy("node-from")["podSelector"]["matchLabels"].items() <= labels("node").items()


def test_a_node_reaches_its_stores_and_the_world_but_nothing_else_inside() -> None:
    stores, world, collector = policy("node-to")["egress"]
    assert {one["port"] for one in stores["ports"]} == {27017, 6379}
    assert {one["port"] for one in world["ports"]} == {443, 465, 587}
    assert [one["port"] for one in collector["ports"]] == [4318]
    (block,) = world["to"]
    assert "169.254.0.0/16" in block["ipBlock"]["except"], "a machine's metadata and its role"
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(block["ipBlock"]["except"])
    for name in WORKLOADS:
        assert "Egress" in policy("nothing")["policyTypes"]
        assert policy("names")["podSelector"] == {}, name


def test_the_gateway_reaches_nodes_alone() -> None:
    (only,) = policy("gateway")["egress"]
    (whom,) = only["to"]
    assert whom["podSelector"]["matchLabels"].items() <= labels("node").items()


def test_the_gateway_runs_the_file_that_is_tried() -> None:
    (made,) = KUSTOMIZATION["configMapGenerator"]
    assert (made["name"], made["files"]) == ("gateway", ["balancer/haproxy.cfg"])
    volumes = {one["name"]: one for one in pod("gateway")["volumes"]}
    assert volumes["configuration"]["configMap"] == {"name": made["name"]}
    service = the("Service", "nodes")
    given = {one["name"]: one["value"] for one in container("gateway")["env"]}
    space = service["metadata"]["namespace"]
    assert given["NODES"] == f"{service['metadata']['name']}.{space}.svc.cluster.local"
    assert service["spec"]["clusterIP"] == "None", "each node is seen"
    configured = (DEPLOY / "balancer" / "haproxy.cfg").read_text()
    for name in given:
        assert f"{name}" in configured
    mounts = {one["mountPath"] for one in container("gateway")["volumeMounts"]}
    assert str(Path(given["CERTIFICATE"]).parent) in mounts
    most = the("HorizontalPodAutoscaler", "node")["spec"]["maxReplicas"]
    assert f"node 1-{128} " in configured
    assert most < 128, "with those that come before others go"
