"""Uploads that break off anywhere: nothing is lost, no more than a chunk is sent twice, and any tus client will do."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading

import pytest
from sender import TUS, Sender
from towline import BIN, run, until

CHUNK = 64 * 1024
OVERHEAD = 24 * 1024  # of TLS and HTTP, for each connection
TUS_CLIENT = pathlib.Path(__file__).parent / "tus"


class CountingProxy:
    """An HTTP proxy that counts what its clients send, and acts when they have sent so many bytes on one connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = 0
        self.cuts = []  # (bytes of one connection, what to do then), the next one first
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError, ValueError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            host, port = head.split()[1].decode().rsplit(":", 1)
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                threading.Thread(target=self.pump_back, args=(server, client), daemon=True).start()
                try:
                    self.pump(client, server)
                finally:  # to both sides, whoever waits for them
                    for end in (server, client):
                        with contextlib.suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def pump_back(server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def pump(self, client, server):
        mine = 0
        while data := client.recv(4096):
            with self.lock:
                limit, act = self.cuts[0] if self.cuts else (None, None)
                hit = limit is not None and mine + len(data) > limit
                if hit:
                    self.cuts.pop(0)
                    data = data[:limit - mine]
                self.sent += len(data)
            server.sendall(data)
            mine += len(data)
            if hit:
                act()
                return

    def close(self):
        self.listener.close()


@pytest.fixture
def proxy():
    proxy = CountingProxy()
    yield proxy
    proxy.close()


@pytest.fixture
def behind(proxy, relay, engineer, make_endpoint):
    """Sends in small chunks through the proxy, a bundle of several of them."""
    endpoint = make_endpoint()
    with open(endpoint.config, "a", encoding="utf-8") as file:
        file.write(f"proxy: http://127.0.0.1:{proxy.port}\nupload:\n  chunk_size: 64K\n")
    endpoint.enrol()
    return endpoint.start_helper().start_agent()


def arrived(relay):
    ticket = until(lambda: relay.items("/v1/tickets?state=all")[0], "the ticket is filed")
    bundles = until(lambda: relay.get(f"/v1/tickets/{ticket['number']}").json()["bundles"], "the bundle is there")
    assert len(bundles) == 1
    assert len(relay.items("/v1/tickets?state=all")) == 1
    bundle = relay.get(f"/v1/bundles/{bundles[0]['id']}").json()
    content = relay.get(f"/v1/bundles/{bundle['id']}/content").content
    assert hashlib.sha256(content).hexdigest() == bundle["sha256"]
    return bundle


# Within the first chunk, at its edges, and in later ones.
POSITIONS = [9000, 20001, 65000, 66000, 67777, 70001, 90000, 131072, 140003]


@pytest.mark.parametrize("position", POSITIONS)
def test_a_line_cut_anywhere_costs_one_chunk_at_most(relay, proxy, behind, position):
    before = proxy.sent
    proxy.cuts = [(position, lambda: None)]
    behind.get_help("cut", "--no-wait")
    bundle = arrived(relay)
    assert proxy.cuts == []
    assert proxy.sent - before <= bundle["size"] + CHUNK + 4 * OVERHEAD


@pytest.mark.parametrize("position", POSITIONS[1::3])
def test_a_relay_killed_at_any_byte_loses_nothing(relay, proxy, behind, position):
    relay.read_ports()
    killed = threading.Event()
    proxy.cuts = [(position, lambda: (relay.program.kill(), killed.set()))]
    before = proxy.sent
    behind.get_help("kill the relay", "--no-wait")
    assert killed.wait(60)
    relay.start()
    bundle = arrived(relay)
    assert proxy.sent - before <= bundle["size"] + CHUNK + 8 * OVERHEAD
    assert relay.command("audit", "verify").returncode == 0


@pytest.mark.parametrize("position", POSITIONS[2::3])
def test_an_agent_killed_at_any_byte_loses_nothing(relay, proxy, behind, position):
    killed = threading.Event()
    proxy.cuts = [(position, lambda: (behind.agent.kill(), killed.set()))]
    before = proxy.sent
    behind.get_help("kill the agent", "--no-wait")
    assert killed.wait(60)
    behind.start_agent()
    bundle = arrived(relay)
    assert proxy.sent - before <= bundle["size"] + CHUNK + 8 * OVERHEAD


@pytest.fixture
def collected(place):
    path = place / "b.tar.zst"
    result = run(BIN / "towline-agent", "collect", "--profile", "quick", "--json", "--output", path, check=True).stdout
    return path, json.loads(result.splitlines()[-1])


def test_a_damaged_chunk_is_sent_again_and_an_upload_withdrawn(relay, engineer, endpoint, collected):
    sender = Sender(endpoint)
    path, result = collected
    data = path.read_bytes()
    meta = sender.metadata(data, sender.ticket(), bundle=result["bundle"], index_sha256=result["index_sha256"])
    where = sender.create(data, meta).headers["Location"]
    half = data[:len(data) // 2]
    good = "sha1 " + __import__("base64").b64encode(hashlib.sha1(half).digest()).decode()
    assert sender.patch(where, half[:-1] + b"?", **{"Upload-Checksum": good}).status_code == 460
    assert sender.offset(where) == 0
    assert sender.patch(where, half, **{"Upload-Checksum": good}).status_code == 204
    assert sender.offset(where) == len(half)
    assert relay.call("DELETE", where, token=sender.token, headers=TUS).status_code == 204
    assert relay.call("HEAD", where, token=sender.token, headers=TUS).status_code == 404
    again = sender.create(data, meta).headers["Location"]
    assert sender.patch(again, data).status_code == 204


def install_tus_client(directory):
    shutil.copytree(TUS_CLIENT, directory)
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=directory, check=False,
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip("the npm registry cannot be reached: " + done.stderr[-200:])


def test_a_client_of_others_uploads_a_bundle(relay, engineer, endpoint, collected, place):
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    install_tus_client(place / "tus")
    sender = Sender(endpoint)
    path, result = collected
    ticket = sender.ticket()
    order = {"endpoint": relay.url + "/v1/uploads", "file": str(path), "token": sender.token, "chunkSize": 20000,
             "metadata": sender.metadata(path.read_bytes(), ticket, bundle=result["bundle"],
                                         index_sha256=result["index_sha256"])}
    done = subprocess.run(["node", "upload.js"], cwd=place / "tus", input=json.dumps(order), text=True,
                          capture_output=True, timeout=120, check=False,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": str(relay.ca)})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["aborted"] > 0  # it was stopped once and went on
    assert relay.get(f"/v1/tickets/{ticket}").json()["bundles"][0]["sha256"] == result["sha256"]
