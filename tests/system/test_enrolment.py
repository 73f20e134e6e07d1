"""Enrolment: who gets in, once, and what everybody else is told."""

import base64
import json
import time

import pytest
from towline import until


def decode(token):
    text = token.removeprefix("tl1.")
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def encode(fields):
    return "tl1." + base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


def hosts(relay):
    return relay.items("/v1/hosts")


def test_a_token_enrols_one_host(relay, engineer, make_endpoint):
    endpoint = make_endpoint("web-01")
    endpoint.enrol()
    assert [host["name"] for host in hosts(relay)] == ["web-01"]


def test_a_used_token_is_refused_for_another_host(relay, engineer, make_endpoint):
    token = relay.enrol_token()
    make_endpoint("web-01").enrol(token)
    done = make_endpoint("web-02").enrol(token, check=False)
    assert done.returncode != 0
    assert "used" in done.stderr
    assert len(hosts(relay)) == 1


def test_a_token_with_a_wrong_secret_is_refused(relay, engineer, make_endpoint):
    fields = decode(relay.enrol_token())
    fields["s"] = base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()
    done = make_endpoint().enrol(encode(fields), check=False)
    assert done.returncode != 0
    assert hosts(relay) == []


def test_an_expired_token_is_refused(relay, engineer, make_endpoint):
    token = relay.enrol_token("--expires", "1s")
    made = time.monotonic()
    until(lambda: time.monotonic() > made + 1, "the token's one second is over")
    done = make_endpoint().enrol(token, check=False)
    assert done.returncode != 0
    assert "expired" in done.stderr
    assert hosts(relay) == []


def test_a_relay_with_another_ca_is_refused(relay, engineer, make_endpoint):
    fields = decode(relay.enrol_token())
    fields["f"] = "00" * 32
    done = make_endpoint().enrol(encode(fields), check=False)
    assert done.returncode != 0
    assert "fingerprint" in done.stderr or "CA" in done.stderr
    assert hosts(relay) == []


@pytest.mark.parametrize("token", ["", "tl1.", "tl1.!!!!", "tl9.e30", "x" * 100000, "tl1." + "A" * 5000],
                         ids=["empty", "prefix", "no-base64", "version", "huge", "no-json"])
def test_a_malformed_token_gets_one_sentence(relay, make_endpoint, token):
    done = make_endpoint().enrol(token or "\n", check=False)
    assert done.returncode in (64, 65)
    assert len(done.stderr.strip().splitlines()) <= 3
    assert "Sanitizer" not in done.stderr


def test_the_secret_is_in_no_log(relay, engineer, endpoint):
    assert "tl1." not in relay.program.text() + endpoint.logs()


def test_an_enrolled_host_does_not_enrol_again(relay, engineer, make_endpoint):
    endpoint = make_endpoint()
    endpoint.enrol()
    done = endpoint.enrol(check=False)
    assert done.returncode != 0
    assert "enrolled" in done.stderr
    assert len(hosts(relay)) == 1


def test_the_newer_of_two_agents_with_one_key_wins(relay, engineer, endpoint, make_endpoint):
    import shutil
    twin = make_endpoint()
    for part in ("state", "helper"):
        shutil.copytree(endpoint.directory / part, twin.directory / part, dirs_exist_ok=True)
    twin.start_helper().start_agent()
    assert endpoint.agent.process.wait(60) != 0
    assert "superseded" in endpoint.agent.text() or "another agent" in endpoint.agent.text()
    assert twin.connected()
