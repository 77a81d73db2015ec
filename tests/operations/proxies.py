"""The samples for TLS proxies of config/deploy, run as they are but for names, ports and certificates."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.fakes.certificates import Authority, Certificate
from tests.fakes.installed import installed
from tests.operations.promtool import ROOT

DEPLOY = ROOT / "config/deploy"
NAMES = ("nginx", "caddy")
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Front:
    """A running proxy. `url` is where clients come in; `trust` believes its certificate."""

    name: str
    url: str
    ca_file: Path
    version: tuple[int, ...]

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    @property
    def tells_cuts(self) -> bool:
        """What the Caddyfile says of its versions."""
        return self.name != "caddy" or self.version >= (2, 7)


@asynccontextmanager
async def proxy(name: str, upstream: str, folder: Path) -> AsyncIterator[Front]:
    """nginx or Caddy by its sample, in front of what listens at the URL `upstream`."""
    folder.mkdir()
    authority = Authority(folder / "authority")
    certificate, port = authority.issue("localhost"), _free_port()
    write = {"nginx": _nginx, "caddy": _caddy}[name]
    command = write(folder, urlsplit(upstream).netloc, port, certificate)
    told = subprocess.run([command[0], "-v" if name == "nginx" else "version"], capture_output=True, text=True)
    version = re.search(r"(\d+)\.(\d+)", told.stdout + told.stderr)
    assert version is not None
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(folder), "XDG_DATA_HOME": str(folder)},
        )
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await _listens(port):
                assert process.poll() is None, (folder / "log").read_text()
                await asyncio.sleep(0.02)
        yield Front(name, f"https://localhost:{port}", authority.ca_file, tuple(map(int, version.groups())))
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _nginx(folder: Path, upstream: str, port: int, certificate: Certificate) -> list[str]:
    sample = _filled(
        (DEPLOY / "nginx.conf").read_text(),
        {
            "127.0.0.1:8080;": f"{upstream};",
            "listen 443": f"listen 127.0.0.1:{port}",
            "images.example.com;": "localhost;",
            "/etc/ssl/images.example.com.pem": str(certificate.chain),
            "/etc/ssl/private/images.example.com.key": str(certificate.key),
        },
    )
    temporary = "".join(
        f"{what}_temp_path {folder}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # A worker of another user could not look into the test's folder.
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log stderr info;\nevents {{ }}\n"
        f"http {{\naccess_log off;\n{temporary}{sample}\n}}\n"
    )
    return [installed("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]


def _caddy(folder: Path, upstream: str, port: int, certificate: Certificate) -> list[str]:
    site = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate.chain} {certificate.key}"
    sample = _filled(
        (DEPLOY / "Caddyfile").read_text(), {"\nimages.example.com {": f"\n{site}", " 127.0.0.1:8080 ": f" {upstream} "}
    )
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n}}\n{sample}")
    return [installed("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _filled(sample: str, changes: dict[str, str]) -> str:
    """With what is the test's own instead of the sample's; each stands there once, outside of comments."""
    for old, new in changes.items():
        assert sum(old.strip() in line for line in _settings(sample)) == 1, old
        head, _, tail = sample.rpartition(old)
        sample = head + new + tail
    return sample


def _settings(sample: str) -> Iterator[str]:
    return (line for line in sample.splitlines() if not line.lstrip().startswith("#"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
