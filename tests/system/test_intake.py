"""Truncated, lying and hostile bundles, from a host with valid keys: all of the real programs, and nothing of the
bundle on the desk."""

import hashlib
import io
import json
import subprocess
import tarfile

import pytest
from sender import Sender, new_id
from towline import BIN, run


@pytest.fixture
def sender(relay, engineer, endpoint):
    return Sender(endpoint)


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """A sound bundle, and what its collector says of it."""
    path = tmp_path_factory.mktemp("sound") / "b.tar.zst"
    with open(path, "wb") as out:
        argv = ["bash", "-c", f"exec {BIN}/towline-collect 3>&1 >{path}.json"]
        subprocess.run(argv, stdout=out, input=b'{"profile": "quick"}', stderr=subprocess.DEVNULL, check=True)
    result = json.loads(path.with_suffix(".zst.json").read_text().splitlines()[-1])
    return path.read_bytes(), result


def rejected(relay, reply, ticket, why):
    assert reply.status_code == 422, reply.text
    assert reply.json()["type"].endswith("bundle-rejected")
    assert why in reply.json()["detail"], reply.json()["detail"]
    shown = relay.get(f"/v1/tickets/{ticket}").json()
    assert shown["bundles"] == []
    kinds = [entry["kind"] for entry in relay.items(f"/v1/tickets/{ticket}/timeline")]
    assert "bundle-rejected" in kinds


def packed(members):
    """tar + zstd of (TarInfo, bytes) pairs."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return subprocess.run(["zstd", "-q", "-c"], input=out.getvalue(), stdout=subprocess.PIPE, check=True).stdout


def member(name, data=b"", **more):
    info = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def test_a_sound_bundle_is_taken(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    reply = sender.send(data, ticket, bundle=result["bundle"], index_sha256=result["index_sha256"])
    assert reply.status_code == 204, reply.text
    assert relay.get(f"/v1/tickets/{ticket}").json()["bundles"][0]["id"] == result["bundle"]


def rebuilt(data, name, text):
    """The bundle with another member in this one's place, and an index that fits: what a hostile host would send."""
    plain = subprocess.run(["zstd", "-dqc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]
    members = [(info, text if info.name.endswith("/" + name) else body) for info, body in members]
    index = json.loads(members[-1][1])
    entry = next(file for file in index["files"] if file["path"] == name)
    entry.update(size=len(text), sha256=hashlib.sha256(text).hexdigest())
    members[-1] = (members[-1][0], json.dumps(index).encode() + b"\n")
    return packed(members), hashlib.sha256(members[-1][1]).hexdigest()


def test_findings_stand_on_the_ticket(relay, sender, engineer, collected):
    data, result = collected
    findings = {"schema": 1, "rules": 2, "unknown": [], "results": [
        {"rule": "oom-kill", "severity": "critical", "summary": "A process was killed.", "remedy": "-", "evidence": []},
        {"rule": "../x", "severity": "error", "summary": "no name"},
        {"rule": "fine", "severity": "dire", "summary": "no severity"},
        {"rule": "esc", "severity": "info", "summary": "\x1b[2J"}]}
    changed, index = rebuilt(data, "analysis/results.json", json.dumps(findings).encode())
    ticket = sender.ticket()
    reply = sender.send(changed, ticket, bundle=result["bundle"], index_sha256=index)
    assert reply.status_code == 204, reply.text
    kept = relay.get(f"/v1/tickets/{ticket}").json()["bundles"][0]["findings"]
    assert [finding["rule"] for finding in kept] == ["oom-kill", "esc"]
    body = next(e["body"] for e in relay.items(f"/v1/tickets/{ticket}/timeline") if e["kind"] == "bundle")
    assert body["findings"] == {"critical": 1, "info": 1}
    shown = engineer.towline("ticket", "show", ticket).stdout
    assert "A process was killed." in shown and "\x1b" not in shown


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_bundle_is_rejected(relay, sender, collected, part):
    data, result = collected
    ticket = sender.ticket()
    cut = data[:int(len(data) * part)]
    rejected(relay, sender.send(cut, ticket, bundle=result["bundle"], index_sha256=result["index_sha256"]), ticket, "")


def test_a_bundle_that_lies_about_its_hash_is_rejected(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    reply = sender.send(data, ticket, bundle=result["bundle"], index_sha256=result["index_sha256"],
                        meta_sha256="a" * 64, sha256="a" * 64)
    rejected(relay, reply, ticket, "sha256")


def test_a_bundle_that_lies_about_its_index_is_rejected(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    rejected(relay, sender.send(data, ticket, bundle=result["bundle"], index_sha256="b" * 64), ticket, "index_sha256")


def test_a_bundle_under_anothers_name_is_rejected(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    rejected(relay, sender.send(data, ticket, index_sha256=result["index_sha256"]), ticket, "bundle")


def test_a_bundle_without_a_yes_is_rejected(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    reply = sender.send(data, ticket, bundle=result["bundle"], index_sha256=result["index_sha256"],
                        consent={"decision": "no"})
    rejected(relay, reply, ticket, "decision")


def test_a_receipt_for_another_ticket_is_rejected(relay, sender, collected):
    data, result = collected
    ticket = sender.ticket()
    reply = sender.send(data, ticket, bundle=result["bundle"], index_sha256=result["index_sha256"],
                        consent={"ticket": "T-999999"})
    rejected(relay, reply, ticket, "ticket")


def test_hostile_archives_are_rejected(relay, sender):
    top = new_id()
    hostile = {
        "no bundle at all": b"\x7fELF" * 1000,
        "zstd of nothing": packed([]),
        "a path upwards": packed([member(f"{top}/../../etc/cron.d/x", b"* * * * * root id\n")]),
        "an absolute path": packed([member("/etc/passwd", b"root::0:0\n")]),
        "a link": packed([member(f"{top}/MANIFEST.json", type=tarfile.SYMTYPE, linkname="/etc/shadow")]),
        "a device": packed([member(f"{top}/MANIFEST.json", type=tarfile.CHRTYPE, devmajor=1, devminor=5)]),
        "a terminal's orders": packed([member(f"{top}/\x1b]0;x\x07", b"x")]),
        "a bomb": packed([member(f"{top}/MANIFEST.json", b"{}"), member(f"{top}/z", bytes(64 << 20))]),
        "deep": packed([member(f"{top}/" + "d/" * 200 + "x", b"x")]),
        "sealed for nobody": bytes.fromhex("3080060b2a864886f70d0109100117a0803080020100310000"),
        "sealed and cut": bytes.fromhex("3080060b2a864886f70d0109100117a08030800201003182ffff30"),
    }
    for what, data in hostile.items():
        ticket = sender.ticket(what)
        rejected(relay, sender.send(data, ticket), ticket, "")
    assert relay.get("/v1/health", token=None).ok
    assert relay.command("audit", "verify").returncode == 0


def test_the_engineer_sees_no_orders_of_a_hostile_host(relay, sender, engineer, place):
    """What is rejected, an engineer may still have by other ways: the command refuses it as the relay does."""
    top = new_id()
    path = place / "hostile.tar.zst"
    path.write_bytes(packed([member(f"{top}/\x1b[2J", b"x")]))
    done = run(BIN / "towline", "bundle", "inspect", path)
    assert done.returncode != 0
    assert "\x1b" not in done.stdout + done.stderr
