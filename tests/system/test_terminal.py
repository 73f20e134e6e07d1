"""Terminals in a browser: the WebSocket endpoint, spoken to by a client that may also break the rules."""

import hashlib
import json
import os
import re
import pathlib
import tempfile

import pytest
import towline
from towline import Engineer, until
from websocket import BINARY, PROTOCOL, TEXT, Closed, Refused, Terminal, WebSocket


# One relay and one endpoint for all: a browser is what differs. The rows in the store are the same on every one.


@pytest.fixture(scope="module")
def place():
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        os.chmod(directory, 0o711)
        yield pathlib.Path(directory)


@pytest.fixture(scope="module")
def relay(place):
    relay = towline.Relay(place / "relay", settings="drain: 1s\n").start()
    yield relay
    relay.program.stop()


@pytest.fixture(scope="module")
def engineer(place, relay):
    return Engineer(place / "engineer", relay).log_in()


@pytest.fixture(scope="module")
def make_endpoint(place, relay, engineer):
    made = []

    def make(**kwargs):
        name = towline.random_name("host")
        made.append(towline.Endpoint(place / name, name, relay, **kwargs))
        made[-1].enrol()
        return made[-1].start_helper().start_agent()

    yield make
    for endpoint in made:
        endpoint.stop()


@pytest.fixture(scope="module")
def endpoint(make_endpoint):
    return make_endpoint()


@pytest.fixture(scope="module")
def ticket(relay, endpoint):
    return relay.open_ticket(endpoint.name)


def ask(relay, target, **more):
    wanted = {"target": target, "lane": "bastion", "scopes": "terminal", **more}
    reply = relay.call("POST", "/v1/sessions", json=wanted)
    assert reply.status_code == 201, reply.text
    return reply.json()["id"]


@pytest.fixture
def session(relay, endpoint, ticket):
    session = ask(relay, endpoint.name, purpose="to see what a browser sees")
    yield session
    relay.call("POST", f"/v1/sessions/{session}/stop", json={})


@pytest.fixture
def terminal(relay, session):
    terminal = Terminal(relay, session)
    terminal.attach()
    terminal.message("state", state="open")
    return terminal


def shown(relay, session):
    return relay.get(f"/v1/sessions/{session}").json()


def make_ticket(relay, session, **kwargs):
    return relay.call("POST", f"/v1/sessions/{session}/terminal-ticket", **kwargs)


# ---- what it is for ----


def test_a_shell_answers_and_its_end_is_told(relay, session, ticket, engineer):
    terminal = Terminal(relay, session)
    attached = terminal.attach(columns=101, rows=33)
    assert attached["ticket"] == ticket
    assert attached["output"] == attached["lost"] == attached["input"] == 0
    terminal.message("state", state="open")
    terminal.type("stty size; echo mark-$((6*7)); exit 3\n")
    ended = terminal.message("state", state="ended")
    assert ended["exit_status"] == 3
    assert b"33 101" in terminal.output
    assert b"mark-42" in terminal.output
    assert terminal.closed().code == 1000
    until(lambda: shown(relay, session)["recording"], "it is recorded")
    assert shown(relay, session)["purpose"] == "to see what a browser sees"
    assert shown(relay, session)["reason"] == "the shell has ended"
    engineer.towline("session", "verify", session)
    assert "mark-42" in engineer.towline("session", "replay", session, "--no-wait").stdout
    kinds = [e["kind"] for e in relay.items(f"/v1/tickets/{ticket}/timeline")]
    assert {"session-requested", "session-decided", "session-opened", "session-ended"} <= set(kinds)


def test_it_changes_size(terminal):
    terminal.say(type="resize", columns=132, rows=50)
    terminal.type("stty size\n")
    terminal.until("50 132")


def test_a_long_paste_arrives_whole(terminal):
    data = os.urandom(384 * 1024).hex().encode()  # 768 KiB, no byte that a terminal would change
    assert len(data) < 1024 * 1024
    data += b"x" * (1000 * 1000 - len(data))
    terminal.type("stty raw -echo; echo ready; head -c 1000000 | sha256sum; stty sane; exit\n")
    terminal.until("ready\n")
    terminal.type(data)
    terminal.until(hashlib.sha256(data).hexdigest())


def test_much_output_arrives_whole(terminal):
    terminal.type("stty raw -echo; echo begin; head -c 3000000 /dev/zero | tr '\\0' z; echo end; exit\n")
    terminal.until("begin\n").until("zend\n")
    printed = terminal.output.partition(b"begin\n")[2].partition(b"end\n")[0]
    printed = re.sub(rb"towline: [^\n]*\n", b"", printed)  # the word at a shell's end may come before its last output
    assert printed.count(b"z") == 3000000


def test_a_ping_is_answered(terminal):
    terminal.say(type="ping")
    terminal.message("pong")


# ---- coming back ----


