"""`gateway emulate` prints where it listens, answers, and stops when told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from click.testing import CliRunner

from gateway.cli.emulate import emulate
from gateway.emulator.fault_table import FAULTS

RUN = [sys.executable, "-c", "from gateway.cli.emulate import emulate; emulate()", "--port", "0"]


def test_faults_are_listed() -> None:
    """Every name of the table, each on its line."""
    result = CliRunner().invoke(emulate, ["--faults"])
    assert result.exit_code == 0
    assert set(FAULTS) <= {line.split(" ")[0] for line in result.output.splitlines()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_a_signal(number: signal.Signals) -> None:
    """Three URLs, an answer, then a quiet end with exit code 0."""
    with subprocess.Popen([*RUN, "--speed", "100"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert [line.split()[0] for line in lines] == ["submit", "polling", "delivery", "counts"]
        with urllib.request.urlopen(lines[3].split()[1]) as response:
            assert json.load(response)["accepted"] == 0
        process.send_signal(number)
        assert process.wait(300) == 0


def test_a_taken_port_is_told() -> None:
    """One line and exit code 1, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1] - 2)
        result = CliRunner().invoke(emulate, ["--port", port])
    assert result.exit_code == 1
    assert "cannot listen" in result.output


def test_bench_answers_a_canned_picture() -> None:
    """On the loop the command uses: submit, poll, download, the asked number of bytes."""
    with subprocess.Popen([*RUN, "--bench", "--bench-bytes", "2000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        submit_url = process.stdout.readline().split()[1]
        with urllib.request.urlopen(submit_url, data=b'{"prompt":"a"}') as response:
            polling_url = json.load(response)["polling_url"]
        with urllib.request.urlopen(polling_url) as response:
            sample = json.load(response)["result"]["sample"]
        with urllib.request.urlopen(sample) as response:
            assert len(response.read()) == 2000
        process.terminate()
        assert process.wait(300) == 0


def test_models_can_be_gated() -> None:
    """No key has access to one, and any to the others."""
    command, told = [*RUN, "--speed", "100", "--gated", "flux-2-max"], {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[1].rpartition("/")[0]
        for model in ("flux-2-max", "flux-2-pro"):
            headers = {"x-key": "any-key-at-all", "Content-Type": "application/json"}
            request = urllib.request.Request(f"{url}/{model}", b'{"prompt": "a"}', headers)
            try:
                with urllib.request.urlopen(request) as response:
                    told[model] = response.status
            except urllib.error.HTTPError as refusal:
                told[model] = refusal.code
        process.send_signal(signal.SIGTERM)
    assert told == {"flux-2-max": 403, "flux-2-pro": 200}
