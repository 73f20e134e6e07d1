"""A wholly compromised relay: it has its authority's key, writes whatever it likes into its store, and the honest agent
carries it all to the helper. What the helper then says is on the session's row. The table of what each lane and policy
leaves to such a relay is docs/session-security.md."""

import base64
import json
import sqlite3
import subprocess
import time

import pytest
import signed
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from towline import Engineer, Relay, until

DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
DAY_S = 86400
AT_ONCE = 6  # grants in one go: fewer than an agent serves at once


def new_id():
    number = int(time.time() * 1000) << 80 | int.from_bytes(__import__("os").urandom(10), "big")
    return "".join(DIGITS[number >> shift & 31] for shift in range(125, -1, -5))


class Liar:
    """The relay's authority in wrong hands."""

    def __init__(self, relay, host, engineer):
        self.relay, self.host, self.engineer = relay, host, engineer
        self.key = load_pem_private_key((relay.directory / "authority.key").read_bytes(), None)
        self.place = relay.directory.parent
        shown = relay.get("/v1/hosts").json()["items"]
        self.host_id = next(item["id"] for item in shown if item["name"] == host.name)
        self.relay_id = relay.get("/v1/relay").json()["id"]

    def sql(self, text, *args):
        with sqlite3.connect(self.relay.directory / "relay.db", timeout=30) as store:
            return store.execute(text, args).fetchall()

    def statement(self, **changes):
        """What Erin would sign for a session on the host."""
        now = int(time.time())
        return {"break_glass": False, "engineer": "erin", "host": self.host_id, "host_name": self.host.name,
                "keys": [signed.fingerprint(self.engineer.key)], "lane": "end-to-end", "max_s": 600, "nonce": new_id(),
                "not_after": now + 300, "not_before": now - 60, "purpose": "let me in", "purpose_stated": True,
                "relay": self.relay_id, "scopes": ["exec"], "ticket": self.host.ticket, "user": "", **changes}

    def sign(self, statement, key=None):
        text = statement if isinstance(statement, str) else json.dumps(statement, sort_keys=True, separators=(",", ":"))
        done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "session@towline", "-f", key or self.engineer.key],
                              input=text, text=True, capture_output=True, check=True)
        return {"statement": text, "signature": done.stdout}

    def claims(self, request=None, **changes):
        now = int(time.time())
        line = " ".join((self.engineer.directory / "id_ed25519.pub").read_text().split()[:2])
        claims = {"iss": self.relay_id, "aud": self.host_id, "jti": new_id(), "sub": "erin", "name": "Erin",
                  "ticket": self.host.ticket, "purpose": "let me in", "stated": True, "lane": "end-to-end",
                  "scopes": ["exec"], "keys": [line], "iat": now, "nbf": now, "exp": now + 120, "max_s": 600,
                  **(request or {}), **changes}
        return {name: value for name, value in claims.items() if value is not None}

    def grant(self, claims):
        def part(value):
            return base64.urlsafe_b64encode(value).rstrip(b"=")
        text = part(json.dumps({"alg": "EdDSA", "typ": "towline-grant+jwt"}).encode()) + b"." + part(
            json.dumps(claims).encode())
        return (text + b"." + part(self.key.sign(text))).decode()

    def tell(self, *all_claims):
        """Puts forged grants into the store and has the agent fetch them; returns what became of each."""
        outcomes = []
        for begin in range(0, len(all_claims), AT_ONCE):
            batch = all_claims[begin:begin + AT_ONCE]
            for claims in batch:
                self.sql("DELETE FROM session WHERE id = ?", claims["jti"])
                self.sql("INSERT INTO session (id, ticket_id, host_id, user_id, lane, scopes, purpose, state, grant_jws,"
                         " requested_ms, expires_ms) SELECT ?, t.id, ?, u.id, ?, ?, 'lie', 'requested', ?, 0, ?"
                         " FROM ticket t, app_user u WHERE t.number = ? AND u.login = 'erin'",
                         claims["jti"], self.host_id, claims["lane"], ",".join(claims["scopes"]), self.grant(claims),
                         int(time.time() + 300) * 1000, self.host.ticket)
            self.host.agent.stop()
            self.host.start_agent()
            for claims in batch:
                outcomes.append(until(lambda c=claims: self.outcome(c["jti"]), "the helper has answered"))
        return outcomes

    def outcome(self, session):
        rows = self.sql("SELECT decision, decision_reason FROM session WHERE id = ?", session)
        return rows[0] if rows and rows[0][0] else None