def test_a_lost_browser_comes_back_to_the_same_shell(relay, session, terminal, engineer):
    terminal.type("HERE=still; echo one-$((1+1)); read gone; echo two-$((2+1))\n")
    terminal.until("one-2")
    seen = len(terminal.output)
    terminal.socket.drop()
    again = Terminal(relay, session)
    attached = again.attach(output=seen)
    assert attached["output"] == seen
    assert attached["lost"] == 0
    assert attached["input"] == len("HERE=still; echo one-$((1+1)); read gone; echo two-$((2+1))\n")
    again.type("\necho $HERE; exit\n")
    again.until("two-3").until("still")
    assert b"one-2" not in again.output
    again.message("state", state="ended")
    until(lambda: shown(relay, session)["recording"], "it is recorded")
    engineer.towline("session", "get", session, "--output", engineer.directory / "recording")
    assert "goes on in a browser" in (engineer.directory / "recording").read_text()


def test_what_was_said_meanwhile_is_kept_and_bounded(relay, session, terminal, place):
    done = place / f"done-{session}"
    terminal.type(f"stty raw -echo; echo go; read x; head -c 1000000 /dev/zero | tr '\\0' z; echo tail; touch {done}\n")
    terminal.until("go\n")
    seen = len(terminal.output)
    terminal.type("\r\n")
    terminal.socket.drop()
    until(done.exists, "the shell went on without a browser")
    again = Terminal(relay, session)
    attached = again.attach(output=seen)
    again.until("ztail")
    assert attached["lost"] > 0
    assert attached["output"] == seen + attached["lost"]
    assert 256 * 1024 - 4096 < again.output.count(b"z") <= 256 * 1024


def test_without_a_position_all_that_is_kept_comes_again(relay, session, terminal):
    terminal.type("echo one-$((1+1))\n")
    terminal.until("one-2")
    terminal.socket.drop()
    again = Terminal(relay, session)
    assert again.attach()["output"] == 0
    again.until("one-2")


def test_the_newest_browser_wins_and_the_older_is_told(relay, session, terminal):
    second = Terminal(relay, session)
    second.attach()
    assert terminal.closed().code == 4409
    second.type("echo mark-$((6*7))\n")
    second.until("mark-42")


# ---- who may ----


def test_a_ticket_opens_it_once_and_from_our_own_page_only(relay, session):
    origin = f"Origin: {relay.url}"

    def attempt(ticket, *headers):
        return WebSocket(f"{relay.url}/v1/sessions/{session}/terminal", relay.ca,
                         protocols=(PROTOCOL, f"ticket.towline.{ticket}"), headers=headers)

    ticket = make_ticket(relay, session).json()
    assert ticket["protocol"] == PROTOCOL
    opened = attempt(ticket["ticket"], origin)
    assert f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n" in opened.head + "\r\n"
    assert "ticket.towline" not in opened.head
    for headers, status in [((origin,), 401), ((f"{origin}.evil.example",), 403), (("Origin: null",), 403), ((), 403)]:
        if status == 403:
            ticket = make_ticket(relay, session).json()
        with pytest.raises(Refused) as refused:
            attempt(ticket["ticket"], *headers)
        assert refused.value.status == status, headers
    assert ticket["ticket"] not in relay.log.read_text()


def test_a_ticket_opens_nothing_else(relay, session, endpoint, ticket):
    other = ask(relay, endpoint.name)
    for path, status in [("/v1/me", 401), ("/v1/hosts", 401), (f"/v1/sessions/{other}", 401),
                         (f"/v1/sessions/{other}/terminal", 401), (f"/v1/sessions/{session}", 403)]:
        good = make_ticket(relay, session).json()["ticket"]
        headers = {"Sec-WebSocket-Protocol": f"ticket.towline.{good}"}
        assert relay.get(path, token=None, headers=headers).status_code == status, path
        assert relay.get(f"/v1/sessions/{session}/terminal", token=None, headers=headers).status_code == 401


def test_a_page_of_others_cannot_use_a_token_either(relay, session):
    with pytest.raises(Refused) as refused:
        Terminal(relay, session, headers=[f"Authorization: Bearer {relay.tokens['erin']}", "Origin: https://evil.example"])
    assert refused.value.status == 403


def test_nobody_elses_session_is_opened(relay, session, place):
    Engineer(place / "other", relay, "otto", role="supervisor")
    relay.add_user("rita", "requester")
    for who, status in [("otto", 403), ("rita", 403), ("tlt_nonsense", 401)]:
        with pytest.raises(Refused) as refused:
            Terminal(relay, session, token=who)
        assert refused.value.status == status
        assert make_ticket(relay, session, token=who).status_code == status


def test_what_is_over_or_no_terminal_is_refused(relay, endpoint, terminal, session):
    terminal.type("exit\n")
    terminal.closed()
    until(lambda: shown(relay, session)["state"] == "ended", "it is over")
    asked = relay.call("POST", "/v1/sessions", json={"target": endpoint.name}).json()["id"]
    for known, status in [(session, 409), (asked, 409), ("01m83drdrekkpyhrmtj18wt49n", 404)]:
        with pytest.raises(Refused) as refused:
            Terminal(relay, known)
        assert refused.value.status == status
        assert make_ticket(relay, known).status_code == status


