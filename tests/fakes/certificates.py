"""A private certificate authority and what it issues, made by the `openssl` command."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.installed import installed

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
CA = """\
[ca]
default_ca = private
[private]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
default_md = sha256
unique_subject = no
policy = any
[any]
commonName = supplied
"""


@dataclass(frozen=True)
class Certificate:
    """A chain of one, and its key."""

    chain: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


class Authority:
    """`ca_file` is what has to be believed. Skips the test where there is no `openssl`."""

    def __init__(self, folder: Path) -> None:
        installed("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.ca_file = folder, folder / "ca.pem"
        (folder / "ca.cnf").write_text(CA)
        (folder / "index.txt").touch()
        self._openssl(
            "req", "-x509", *KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", "-subj", "/CN=Private"
        )

    def issue(self, host: str, *, expired: bool = False) -> Certificate:
        """A certificate for a name or an IPv4 address."""
        name = f"{host}-{expired}"
        kind = "IP" if host[0].isdigit() else "DNS"
        (self._folder / f"{name}.ext").write_text(f"subjectAltName={kind}:{host}\nextendedKeyUsage=serverAuth\n")
        until = "20200201000000Z" if expired else "20990101000000Z"
        self._openssl("req", "-new", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}")
        self._openssl(
            *("ca", "-batch", "-config", "ca.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem", "-notext"),
            *("-startdate", "20200101000000Z", "-enddate", until, "-extfile", f"{name}.ext"),
        )
        return Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self._folder, check=True, capture_output=True, timeout=300)