@pytest.fixture
def store():
    return None  # it is written to past the relay: SQLite


@pytest.fixture
def roster(place):
    return signed.Roster(place)


@pytest.fixture
def relay(place, store, roster):
    relay = Relay(place / "relay", store, settings=f"roster:\n  key: {roster.fingerprint}\n").start()
    yield relay
    relay.program.stop()


@pytest.fixture
def sam(place, relay):
    return Engineer(place / "sam", relay, "sam")


def start_host(relay, make_endpoint, policy, **kwargs):
    endpoint = make_endpoint(policy=policy, **kwargs)
    endpoint.enrol()
    endpoint.start_helper().start_agent()
    endpoint.ticket = relay.open_ticket(endpoint.name)
    return endpoint


@pytest.fixture
def liar(relay, roster, engineer, sam, make_endpoint):
    """Against a host that wants requests signed."""
    roster.add("erin", engineer.key)
    roster.add("sam", sam.key)
    roster.sign().publish(relay)
    host = start_host(relay, make_endpoint, signed.policy("  unattended: true\n"))
    until(lambda: signed.known_version(host) == 1, "the roster is there")
    return Liar(relay, host, engineer)


def lies(liar, sam):
    """Name → forged claims, and what the helper must say. Each begins with a request that Erin has really signed and the
    relay has kept back."""
    def honest(**changes):
        return liar.sign(liar.statement(**changes))

    own = signed.make_key(liar.place / "own")
    own_line = " ".join((liar.place / "own.pub").read_text().split()[:2])
    now = int(time.time())
    keys = liar.claims()["keys"]
    tampered = honest()
    tampered["statement"] = tampered["statement"].replace('"exec"', '"exec","files"')
    foreign = liar.claims(honest(host=new_id()))
    return {
        "unsigned": (liar.claims(), "sessions.engineer_signed"),
        "signed by the relay": (liar.claims(liar.sign(liar.statement(), own)), "not on the roster"),
        "another engineer's": (liar.claims(liar.sign(liar.statement(), sam.key)), 'signed by "sam"'),
        "sam's, as sam's own": (liar.claims(liar.sign(liar.statement(engineer="sam"), sam.key)), 'signed by "sam"'),
        "tampered": (liar.claims(tampered, scopes=["exec", "files"]), "signature is not valid"),
        "re-scoped": (liar.claims(honest(), scopes=["exec", "terminal"]), "scopes"),
        "with its own key": (liar.claims(honest(), keys=[*keys, own_line]), "keys"),
        "its key instead": (liar.claims(honest(), keys=[own_line]), "keys"),
        "another host's": (foreign, "host"),
        "another host's name": (liar.claims(honest(host_name="db-1")), 'host "db-1"'),
        "longer": (liar.claims(honest(), max_s=601), "duration"),
        "later": (liar.claims(honest(), exp=now + 600), "time"),
        "expired": (liar.claims(honest(not_before=now - 600, not_after=now - 300)), "time"),
        "the relay's lane": (liar.claims(honest(), lane="bastion", keys=[own_line]), "lane"),
        "another account": (liar.claims(honest(), user=__import__("getpass").getuser()), "user"),
        "another ticket": (liar.claims(honest(), ticket="T-1"), "ticket"),
        "another purpose": (liar.claims(honest(), purpose="routine"), "purpose"),
        "an emergency": (liar.claims(honest(), break_glass=True), "sessions.break_glass"),
        "another use's signature": (liar.claims({"statement": liar.statement() and honest()["statement"],
                                                 "signature": signature_of_a_file(liar)}), "another purpose"),
        "half": (liar.claims({"statement": honest()["statement"]}), "go together"),
    }


def signature_of_a_file(liar):
    """Erin has signed a mail or a commit once."""
    done = subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", liar.engineer.key], input="a file",
                          text=True, capture_output=True, check=True)
    return done.stdout


def test_no_lie_gets_a_byte_of_shell(liar, sam):
    told = lies(liar, sam)
    outcomes = liar.tell(*(claims for claims, _ in told.values()))
    for (name, (_, words)), (decision, reason) in zip(told.items(), outcomes):
        assert decision != "yes", name
        assert words in (reason or ""), f"{name}: {reason}"
    assert "process started" not in liar.host.logs()
    # And the same without a lie is let in: it was the lies that were refused.
    assert liar.tell(liar.claims(liar.sign(liar.statement())))[0][0] == "yes"


