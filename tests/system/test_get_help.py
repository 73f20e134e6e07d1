"""From a user's sentence to a bundle on a ticket."""

import hashlib
import json
import subprocess

from towline import until


def bundles(relay, number):
    return relay.get(f"/v1/tickets/{number}").json()["bundles"]


def the_ticket(relay):
    return until(lambda: relay.items("/v1/tickets?state=open")[0], "a ticket is on the desk")


def file_help(relay, endpoint, summary="mail does not start"):
    endpoint.get_help(summary)
    ticket = the_ticket(relay)
    until(lambda: bundles(relay, ticket["number"]), "the bundle is on the ticket")
    return relay.get(f"/v1/tickets/{ticket['number']}").json()


def test_help_becomes_a_ticket_with_its_summary_and_host(relay, engineer, endpoint):
    done = endpoint.get_help("mail does not start")
    ticket = the_ticket(relay)
    assert ticket["summary"] == "mail does not start"
    assert ticket["host"]["name"] == endpoint.name
    assert ticket["number"] in done.stdout


def test_the_bundle_arrives_with_the_signed_hash(relay, engineer, endpoint):
    ticket = file_help(relay, endpoint)
    bundle = relay.get(f"/v1/bundles/{ticket['bundles'][0]['id']}").json()
    content = relay.get(f"/v1/bundles/{bundle['id']}/content").content
    assert hashlib.sha256(content).hexdigest() == bundle["sha256"]
    assert len(content) == bundle["size"]


def test_stock_tar_reads_the_bundle(relay, engineer, endpoint, place):
    ticket = file_help(relay, endpoint)
    engineer.towline("bundle", "get", ticket["number"], "--output", place / "b.tar.zst")
    listing = subprocess.run(["tar", "--zstd", "-tf", place / "b.tar.zst"], text=True, capture_output=True,
                             check=True).stdout.splitlines()
    files = [name for name in listing if not name.endswith("/")]
    assert files[0].endswith("/MANIFEST.json")
    assert files[-1].endswith("/INDEX.json")
    assert len({name.split("/")[0] for name in files}) == 1


def test_without_yes_nothing_is_sent(relay, engineer, endpoint):
    done = endpoint.command("get-help", "no thanks", stdin="n\n", check=False)
    assert done.returncode != 0
    assert relay.items("/v1/tickets?state=all") == []


def test_what_would_be_sent_is_shown_before_the_question(relay, engineer, endpoint):
    done = endpoint.command("get-help", "look first", stdin="n\n", check=False)
    shown = done.stdout + done.stderr
    assert "MANIFEST.json" in shown or "os-release" in shown


def test_every_file_is_listed_on_request(relay, engineer, endpoint):
    short = endpoint.command("get-help", "look first", stdin="n\n", check=False).stdout
    listed = endpoint.command("get-help", "look first", stdin="l\nn\n", check=False).stdout
    assert "INDEX.json" not in short and "packages" in listed
    assert "more" in short and "more" not in listed.split("lists every file", 1)[1]


def test_help_asked_for_without_a_relay_is_sent_when_it_is_back(relay, engineer, endpoint):
    relay.read_ports()
    relay.program.kill()
    done = endpoint.get_help("the network is down", "--no-wait")
    assert "queue" in (done.stdout + done.stderr).lower()
    relay.start()
    ticket = the_ticket(relay)
    assert ticket["summary"] == "the network is down"
    until(lambda: bundles(relay, ticket["number"]), "the bundle follows")


def test_the_request_survives_a_killed_agent(relay, engineer, endpoint):
    relay.read_ports()
    relay.program.kill()
    endpoint.get_help("survive", "--no-wait")
    endpoint.agent.kill()
    relay.start()
    endpoint.start_agent()
    ticket = the_ticket(relay)
    until(lambda: bundles(relay, ticket["number"]), "the bundle follows")
    assert len(relay.items("/v1/tickets?state=all")) == 1


def test_the_status_says_that_one_account_is_no_split(endpoint):
    assert endpoint.status()["split"] is False
    assert "under the agent's account" in endpoint.command("status").stdout


def test_the_timeline_tells_of_ticket_and_bundle(relay, engineer, endpoint):
    ticket = file_help(relay, endpoint)
    kinds = [entry["kind"] for entry in relay.items(f"/v1/tickets/{ticket['number']}/timeline")]
    assert any("ticket" in kind or "created" in kind for kind in kinds)
    assert any("bundle" in kind for kind in kinds)


def test_reading_a_bundle_is_on_the_audit_trail(relay, engineer, endpoint):
    relay.add_user("ada", "auditor")
    ticket = file_help(relay, endpoint)
    relay.get(f"/v1/bundles/{ticket['bundles'][0]['id']}/content")
    entries = [json.loads(line) for line in relay.get("/v1/audit", token="ada").text.splitlines()]
    assert any(entry["action"] == "bundle.read" and entry["actor"] == "erin" for entry in entries)
    assert "the chain is whole" in relay.command("audit", "verify").stdout
