"""A host whose agent is in other hands: its keys, and whatever bytes one likes. Used by the system tests."""

import base64
import hashlib
import json
import time

from cryptography.hazmat.primitives.serialization import load_pem_private_key

TUS = {"Tus-Resumable": "1.0.0"}
CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def new_id():
    """A ULID of now."""
    import os
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


class Sender:
    def __init__(self, endpoint):
        self.relay = endpoint.relay
        state = endpoint.directory / "state"
        self.identity = json.loads((state / "identity.json").read_text())
        self.key = load_pem_private_key((state / "identity.key").read_bytes(), None)
        self.consent_key = load_pem_private_key((endpoint.directory / "helper" / "consent.key").read_bytes(), None)
        self.token = self.access_token()

    @staticmethod
    def sign(key, typ, claims):
        head = base64url(json.dumps({"alg": "EdDSA", "typ": typ}).encode())
        text = head + "." + base64url(json.dumps(claims).encode())
        return text + "." + base64url(key.sign(text.encode()))

    def access_token(self):
        now = int(time.time())
        host, relay = self.identity["host_id"], self.identity["relay_id"]
        assertion = self.sign(self.key, "client-authentication+jwt", {
            "iss": host, "sub": host, "aud": relay, "jti": new_id(), "iat": now, "exp": now + 60})
        reply = self.relay.call("POST", "/v1/oauth/token", token=None, data={
            "grant_type": "client_credentials", "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"})
        assert reply.status_code == 200, reply.text
        return reply.json()["access_token"]

    def ticket(self, summary="from a script"):
        reply = self.relay.call("POST", "/v1/tickets", token=self.token, json={"summary": summary})
        assert reply.status_code == 201, reply.text
        return reply.json()["number"]

    def metadata(self, data, ticket, bundle=None, index_sha256="0" * 64, **lies):
        """The pairs of Upload-Metadata; `lies` replace what the signature says."""
        bundle = bundle or new_id()
        sha256 = hashlib.sha256(data).hexdigest()
        now = int(time.time())
        claims = {"iss": self.identity["host_id"], "aud": self.identity["relay_id"], "bundle": bundle,
                  "sha256": sha256, "index_sha256": index_sha256, "size": len(data), "ticket": ticket, "iat": now}
        consent = {"host": self.identity["host_id"], "what": "bundle", "subject": sha256, "uid": 0, "user": "root",
                   "decision": "yes", "by": "person", "iat": now, **lies.pop("consent", {})}
        return {"kind": "bundle", "ticket": ticket, "bundle": bundle, "sha256": lies.pop("meta_sha256", sha256),
                "jws": self.sign(self.key, "towline-bundle+jwt", {**claims, **lies}),
                "consent": self.sign(self.consent_key, "towline-consent+jwt", consent)}

    def create(self, data, metadata, length=None):
        pairs = ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in metadata.items())
        return self.relay.call("POST", "/v1/uploads", token=self.token, headers={
            **TUS, "Upload-Length": str(len(data) if length is None else length), "Upload-Metadata": pairs})

    def patch(self, location, data, offset=0, **headers):
        return self.relay.call("PATCH", location, token=self.token, data=data, headers={
            **TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **headers})

    def offset(self, location):
        reply = self.relay.call("HEAD", location, token=self.token, headers=TUS)
        return int(reply.headers["Upload-Offset"])

    def send(self, data, ticket, **more):
        """Creates and sends at once; the reply to the last byte."""
        created = self.create(data, self.metadata(data, ticket, **more))
        assert created.status_code == 201, created.text
        return self.patch(created.headers["Location"], data)
