"""compose.yaml without Docker: every service is hardened, the pieces find each other, the gateway takes its file."""

from __future__ import annotations

import asyncio
import copy
import ipaddress
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from yarl import URL

from gateway.cli.emulate import emulate
from gateway.config.load import Loaded, resolve
from gateway.config.schema import Config
from gateway.domain.hosts import PrivateHosts
from gateway.emulator.server import Emulator
from gateway.platforms.bfl.settings import BflSettings
from tests.operations.compose import FOLDER, LIMITS, REQUIRED, complaints, document, filled, holes
from tests.operations.dockerfile import WRITTEN as DOCKERFILE
from tests.operations.dockerfile import variables
from tests.operations.prometheus import scrape_settings
from tests.operations.promtool import ROOT

SERVICES: dict[str, dict[str, Any]] = document()["services"]
GIB = 1024**3
EXAMPLE = (FOLDER / "env.example").read_text()


def example() -> dict[str, str]:
    """What env.example sets."""
    return dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, re.MULTILINE))


def configured(**more: str) -> Loaded[Config]:
    """The gateway's configuration as its container would read it."""
    environ = variables(DOCKERFILE.read_text()) | {
        name: filled(value, example() | more) for name, value in SERVICES["gateway"]["environment"].items()
    }
    return resolve(Config, FOLDER / "etc/gateway.yaml", environ)


def test_every_service_is_hardened() -> None:
    """Nothing to complain about."""
    assert complaints(document()) == set()


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("key", [*REQUIRED, *LIMITS, "user", "tmpfs", "healthcheck"])
def test_each_rule_can_be_broken(service: str, key: str) -> None:
    """Without the key the complaint is about that key of that service."""
    told = copy.deepcopy(document())
    del told["services"][service][key]
    assert {" ".join(complaint.split()[:2]) for complaint in complaints(told)} == {f"{service} {key}"}


@pytest.mark.parametrize(
    ("key", "value", "about"),
    [
        ("image", "image-gateway", "gateway image"),
        ("image", "image-gateway:latest", "gateway image"),
        ("user", "0:0", "gateway user"),
        ("tmpfs", ["/tmp"], "gateway tmpfs"),
        ("healthcheck", {"test": "curl http://127.0.0.1:8081/healthz"}, "gateway healthcheck"),
        ("cap_add", ["NET_ADMIN"], "gateway privileged,"),
        ("networks", ["elsewhere"], "gateway networks"),
        ("volumes", ["./etc:/etc/image-gateway"], "gateway volumes"),
        ("volumes", ["./nowhere:/etc/image-gateway:ro"], "gateway volumes"),
        ("volumes", ["unnamed:/var/lib/image-gateway"], "gateway volumes"),
        ("ports", ["8080:8080"], "8080:8080 is"),
    ],
)
def test_what_is_wrong_is_seen(key: str, value: Any, about: str) -> None:
    """Other values than those that are allowed are complained about."""
    told = copy.deepcopy(document())
    told["services"]["gateway"][key] = value
    assert {" ".join(complaint.split()[:2]) for complaint in complaints(told)} == {about}


