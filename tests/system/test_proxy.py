"""Behind a proxy: whatever the agent does goes through HTTPS_PROXY, and nothing goes past it."""

import os
import pathlib
import socket
import subprocess

import pytest
import towline
from towline import until


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    def __init__(self, place):
        self.port = free_port()
        self.config = place / "tinyproxy.conf"
        self.log = place / "tinyproxy.log"
        self.config.write_text(f'Port {self.port}\nListen 127.0.0.1\nLogFile "{self.log}"\nLogLevel Connect\n'
                               "MaxClients 50\nTimeout 600\n")
        self.program = towline.Program(place / "tinyproxy.out", "tinyproxy", "-d", "-c", self.config)
        until(lambda: socket.create_connection(("127.0.0.1", self.port), timeout=5).close() is None,
              "the proxy listens")

    def tunnels(self):
        return self.log.read_text().count("CONNECT 127.0.0.1:")


def tcp_rows():
    """{inode: remote port} of this machine's open TCP connections."""
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9]: int(row[2].split(":")[1], 16) for row in rows}


def remote_ports(pid):
    targets = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    rows = tcp_rows()
    return {rows[t[8:-1]] for t in targets if t.startswith("socket:[") and t[8:-1] in rows}


@pytest.fixture
def proxy(place):
    proxy = Proxy(place)
    yield proxy
    proxy.program.stop()


@pytest.fixture
def behind(proxy, relay, engineer, make_endpoint):
    endpoint = make_endpoint()
    where = f"http://127.0.0.1:{proxy.port}"
    endpoint.env = {"HTTPS_PROXY": where, "https_proxy": where, "NO_PROXY": "", "no_proxy": ""}
    return endpoint


def test_enrolment_goes_through_the_proxy(proxy, relay, behind):
    behind.enrol()
    assert proxy.tunnels() >= 1
    assert [host["name"] for host in relay.items("/v1/hosts")] == [behind.name]


def test_help_goes_through_the_proxy(proxy, relay, behind):
    behind.enrol()
    behind.start_agent()
    before = proxy.tunnels()
    behind.get_help("behind a proxy")
    number = until(lambda: relay.items("/v1/tickets?state=open")[0], "a ticket is on the desk")["number"]
    until(lambda: relay.get(f"/v1/tickets/{number}").json()["bundles"], "the bundle is on the ticket")
    assert before >= 2  # enrolment and stream
    assert remote_ports(behind.agent.process.pid) == {proxy.port}


@pytest.mark.parametrize("lane", ["bastion", "end-to-end"])
def test_a_session_goes_through_the_proxy(proxy, relay, engineer, behind, lane):
    behind.enrol()
    behind.start_agent()
    behind.get_help("come in")
    until(lambda: relay.items("/v1/tickets?state=open"), "a ticket is on the desk")
    before = proxy.tunnels()
    ssh = subprocess.Popen(engineer.ssh_argv(lane, behind.name) + ["echo begun; exec tail -f /dev/null"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert ssh.stdout.readline() == "begun\n", ssh.stderr.read()
        child = pathlib.Path(f"/proc/{behind.agent.process.pid}/task/{behind.agent.process.pid}/children").read_text()
        assert proxy.tunnels() > before
        assert remote_ports(int(child.split()[0])) == {proxy.port}
    finally:
        ssh.kill()
        ssh.wait()


def test_without_the_proxy_nothing_goes_out(proxy, relay, behind):
    behind.enrol()
    behind.start_agent()
    proxy.program.kill()
    until(lambda: not behind.connected(), "the agent notices")
    behind.get_help("is there another way?", "--no-wait")
    until(lambda: "cannot be reached" in behind.agent.text(), "it has tried")
    assert relay.items("/v1/tickets?state=all") == []
