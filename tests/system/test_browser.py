"""A terminal in a real browser: what its pages may do, and what others' may not."""

import json
import shutil

import pytest
from browser import Browser
from towline import until

PROGRAM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="there is no chromium")

# What a console's page does, without a console.
SCRIPT = """
async function call(token, method, path, body) {
    const reply = await fetch(path, {method, headers: {Authorization: "Bearer " + token, "Content-Type": "application/json"},
                                     body: body ? JSON.stringify(body) : undefined});
    if (!reply.ok) throw new Error(await reply.text());
    return reply.json();
}
class Terminal {
    constructor(token, session) { Object.assign(this, {token, session, output: "", position: 0, messages: []}); }
    async open() {
        const made = await call(this.token, "POST", `/v1/sessions/${this.session}/terminal-ticket`);
        this.socket = new WebSocket(`wss://${location.host}/v1/sessions/${this.session}/terminal`,
                                    [made.protocol, "ticket.towline." + made.ticket]);
        this.socket.binaryType = "arraybuffer";
        this.closed = new Promise(resolve => { this.socket.onclose = event => resolve(event); });
        this.socket.onmessage = event => this.take(event.data);
        await new Promise((resolve, reject) => { this.socket.onopen = resolve; this.socket.onerror = reject; });
        this.say({type: "attach", columns: 90, rows: 30, output: this.position});
    }
    take(data) {
        if (typeof data === "string") { this.messages.push(JSON.parse(data)); return; }
        this.position += data.byteLength;
        this.output += new TextDecoder().decode(data);
    }
    say(message) { this.socket.send(JSON.stringify(message)); }
    type(text) { this.socket.send(new TextEncoder().encode(text)); }
    async until(fact) {
        for (let i = 0; i < 1200; i++) { if (fact(this)) return; await new Promise(go => setTimeout(go, 25)); }
        throw new Error("it did not come to be: " + fact + this.output.slice(-500) + JSON.stringify(this.messages));
    }
}
"""


@pytest.fixture
def store():
    """One store is enough: the rows are tested elsewhere."""


@pytest.fixture
def browser(place):
    browser = Browser(place / "profile", PROGRAM)
    yield browser
    browser.stop()


@pytest.fixture
def session(relay, engineer, endpoint):
    relay.open_ticket(endpoint.name)
    wanted = {"target": endpoint.name, "lane": "bastion", "scopes": "terminal"}
    return relay.call("POST", "/v1/sessions", json=wanted).json()["id"]


def test_a_page_of_the_relay_has_a_terminal_with_paste_resize_and_reconnection(relay, browser, session):
    browser.visit(relay.url + "/v1/health")
    values = f"{json.dumps(relay.tokens['erin'])}, {json.dumps(session)}"
    found = browser.run(SCRIPT + """(async () => {
        const terminal = new Terminal(""" + values + """);
        await terminal.open();
        await terminal.until(t => t.messages.some(m => m.state === "open"));
        terminal.type("stty size\\n");
        await terminal.until(t => t.output.includes("30 90"));
        terminal.say({type: "resize", columns: 132, rows: 50});
        terminal.type("stty size\\n");
        await terminal.until(t => t.output.includes("50 132"));
        terminal.type("stty raw -echo; echo ready-$((6*7)); head -c 1000000 | cksum; stty sane\\n");
        await terminal.until(t => t.output.includes("ready-42"));
        terminal.type("p".repeat(1000000));
        await terminal.until(t => / 1000000\\s/.test(t.output));
        terminal.socket.close();
        await terminal.closed;
        terminal.output = "";
        await terminal.open();
        terminal.type("echo again-$((6*7)); exit 5\\n");
        const end = await terminal.closed;
        return {code: end.code, reason: end.reason, output: terminal.output, last: terminal.messages.pop(),
                protocol: terminal.socket.protocol};
    })()""")
    assert found["code"] == 1000, found
    assert found["last"]["state"] == "ended"
    assert found["last"]["exit_status"] == 5
    assert "again-42" in found["output"]
    assert "ready-42" not in found["output"]
    assert found["protocol"] == "terminal.towline.1"
    until(lambda: relay.get(f"/v1/sessions/{session}").json()["recording"], "it is recorded")


def test_a_page_of_others_has_none(relay, browser, session):
    made = relay.call("POST", f"/v1/sessions/{session}/terminal-ticket").json()
    url = f"{relay.url}/v1/sessions/{session}/terminal".replace("https", "wss")
    browser.visit("data:text/html,<p>somebody else</p>")
    code = browser.run(f"""new Promise(resolve => {{
        const socket = new WebSocket({json.dumps(url)}, ["terminal.towline.1", "ticket.towline.{made['ticket']}"]);
        socket.onopen = () => resolve("open");
        socket.onclose = event => resolve(event.code);
    }})""")
    assert code == 1006
    assert relay.get(f"/v1/sessions/{session}").json()["state"] == "requested"
