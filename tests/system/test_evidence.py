"""What is left of a session: proofs, exports, search, notes, and who read it."""

import json
import subprocess

import pytest
from towline import BIN, run, until

LANES = ["bastion", "end-to-end"]


@pytest.fixture
def ticket(relay, engineer, endpoint):
    return relay.open_ticket(endpoint.name)


def recorded(relay, ticket, lane):
    def newest():
        return next(s for s in relay.items(f"/v1/sessions?ticket={ticket}")
                    if s["lane"] == lane and s["recording"] and s["state"] == "ended")
    return until(newest, "the session is recorded")


def offline(*argv, place):
    """The command of somebody who has no relay."""
    return run(BIN / "towline", *argv, env={"TOWLINE_CONFIG": str(place / "none.yaml"), "HOME": str(place)})


OTHER_KEY = "A" * 42 + "8"  # sealed nothing here


@pytest.mark.parametrize("lane", LANES)
def test_a_recording_is_proved_without_the_relay(relay, engineer, endpoint, ticket, place, lane):
    engineer.ssh(lane, endpoint.name, options=["-tt"], stdin="echo mark-$((6*7)); exit\n")
    session = recorded(relay, ticket, lane)["id"]
    engineer.ssh(lane, endpoint.name, "echo of another session")
    file, proof = place / "rec", place / "proof"
    engineer.towline("session", "get", session, "--output", file, "--proof", proof)
    relay_key = relay.get("/v1/relay", token=None).json()["authority_key"]

    done = offline("session", "verify", file, "--proof", proof, "--relay-key", relay_key, place=place)
    assert done.returncode == 0, done.stderr
    assert f"by the {'relay' if lane == 'bastion' else 'endpoint'}" in done.stdout
    assert ("countersigned at" in done.stdout) == (lane == "end-to-end")

    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) > 4
    text = b"".join(lines)
    forged = {
        "flipped": text.replace(b"mark-42", b"mark-43", 1),
        "cut off": b"".join(lines[:-2]),
        "cut in a line": text[:-len(lines[-1]) - 5],
        "in another order": b"".join([lines[0], lines[2], lines[1], *lines[3:]]),
        "with a line less": b"".join([*lines[:2], *lines[3:]]),
    }
    other = until(lambda: next(s["id"] for s in relay.items(f"/v1/sessions?ticket={ticket}")
                               if s["id"] != session and s["recording"]), "the other session is recorded")
    engineer.towline("session", "get", other, "--output", place / "other", "--proof", place / "other.proof")
    foreign = (place / "other").read_bytes().splitlines(keepends=True)
    forged["spliced"] = b"".join([*lines[:2], foreign[2], *lines[3:]])
    forged["another recording"] = b"".join(foreign)
    for how, changed in forged.items():
        assert changed != text
        (place / "forged").write_bytes(changed)
        done = offline("session", "verify", place / "forged", "--proof", proof, place=place)
        assert done.returncode == 76, (how, done.stdout, done.stderr)
    wrong = "--relay-key" if lane == "bastion" else "--host-key"
    for option in {wrong, "--relay-key"}:
        done = offline("session", "verify", file, "--proof", proof, option, OTHER_KEY, place=place)
        assert done.returncode != 0, option
    assert offline("session", "verify", file, "--proof", place / "other.proof", place=place).returncode == 76


def test_what_was_said_and_done_is_found_with_its_time(relay, engineer, endpoint, ticket):
    engineer.ssh("bastion", endpoint.name, "echo needle in bastion")
    bastion = recorded(relay, ticket, "bastion")["id"]
    engineer.ssh("end-to-end", endpoint.name, options=["-tt"], stdin="echo NEE''DLE; exit\n")
    direct = recorded(relay, ticket, "end-to-end")["id"]
    found = engineer.towline("session", "search", ticket, "needle", "-i").stdout.splitlines()
    assert [line.split()[0] for line in found] == sorted(line.split()[0] for line in found)
    assert f"{bastion}  0:00:0" in found[0] and "[command] echo needle in bastion" in found[0]
    assert any(line.startswith(direct) and line.endswith("NEEDLE") for line in found)
    done = engineer.towline("session", "search", ticket, "not there", check=False)
    assert done.returncode == 66


def test_recordings_are_exported_for_players_and_readers(relay, engineer, endpoint, ticket, place):
    engineer.ssh("bastion", endpoint.name, options=["-tt"], stdin="printf 'gr\\303\\274n \\033[31mred\\033[0m\\n'; exit\n")
    session = recorded(relay, ticket, "bastion")["id"]
    engineer.towline("session", "export", session, "--output", place / "cast")
    events = [json.loads(line) for line in (place / "cast").read_text().splitlines()]
    assert events[0]["version"] == 2 and events[0]["width"] > 0
    assert all(kind in ("o", "r", "i") and isinstance(data, str) for _, kind, data in events[1:])
    assert [at for at, *_ in events[1:]] == sorted(at for at, *_ in events[1:])
    # It opens /dev/tty, so it gets a terminal.
    played = subprocess.run(["script", "-qec", f"asciinema cat {place}/cast", "/dev/null"], capture_output=True,
                            stdin=subprocess.DEVNULL, check=False, timeout=60,
                            env={"HOME": str(place), "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    assert "grün \x1b[31mred" in played.stdout.decode(), played.stderr
    text = engineer.towline("session", "export", session, "--format", "text").stdout
    assert any(line.endswith("  1  grün red") for line in text.splitlines()), text
    assert engineer.towline("session", "export", session, "--format", "gif", check=False).returncode == 64


def test_notes_and_readers_stand_on_the_timeline(relay, engineer, endpoint, ticket):
    done = engineer.ssh("bastion", endpoint.name, options=["-tt"], stdin="exit\n")
    session = recorded(relay, ticket, "bastion")
    assert f"towline session note {session['id']}" in done.stderr
    assert session["note"] is None
    engineer.towline("session", "note", session["id"], "Cleared the spool.")
    engineer.towline("session", "verify", session["id"])
    entries = {entry["kind"]: entry for entry in relay.items(f"/v1/tickets/{ticket}/timeline")}
    assert entries["session-note"]["body"] == {"session": session["id"], "text": "Cleared the spool."}
    assert entries["recording-read"]["actor"] == engineer.login
    assert recorded(relay, ticket, "bastion")["note"] == "Cleared the spool."
    requester = relay.add_user("rita", "requester")
    assert relay.call("POST", f"/v1/sessions/{session['id']}/note", token=requester, json={"text": "x"}).status_code == 403
