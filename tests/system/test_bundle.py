"""What happens to a bundle: sealed to persons, looked into, compared, shown before it is sent."""

import base64
import hashlib
import json
import subprocess

import pytest
from towline import BIN, Relay, run, until


def make_recipient(place, name, *algorithm):
    key, cert = place / f"{name}.key", place / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", *algorithm, "-nodes", "-days", "3", "-subj", f"/CN={name}",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    return key, cert


@pytest.fixture(scope="module")
def recipients(tmp_path_factory):
    place = tmp_path_factory.mktemp("recipients")
    return {"rita": make_recipient(place, "rita", "rsa:2048"),
            "emil": make_recipient(place, "emil", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")}


def first_bundle(relay):
    ticket = until(lambda: relay.items("/v1/tickets?state=open")[0], "a ticket is on the desk")
    shown = until(lambda: relay.get(f"/v1/tickets/{ticket['number']}").json()["bundles"], "the bundle is there")[0]
    return ticket["number"], relay.get(f"/v1/bundles/{shown['id']}").json()


@pytest.fixture
def sealed(relay, engineer, make_endpoint, recipients):
    """An endpoint that seals its bundles to two persons."""
    endpoint = make_endpoint()
    paths = "".join(f"  - {cert}\n" for _, cert in recipients.values())
    with open(endpoint.config, "a", encoding="utf-8") as file:
        file.write(f"collect:\n  recipients:\n{paths}")
    endpoint.enrol()
    return endpoint.start_helper().start_agent()


def test_a_sealed_bundle_is_opened_by_plain_openssl(relay, engineer, sealed, recipients, place):
    sealed.get_help("it is secret")
    number, bundle = first_bundle(relay)
    assert bundle["sealed"]
    assert [r["issuer"] for r in bundle["recipients"]] == ["CN=rita", "CN=emil"]
    done = engineer.towline("bundle", "get", number, "--output", place / "b.tar.zst.p7m")
    assert "sealed" in done.stderr
    for key, cert in recipients.values():
        subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", place / "b.tar.zst.p7m", "-inkey", key,
                        "-recip", cert, "-out", place / "b.tar.zst"], check=True)
        listed = subprocess.run(["tar", "--zstd", "-tf", place / "b.tar.zst"], check=True, capture_output=True,
                                text=True).stdout.splitlines()
        assert listed[0].endswith("/MANIFEST.json")
        index = subprocess.run(["tar", "--zstd", "-xOf", place / "b.tar.zst", listed[-1]], check=True,
                               capture_output=True).stdout
        assert hashlib.sha256(index).hexdigest() == bundle["index_sha256"]


def test_the_engineer_inspects_a_sealed_bundle_with_the_key(relay, engineer, sealed, recipients, place):
    sealed.get_help("it is secret")
    number, bundle = first_bundle(relay)
    path = place / "b.p7m"
    engineer.towline("bundle", "get", number, "--output", path)
    without = engineer.towline("bundle", "inspect", path, check=False)
    assert without.returncode != 0
    assert "CN=rita" in without.stderr and "openssl cms -decrypt" in without.stderr
    key, cert = recipients["emil"]
    shown = json.loads(engineer.towline("bundle", "inspect", "--json", "--key", key, "--cert", cert, path).stdout)
    assert shown["index_sha256"] == bundle["index_sha256"]
    signature = place / "signature"
    signature.write_text(relay.get(f"/v1/bundles/{bundle['id']}/signature").text)
    verified = engineer.towline("bundle", "inspect", "--verify", "--signature", signature, "--key", key, "--cert",
                                cert, path)
    assert "fits" in verified.stdout


def test_the_plaintext_of_a_sealed_bundle_rests_nowhere(relay, engineer, sealed):
    relay.read_ports()
    relay.program.kill()  # so that the bundle stays in the queue
    sealed.get_help("stay here", "--no-wait")
    spooled = list((sealed.directory / "state" / "bundles").iterdir())
    assert spooled
    for path in spooled:
        data = path.read_bytes()
        assert data[:2] == b"\x30\x80"
        assert b"\x28\xb5\x2f\xfd" not in data[:200]
        assert b"MANIFEST.json" not in data
    relay.start()


def test_inspect_shows_searches_and_verifies(place):
    path = place / "b.tar.zst"
    run(BIN / "towline-agent", "collect", "--profile", "quick", "--output", path, check=True)
    shown = run(BIN / "towline-agent", "inspect", path, check=True).stdout
    assert "MANIFEST.json" in shown and "redactions" in shown
    found = run(BIN / "towline-agent", "inspect", path, "--search", '"profile":"quick"', check=True).stdout
    assert found.startswith("MANIFEST.json:1: ")
    assert run(BIN / "towline-agent", "inspect", path, "--search", "no such text anywhere").returncode == 1
    manifest = run(BIN / "towline-agent", "inspect", path, "--show", "MANIFEST.json", check=True).stdout
    assert json.loads(manifest)["profile"] == "quick"
    assert "whole" in run(BIN / "towline-agent", "inspect", path, "--verify", check=True).stdout
    path.write_bytes(path.read_bytes()[:-100])
    assert run(BIN / "towline-agent", "inspect", path, "--verify").returncode == 65