def test_the_admin_listener_is_not_published() -> None:
    """Clients' port is the only one of the gateway's that is; Prometheus shares a network without a way out with it."""
    assert [port.rsplit(":", 1)[1] for port in SERVICES["gateway"]["ports"]] == ["8080"]
    shared = set(SERVICES["gateway"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert shared == {"watch"}
    assert document()["networks"]["watch"]["internal"] is True
    assert not set(SERVICES["gateway"]["networks"]) & set(SERVICES["grafana"]["networks"])


def test_prometheus_finds_the_gateway() -> None:
    """By the service's name, at the port of its admin listener, with the rules in the folder that is mounted."""
    job = next(job for job in scrape_settings()["scrape_configs"] if job["job_name"] == "gateway")
    assert job["static_configs"] == [{"targets": [f"gateway:{configured().config.admin.port}"]}]
    assert "../prometheus:/etc/prometheus:ro" in SERVICES["prometheus"]["volumes"]
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    """The data source's name and port are the service's; the provider's folder is mounted."""
    folder = ROOT / "config/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/gateway.yml").read_text())["providers"]
    mounted = {inside: outside for outside, inside, _ in (v.split(":") for v in SERVICES["grafana"]["volumes"][:2])}
    assert URL(source["url"]).host in SERVICES
    assert set(SERVICES["grafana"]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert mounted[provider["options"]["path"]] == "../grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "../grafana/provisioning"


def test_the_gateway_takes_its_file() -> None:
    """The real BFL, listening for others, with keys, and a grace that is longer than the drain."""
    loaded = configured()
    config = loaded.config
    assert config.platforms["bfl"].base_url == "https://api.bfl.ai"
    assert config.listen.host == config.admin.host == "0.0.0.0"
    assert [key.id for key in config.auth.keys] == ["forward-1"]
    assert str(config.state_dir) in {volume.split(":")[1] for volume in SERVICES["gateway"]["volumes"]}
    assert float(SERVICES["gateway"]["stop_grace_period"].removesuffix("s")) > config.jobs.drain + 10
    limit = GIB * int(SERVICES["gateway"]["mem_limit"].removesuffix("g"))
    assert 2 * config.memory.budget + config.imaging.workers * config.imaging.memory // 2 <= limit
    assert not loaded.ignored


async def test_the_gateway_takes_the_emulator() -> None:
    """Over plain http to the three ports that it listens on, by the name under which it mints addresses."""
    config = configured(BFL_BASE_URL="http://emulator:9090").config
    bfl = config.platforms["bfl"]
    assert isinstance(bfl, BflSettings)
    context = emulate.make_context("emulate", list(SERVICES["emulator"]["command"][1:]))
    assert context.params["host"] == "0.0.0.0"
    hosts = PrivateHosts.of(bfl.base_url, bfl.insecure_hosts)
    for port in range(context.params["port"], context.params["port"] + 3):
        assert hosts.allows(URL(f"http://{context.params['public_host']}:{port}/"))
    assert context.params["public_host"] in SERVICES
    assert set(SERVICES["gateway"]["networks"]) & set(SERVICES["emulator"]["networks"])
    assert SERVICES["gateway"]["depends_on"]["emulator"]["required"] is False
    assert SERVICES["emulator"]["profiles"] == ["emulator"]


async def test_the_emulators_health_check_works(bfl: Emulator) -> None:
    """0 while it answers, 1 otherwise."""
    _, program, *arguments = SERVICES["emulator"]["healthcheck"]["test"]
    assert program == "python"
    for port, code in ((URL(bfl.api_url).port, 0), (9, 1)):
        words = [argument.replace("9090", str(port)) for argument in arguments]
        done = await asyncio.to_thread(subprocess.run, [sys.executable, *words], stderr=subprocess.DEVNULL, timeout=300)
        assert done.returncode == code


def test_the_gateways_health_check_is_the_images() -> None:
    """Compose says it again for its own intervals; the path and the listener are the same."""
    said = SERVICES["gateway"]["healthcheck"]["test"][3]
    assert said.replace("8081", "int(os.environ['GATEWAY_ADMIN_PORT'])").replace(
        "http.client;", "http.client, os;"
    ) in (DOCKERFILE.read_text())


def test_the_trusted_proxy_is_the_host() -> None:
    """As the gateway's container sees it: the address that compose gives the host in the network of the clients."""
    (range_,) = document()["networks"]["outside"]["ipam"]["config"]
    (trusted,) = configured().config.clients.trusted_proxies
    assert trusted == f"{range_['gateway']}/32"
    assert ipaddress.ip_address(range_["gateway"]) in ipaddress.ip_network(range_["subnet"])


def test_the_example_names_every_variable() -> None:
    """What has to be set is set, what may be set stands there as a comment; without one that has to, it says which."""
    named = set(re.findall(r"^#? ?(\w+)=", EXAMPLE, re.MULTILINE))
    assert named == set(holes())
    assert set(example()) == {name for name, required in holes().items() if required}
    with pytest.raises(KeyError, match="FORWARD_KEY"):
        filled(SERVICES["gateway"]["environment"]["FORWARD_KEY"], {})
    assert "/config/deploy/.env\n" in (ROOT / ".gitignore").read_text()
