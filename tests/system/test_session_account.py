"""Sessions of a helper that runs as root: another account, and nothing of root's."""

import os
import pathlib
import shlex
import shutil
import socket
import subprocess

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


# ---- PAM, utmp ----


WTMP = pathlib.Path("/var/log/wtmp")
TELL = """#!/bin/sh
echo "$PAM_TYPE $PAM_USER $PAM_RUSER $PAM_TTY" >> {log}
"""


class Pam:
    """A directory of PAM services for one helper."""

    def __init__(self, directory):
        self.directory = directory
        self.log = directory / "log"
        directory.mkdir(mode=0o755)
        (directory / "tell").write_text(TELL.format(log=self.log))
        (directory / "tell").chmod(0o755)
        (directory / "env").write_text("TOWLINE_TEST_PAM=yes\nHOME=/nowhere\n")
        (directory / "limits").write_text("* - nofile 321\nroot - nofile 321\n")
        self.write("account required pam_permit.so")

    def write(self, *lines):
        session = ["session required pam_loginuid.so", f"session required pam_limits.so conf={self.directory}/limits",
                   f"session required pam_env.so envfile={self.directory}/env readenv=1",
                   f"session required pam_exec.so {self.directory}/tell"]
        (self.directory / "towline").write_text("\n".join(["auth required pam_permit.so", *lines, *session, ""]))

    def told(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def pam(place):
    return Pam(place / "pam")


@pytest.fixture
def named(relay, make_endpoint, pam):
    """Sessions of an account with a name, by our own PAM service."""
    endpoint = make_endpoint(policy=(
        "sessions:\n  user: root\n  scopes: [terminal, exec, files, forwarding]\n  forward: ['127.0.0.1:*']\n"
        "consent:\n  unattended: true\n"))
    endpoint.helper_options = ["--pam-dir", pam.directory]
    endpoint.enrol()
    endpoint.start_agent()
    relay.open_ticket(endpoint.name)
    return endpoint


def test_a_session_of_the_account_is_opened_by_pam_and_closed(engineer, named, pam):
    done = engineer.ssh("bastion", named.name, "cat /proc/self/loginuid; echo; echo $TOWLINE_TEST_PAM $HOME; ulimit -n; "
                        f"cat {pam.log}; exit 7")
    assert done.returncode == 7, done.stderr
    assert done.stdout.split() == ["0", "yes", "/root", "321", *"open_session root erin towline".split()]
    until(lambda: "close_session root erin towline" in pam.told(), "the session is closed")


def test_who_is_on_the_terminal_is_written_down(engineer, named, pam):
    before = WTMP.stat().st_size if WTMP.exists() else 0
    done = engineer.ssh("bastion", named.name, "tty; [ -e /run/utmp ] && who; ps -o stat= -p $$", options=["-tt"])
    assert done.returncode == 0, done.stdout + done.stderr
    line = done.stdout.split()[0].removeprefix("/dev/")
    assert f"open_session root erin {line}" in pam.told()
    assert "s" in done.stdout.split()[-1]  # it leads its session
    until(lambda: f"close_session root erin {line}" in pam.told(), "the session is closed")
    if WTMP.exists():
        with WTMP.open("rb") as file:
            file.seek(before)
            added = file.read()
        assert b"erin@T-1001" in added
        assert added.count(line.encode()) >= 2  # in, out


def test_pam_refuses_an_account_with_a_sentence(engineer, named, pam, place):
    pam.write("account required pam_deny.so")
    done = engineer.ssh("bastion", named.name, f"touch {place}/touched")
    assert done.returncode != 0
    assert 'the account "root" may not be used on this machine' in done.stderr
    assert not (place / "touched").exists()
    assert not pam.told()


def test_pam_refuses_an_account_its_forwarding_too(engineer, named, pam):
    with socket.create_server(("127.0.0.1", 0)) as service:
        target = f"127.0.0.1:{service.getsockname()[1]}"
        engineer.towline("forward", named.name, target)
        argv = engineer.ssh_argv("bastion", named.name, "-W", target)
        client = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        service.settimeout(60)
        service.accept()[0].close()
        client.communicate(timeout=60)
        until(lambda: "close_session root erin towline" in pam.told(), "the session is closed")
        pam.write("account required pam_deny.so")
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        assert done.returncode != 0
        service.setblocking(False)
        with pytest.raises(BlockingIOError):
            service.accept()
    assert pam.told().count("open_session root erin towline") == 1


def test_a_module_that_hangs_is_given_up(engineer, named, pam, place):
    pam.write("account required pam_permit.so", "session required pam_exec.so /bin/sleep 600")
    done = engineer.ssh("bastion", named.name, f"touch {place}/touched")
    assert done.returncode != 0
    assert "did not start in 5 seconds" in done.stderr
    assert not (place / "touched").exists()
    pam.write("account required pam_permit.so")
    assert engineer.ssh("bastion", named.name, "echo in").stdout == "in\n"


def test_what_has_to_be_killed_closes_its_session_too(relay, engineer, named, pam, place):
    with open(place / "out", "wb") as out:
        command = f"trap '' HUP TERM; touch {place}/deaf; sleep 600; sleep 600"
        client = subprocess.Popen([*engineer.ssh_argv("bastion", named.name), command],
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    until((place / "deaf").exists, "it runs")
    session = relay.items("/v1/sessions")[0]["id"]
    relay.call("POST", f"/v1/sessions/{session}/stop", json={})
    assert client.wait(60) != 0
    until(lambda: "close_session root erin towline" in pam.told(), "the session is closed")
