"""What a process opened stays its own: nothing that it starts sees a connection or a file by accident."""

import contextlib
import os
import pathlib
import subprocess

import pytest
from towline import until

CLOSE_ON_EXEC = 0o2000000


def descriptors(pid):
    """{number: (what it leads to, whether it ends at exec)} of a process."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            info = pathlib.Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
            flags = int(info.split("flags:")[1].split()[0], 8)
            found[int(link.name)] = (os.readlink(link), bool(flags & CLOSE_ON_EXEC))
    return found


def inherited(pid):
    return {target for number, (target, closes) in descriptors(pid).items() if number > 2 and not closes}


def tcp_sockets():
    rows = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {f"socket:[{row.split()[9]}]" for row in rows}


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@pytest.fixture
def session(relay, engineer, endpoint):
    """The process id of towline-session while an engineer is in."""
    endpoint.get_help("a session")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    ssh = subprocess.Popen(engineer.ssh_argv("bastion", endpoint.name) + ["echo begun; exec tail -f /dev/null"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert ssh.stdout.readline() == "begun\n", ssh.stderr.read()
    yield int(children(endpoint.agent.process.pid)[0])
    ssh.kill()
    ssh.wait()


def test_no_connection_of_the_agent_outlives_exec(relay, engineer, endpoint):
    endpoint.get_help("while uploading")
    assert inherited(endpoint.agent.process.pid) & tcp_sockets() == set()


def test_nothing_of_the_relay_outlives_exec(relay, engineer, endpoint):
    endpoint.get_help("while uploading")
    assert inherited(relay.program.process.pid) == set()


@pytest.mark.skipif(os.geteuid() != 0, reason="the helper shows its descriptors to root alone")
def test_nothing_of_the_helper_outlives_exec(relay, engineer, endpoint):
    endpoint.get_help("while uploading")
    assert inherited(endpoint.helper.process.pid) == set()


def test_a_session_shares_its_pipes_and_the_log_with_the_agent(endpoint, session):
    own = {target for target, _ in descriptors(endpoint.agent.process.pid).values() if "anon_inode" not in target}
    shared = {number for number, (target, _) in descriptors(session).items() if target in own}
    assert shared == {0, 1, 2}


def test_an_engineers_command_has_three_descriptors(relay, engineer, endpoint):
    endpoint.get_help("a command")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    done = engineer.ssh("bastion", endpoint.name, "echo /proc/self/fd/*")
    numbers = {int(name.rsplit("/", 1)[1]) for name in done.stdout.split()}
    assert numbers - {3} == {0, 1, 2}, done.stdout + done.stderr  # 3: the directory that is being read
