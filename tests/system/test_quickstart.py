"""The README's first command, on the programs that were built for the tests."""

import os
import re
import subprocess

import pytest
from towline import BIN, SOURCE


def quickstart(*argv, timeout=300):
    return subprocess.run([SOURCE / "packaging/quickstart", "--bin-dir", BIN, *argv], text=True,
                          capture_output=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False)


def read_env(path):
    script = f'set -a; . "{path}"; env -0'
    out = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    return dict(row.split("=", 1) for row in out.decode().split("\0") if "=" in row)


def test_check_passes_and_leaves_nothing_behind(place):
    done = subprocess.run([SOURCE / "packaging/quickstart", "--bin-dir", BIN, "--check"], text=True,
                          capture_output=True, timeout=300, env={**os.environ, "TMPDIR": str(place)}, check=False)
    assert re.search(r"^\d+ passed, 0 failed$", done.stdout, re.M), done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0
    assert list(place.iterdir()) == []


def test_detached_demo_serves_any_client_and_stops(place):
    demo = place / "demo"
    done = quickstart("--detach", str(demo))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    try:
        env = read_env(demo / "demo.env")
        assert (demo / "demo.env").stat().st_mode & 0o077 == 0
        argv = ["ssh", "-i", env["ENGINEER_KEY"], "-o", f"UserKnownHostsFile={env['KNOWN_HOSTS']}",
                "-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "-p", env["SSH_PORT"],
                f"{env['HOST']}@{env['SSH_ADDRESS']}", "echo reached"]
        reached = subprocess.run(argv, text=True, capture_output=True, timeout=60, check=False)
        assert reached.stdout == "reached\n", reached.stderr
    finally:
        stopped = quickstart("--stop", str(demo))
    assert stopped.returncode == 0
    assert not (demo / "demo.env").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs the parts as other accounts")
def test_a_directory_that_only_root_can_enter_is_refused(place):
    place.chmod(0o700)
    done = quickstart("--detach", str(place / "demo"))
    assert done.returncode != 0
    assert "only root can enter" in done.stderr


def test_unknown_argument_is_a_usage_error():
    done = quickstart("--nonsense")
    assert done.returncode == 64
    assert "--nonsense" in done.stderr
