"""Sessions of a helper that runs as root: another account, and nothing of root's."""

import os
import pathlib
import shlex
import shutil
import socket

import pytest
from towline import BIN, until

UID = "61999"  # no account has it: home "/", shell /bin/sh
POLICY = f'sessions:\n  user: "{UID}"\nconsent:\n  unattended: true\n'

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another account")


@pytest.fixture
def host(place, relay, make_endpoint):
    os.chmod(place, 0o755)
    endpoint = make_endpoint(policy=POLICY)
    endpoint.enrol()
    endpoint.directory.chmod(0o755)
    endpoint.start_agent().get_help("let me in")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    return endpoint


def test_nothing_of_roots_is_left(engineer, host):
    done = engineer.ssh("bastion", host.name,
                        "id -u; id -g; id -G; umask; cat /proc/self/oom_score_adj; "
                        "grep -E '^Cap(Inh|Prm|Eff|Amb)|^Groups' /proc/self/status; ls /proc/self/fd")
    lines = done.stdout.splitlines()
    assert lines[:5] == [UID, UID, UID, "0022", "0"], done.stderr
    assert [line.split(":")[1].strip() for line in lines[5:10]] == ["", *["0" * 16] * 4]
    assert lines[10:] == ["0", "1", "2", "3"]  # 3: the directory that ls reads


def test_what_it_leaves_behind_ends_with_it(engineer, host):
    done = engineer.ssh("bastion", host.name, "setsid sleep 600 >/dev/null 2>&1 & echo $!")
    process = pathlib.Path("/proc") / done.stdout.strip()
    until(lambda: not process.exists(), "the stray has ended with the session")


def test_its_account_does_not_consent(engineer, host):
    session = "01m83drdrekkpyhrmtj18wt49n"
    program = shutil.copy(BIN / "towline-agent", host.directory)  # the build may be where only root can look
    command = shlex.join([program, "stop", session, "--config", str(host.config)])
    done = engineer.ssh("bastion", host.name, command)
    assert done.returncode != 0
    assert "inside a session" in done.stderr


def test_nobody_answers_in_the_helpers_place(place, make_endpoint):
    os.chmod(place, 0o755)
    endpoint = make_endpoint()
    path = endpoint.directory / "helper-run" / "consent.sock"
    endpoint.directory.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as squatter:
        os.chown(path.parent, int(UID), -1)
        os.seteuid(int(UID))
        try:
            squatter.bind(str(path))
            squatter.listen()
        finally:
            os.seteuid(0)
        done = endpoint.command("sessions", check=False)
    assert done.returncode == 77
    assert f"uid {UID}" in done.stderr