def test_neither_grant_nor_statement_is_good_twice(liar):
    request = liar.sign(liar.statement())
    first = liar.claims(request)
    assert liar.tell(first)[0][0] == "yes"
    decision, reason = liar.tell(liar.claims(request))[0]
    assert decision != "yes" and "statement was used before" in reason
    decision, reason = liar.tell(first)[0]
    assert decision != "yes" and "used before" in reason
    # A crash of the helper forgets nothing.
    liar.host.helper.kill()
    liar.host.start_helper()
    decision, reason = liar.tell(liar.claims(request))[0]
    assert decision != "yes" and "statement was used before" in reason


def publish_lie(liar, document, version):
    liar.sql("DELETE FROM roster")
    liar.sql("INSERT INTO roster (version, body, signature, published_ms) VALUES (?, ?, ?, 0)", version,
             document["roster"], document["signature"])
    liar.host.agent.stop()
    liar.host.start_agent()


def test_the_roster_is_neither_rolled_back_nor_replaced(liar, roster, sam, place):
    old = roster.document()
    roster.command("remove", roster.file, "sam")
    roster.sign().publish(liar.relay)
    publish_lie(liar, roster.document(), 2)
    until(lambda: signed.known_version(liar.host) == 2, "the second roster is there")
    publish_lie(liar, old, 1)
    until(lambda: "rolls it back" in liar.host.helper.text(), "the helper has refused the older one")
    own = signed.make_key(place / "own")
    roster.add("mallory", own)
    roster.sign(own)
    publish_lie(liar, roster.document(), 3)
    until(lambda: "is pinned here" in liar.host.helper.text(), "the helper has refused the relay's own")
    assert signed.known_version(liar.host) == 2
    forged = liar.sign(liar.statement(engineer="sam"), sam.key)
    decision, reason = liar.tell(liar.claims(forged, sub="sam"))[0]
    assert decision != "yes" and "not on the roster" in reason


def test_a_host_under_another_name_gets_no_signature(liar, engineer, make_endpoint):
    """The relay gives the engineer's target another host's name."""
    liar.sql("UPDATE host SET name = 'web-9' WHERE id = ?", liar.host_id)
    done = engineer.towline("session", "request", "web-9", "--key", engineer.key, "--purpose", "disk full", check=False)
    assert done.returncode == 77 and 'asked for the host "web-9"' in done.stderr


# ---- what is left to it without signed requests ------------------------------------------------------------------

def plain(relay, engineer, make_endpoint, policy, **kwargs):
    import getpass
    policy = f"sessions:\n{policy}  user: {getpass.getuser()}\nconsent:\n  unattended: true\n  timeout: 1s\n"
    return Liar(relay, start_host(relay, make_endpoint, policy, **kwargs), engineer)


def test_unattended_and_unsigned_it_comes_in_by_its_own_key(relay, engineer, make_endpoint):
    """The row of the table that says so: no better than the relay."""
    liar = plain(relay, engineer, make_endpoint, "  unattended: true\n", consent="ask")
    signed.make_key(liar.place / "own")
    own_line = " ".join((liar.place / "own.pub").read_text().split()[:2])
    assert liar.tell(liar.claims(keys=[own_line]))[0][0] == "yes"


def test_a_person_is_asked_whatever_it_says(relay, engineer, make_endpoint):
    liar = plain(relay, engineer, make_endpoint, "", consent="ask")
    both = liar.tell(liar.claims(), liar.claims(break_glass=True))
    assert both[0] == ("timeout", "nobody answered in time")
    assert "sessions.break_glass" in both[1][1]


def test_policy_is_never_widened(relay, engineer, make_endpoint):
    liar = plain(relay, engineer, make_endpoint, "  lanes: [end-to-end]\n  scopes: [exec]\n  max_minutes: 1\n")
    told = [
        (liar.claims(lane="bastion"), "sessions.lanes"),
        (liar.claims(scopes=["files"]), "sessions.scopes"),
        (liar.claims(user="daemon"), "sessions.users"),
        (liar.claims(aud=new_id()), "this is"),
        (liar.claims(exp=int(time.time()) + DAY_S), "15 minutes"),
    ]
    for (_, words), (decision, reason) in zip(told, liar.tell(*(claims for claims, _ in told))):
        assert decision != "yes" and words in reason, reason