def unpack(path, where):
    where.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", path, "-C", where, "--strip-components=1"], check=True)
    return where


def test_diff_is_typed_and_takes_bundles_and_directories(place):
    path = place / "b.tar.zst"
    run(BIN / "towline-agent", "collect", "--profile", "quick", "--output", path, check=True)
    before, after = unpack(path, place / "before"), unpack(path, place / "after")
    assert run(BIN / "towline-agent", "diff", path, before).returncode == 0
    health = after / "snapshot" / "health.json"
    facts = json.loads(health.read_text())
    facts["facts"].append({"name": "disk_used", "subject": "/tmp/x", "unit": "%", "value": 99, "verdict": "critical"})
    health.write_text(json.dumps(facts))
    done = run(BIN / "towline-agent", "diff", path, after)
    assert done.returncode == 1
    assert "+ disk_used /tmp/x" in done.stdout
    changes = json.loads(run(BIN / "towline", "bundle", "diff", "--json", before, after).stdout)["changes"]
    assert [c["kind"] for c in changes] == ["added"]
    assert run(BIN / "towline-agent", "diff", path, place / "missing").returncode == 2
    cut = place / "cut.tar.zst"
    cut.write_bytes(path.read_bytes()[:20000])
    done = run(BIN / "towline-agent", "diff", path, cut)
    assert done.returncode == 2 and f"{cut}: " in done.stderr and "Truncated" in done.stderr
    health.with_name("identity.json").write_text("{}")
    subprocess.run(["tar", "--zstd", "-cf", cut, "--transform", "s,^,x/,", "-C", after, "MANIFEST.json", "snapshot"],
                   check=True)
    done = run(BIN / "towline-agent", "diff", path, cut)
    assert done.returncode == 2 and f"{cut}: " in done.stderr


def test_what_was_not_collected_is_never_gone(place):
    path = place / "b.tar.zst"
    run(BIN / "towline-agent", "collect", "--profile", "quick", "--output", path, check=True)
    before, after = unpack(path, place / "before"), unpack(path, place / "after")
    (after / "snapshot" / "health.json").unlink()
    index = json.loads((after / "INDEX.json").read_text())
    index["collectors"] = [c for c in index["collectors"] if c["collector"] != "health"]
    index["files"] = [f for f in index["files"] if f["path"] != "snapshot/health.json"]
    (after / "INDEX.json").write_text(json.dumps(index))
    done = run(BIN / "towline-agent", "diff", before, after)
    assert done.returncode == 0
    assert "not collected in the second" in done.stdout


def test_a_file_is_shown_and_left_out_before_sending(relay, engineer, endpoint):
    done = endpoint.command("get-help", "my password=Xk39vLq2TzP is wrong", "--profile", "quick",
                            stdin="s MANIFEST.json\nr assignment\nx root/etc/os-release\nl\ny\n")
    assert "MANIFEST.json:1: " in done.stdout  # the summary is in it, redacted
    assert "[redacted:assignment]" in done.stdout
    before, after = done.stdout.split("Nothing is sent yet", 2)[1:]
    assert '"profile":"quick"' in before
    assert "root/etc/os-release" in before + after
    _, bundle = first_bundle(relay)
    content = relay.get(f"/v1/bundles/{bundle['id']}/content").content
    listed = subprocess.run(["tar", "--zstd", "-t"], input=content, check=True, capture_output=True).stdout.decode()
    assert "root/etc/os-release" not in listed
    assert "MANIFEST.json" in listed


def claims_of(jws):
    part = jws.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_the_receipt_names_user_ticket_and_bundle(relay, engineer, endpoint):
    endpoint.get_help("sign for it")
    number, bundle = first_bundle(relay)
    receipt = claims_of(bundle["consent"])
    assert receipt["ticket"] == number
    assert receipt["subject"] == bundle["sha256"]
    assert receipt["user"] and receipt["decision"] == "yes" and receipt["by"] == "person"
    assert receipt["help_id"]


def test_the_relays_limit_is_asked_before_collecting(place, store, make_endpoint, relay):
    relay.program.stop()
    small = Relay(place / "small", store and None, "limits:\n  host_bundles: 1K\n").start()
    try:
        small.add_user("erin")
        endpoint = make_endpoint()
        endpoint.relay = small
        endpoint.enrol()
        endpoint.start_helper().start_agent()
        done = endpoint.get_help("too much", check=False)
        assert done.returncode != 0
        assert "1024" in done.stderr or "larger" in done.stderr or "limit" in done.stderr
        assert small.items("/v1/tickets?state=all") == []
        # What was heard once counts without the relay, and after a restart of the agent.
        small.program.kill()
        endpoint.agent.stop()
        endpoint.start_agent(connected=False)
        offline = endpoint.get_help("still too much", "--no-wait", check=False)
        assert offline.returncode != 0
        assert endpoint.status()["queue"]["items"] == 0
    finally:
        small.program.stop()
        relay.start()
