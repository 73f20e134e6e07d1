"""What comes from outside and is wrong: refused with one sentence, and nothing is lost."""

import base64
import json
import os
import socket
import ssl

import pytest


def tls(relay):
    context = ssl.create_default_context(cafile=str(relay.ca))
    raw = socket.create_connection(("127.0.0.1", relay.ports["https_port"]), timeout=60)
    return context.wrap_socket(raw, server_hostname="127.0.0.1")


def talk(relay, request):
    relay.read_ports()
    with tls(relay) as link:
        link.sendall(request)
        reply = b""
        while piece := link.recv(65536):
            reply += piece
            if b"\r\n\r\n" in reply:
                break
    return reply.split(b"\r\n", 1)[0]


def meta(**fields):
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in fields.items())


@pytest.mark.parametrize("request_bytes, status", [
    (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    (b"GET /v1/health HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", b"400"),
    (b"GET /v1/health HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70000 + b"\r\n\r\n", b"431"),
    (b"\x00\x01\x02 nonsense\r\n\r\n", b"400"),
    (b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"40"),
    (b"GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", b"40"),
], ids=["two-lengths", "obs-fold", "huge-header", "nonsense", "unknown-path", "dot-dot"])
def test_a_hostile_request_is_refused_with_its_status(relay, request_bytes, status):
    assert status in talk(relay, request_bytes)


def test_a_gigabyte_of_json_is_refused_unread(relay, engineer):
    relay.read_ports()
    with tls(relay) as link:
        link.sendall(f"POST /v1/tickets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {engineer.token}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {1 << 30}\r\n\r\n".encode())
        assert b" 413 " in link.recv(65536)


def test_an_unknown_member_is_named(relay, engineer):
    reply = relay.call("POST", "/v1/tickets", json={"summary": "x", "severity": 1})
    assert reply.status_code == 422
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    assert "severity" in reply.json()["detail"]


@pytest.mark.parametrize("body", [b"{", b'{"summary":"a","summary":"b"}', b'{"summary":"\xff"}', b"[" * 100000],
                         ids=["cut", "twice", "not-utf8", "deep"])
def test_broken_json_is_a_problem(relay, engineer, body):
    reply = relay.call("POST", "/v1/tickets", data=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in (400, 422)
    assert reply.json()["type"].startswith("urn:towline:problem:")


def test_a_repeated_idempotency_key_gives_the_same_ticket(relay, engineer):
    replies = [relay.call("POST", "/v1/tickets", json={"summary": "once"}, headers={"Idempotency-Key": "k1"})
               for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json()["number"] == replies[1].json()["number"]
    assert len(relay.items("/v1/tickets?state=all")) == 1


def test_an_engineer_cannot_upload_a_bundle(relay, engineer):
    reply = relay.call("POST", "/v1/uploads", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": "10", "Upload-Metadata": meta(kind="bundle")})
    assert reply.status_code in (401, 403)


@pytest.mark.parametrize("path", ["/v1/tickets/T-99999", "/v1/bundles/01arz3ndektsv4rrffq69g5fav",
                                  "/v1/sessions/01arz3ndektsv4rrffq69g5fav/recording"])
def test_what_is_not_there_is_404(relay, engineer, path):
    reply = relay.get(path)
    assert reply.status_code == 404
    assert reply.json()["status"] == 404


def test_a_stranger_reads_nothing(relay, engineer):
    for path in ("/v1/tickets", "/v1/hosts", "/v1/sessions", "/v1/audit", "/v1/me"):
        assert relay.get(path, token=None).status_code == 401
        assert relay.get(path, token="tlt_" + "A" * 43).status_code == 401


def test_an_engineer_does_not_read_the_audit_trail(relay, engineer):
    assert relay.get("/v1/audit").status_code == 403


def test_configuration_errors_name_file_and_line(relay, endpoint):
    endpoint.config.write_text(endpoint.config.read_text() + "colour: blue\n")
    done = endpoint.command("check-config", check=False)
    assert done.returncode == 78
    assert "agent.yaml:5" in done.stderr and "colour" in done.stderr


def test_a_relay_configuration_with_an_unknown_key_does_not_start(relay):
    relay.config.write_text(relay.config.read_text() + "colour: blue\n")
    done = relay.command("check-config", check=False)
    assert done.returncode == 78
    assert "relay.yaml:" in done.stderr and "colour" in done.stderr


@pytest.mark.parametrize("spelling", ["check-config", "--check-config"])
def test_a_sound_configuration_is_in_order(relay, engineer, endpoint, spelling):
    assert relay.command(spelling).returncode == 0
    assert endpoint.command(spelling).returncode == 0


def test_the_wrong_ca_is_refused_by_the_engineers_command(relay, engineer, place):
    other = place / "other.pem"
    os.system(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {place}/k.pem "
              f"-out {other} -subj /CN=other -days 1 2>/dev/null")
    config = engineer.directory / "config.yaml"
    config.write_text(config.read_text().replace(str(relay.ca), str(other)))
    done = engineer.towline("tickets", check=False)
    assert done.returncode == 77
    assert "certificate" in done.stderr


def test_json_output_is_json(relay, engineer, endpoint):
    assert json.loads(engineer.towline("hosts", "--json").stdout)[0]["name"] == endpoint.name