def test_a_terminal_needs_its_scope(relay, endpoint, ticket):
    reply = make_ticket(relay, ask(relay, endpoint.name, scopes="files"))
    assert reply.status_code == 409
    assert "scope" in reply.json()["detail"]


def test_what_ssh_took_up_is_no_browsers(relay, engineer, endpoint, ticket):
    known = ask(relay, endpoint.name, scopes="exec,terminal")
    assert engineer.ssh("bastion", known, "echo in").stdout == "in\n"
    assert make_ticket(relay, known).status_code == 409


def test_no_ssh_key_is_needed(relay, endpoint, ticket):
    relay.add_user("kay")
    asked = relay.call("POST", "/v1/sessions", token="kay",
                       json={"target": endpoint.name, "lane": "bastion", "scopes": "terminal"}).json()["id"]
    terminal = Terminal(relay, asked, token="kay")
    terminal.attach()
    terminal.type("echo mark-$((6*7)); exit\n")
    terminal.until("mark-42")
    assert terminal.closed().code == 1000


# ---- consent and its end ----


def test_nothing_passes_before_yes_and_a_no_is_told(relay, make_endpoint, place):
    endpoint = make_endpoint(consent="ask", policy="consent:\n  timeout: 5m\n")
    relay.open_ticket(endpoint.name)
    session = ask(relay, endpoint.name)
    terminal = Terminal(relay, session)
    terminal.attach()
    terminal.message("state", state="asking")
    terminal.type(f"touch {place}/touched\n")
    until(lambda: endpoint.command("consent", "--answer", "no", session, check=False).returncode == 0, "it is refused")
    ended = terminal.message("state", state="ended")
    assert "exit_status" not in ended
    assert terminal.closed().code == 1000
    assert shown(relay, session)["state"] == "refused"
    assert not (place / "touched").exists()


def test_a_stop_is_told(relay, session, terminal):
    relay.call("POST", f"/v1/sessions/{session}/stop", json={"reason": "lunch"})
    assert "lunch" in terminal.message("state", state="ended")["reason"]
    assert terminal.closed().code == 1000


# ---- hostile clients ----


@pytest.mark.parametrize("message", [
    "", "null", "[]", "{}", '{"type":"resize","columns":80,"rows":24}', '{"type":"attach"}',
    '{"type":"attach","columns":0,"rows":24}', '{"type":"attach","columns":80,"rows":5000}',
    '{"type":"attach","columns":80,"rows":24,"term":"x y"}', '{"type":"attach","columns":80,"rows":24,"output":-1}',
    '{"type":"attach","columns":80,"rows":24,"shell":"/bin/evil"}', '{"type":"quit"}', "[" * 5000])
def test_words_that_make_no_sense_end_it(relay, session, message):
    terminal = Terminal(relay, session)
    terminal.socket.send(TEXT, message.encode())
    end = terminal.closed()
    assert end.code == 4400
    assert end.reason


def test_bytes_before_attach_end_it(relay, session):
    terminal = Terminal(relay, session)
    terminal.type("id\n")
    assert terminal.closed().code == 4400


def test_frames_beyond_the_rules_end_it_and_the_shell_goes_on(relay, session, terminal):
    terminal.type("HERE=still\n")
    terminal.socket.socket.sendall(b"\x82\x02hi")  # not masked
    assert terminal.closed().code == 1002
    for data, code in [(b"x" * (1024 * 1024 + 1), 1009)]:
        again = Terminal(relay, session)
        again.attach()
        again.socket.send(BINARY, data)
        assert again.closed().code == code
    last = Terminal(relay, session)
    last.attach()
    last.type("\necho $HERE-here\n")
    last.until("still-here")


def test_a_slow_reader_and_a_flood_wait(relay, session, terminal):
    terminal.socket.drop()
    slow = Terminal(relay, session, receive_buffer=4096)
    slow.attach()
    slow.type("stty -echo; cat /dev/zero | tr '\\0' z\n")
    slow.socket.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(50):
            slow.type(b"n" * 1000000)
    relay.call("POST", f"/v1/sessions/{session}/stop", json={})
    until(lambda: shown(relay, session)["state"] == "ended", "it is over")
    assert shown(relay, session)["bytes_in"] < 16 * 1000000
    assert shown(relay, session)["bytes_out"] < 16 * 1000000


def test_many_control_messages_are_not_gathered(relay, session, terminal):
    terminal.socket.drop()
    slow = Terminal(relay, session, receive_buffer=4096)
    slow.attach()
    slow.socket.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(500000):
            slow.say(type="ping")


def test_the_opening_is_on_the_audit_trail(relay, session, terminal):
    relay.add_user("audrey", "auditor")
    lines = [json.loads(line) for line in relay.get("/v1/audit", token="audrey").text.splitlines()]
    assert (session, "erin") in [(e["object"], e["actor"]) for e in lines if e["action"] == "session.terminal"]


def test_a_stopping_relay_says_so(relay, terminal):
    relay.program.process.terminate()
    assert terminal.closed().code == 1001
    relay.program.stop()
    relay.start()
