"""towline-agent collect, as a person runs it: what it takes, what it leaves out, and how it bears trouble."""

import hashlib
import http.server
import json
import os
import pathlib
import random
import signal
import ssl
import subprocess
import tarfile
import threading

import pytest
from towline import BIN, run, until

AGENT = BIN / "towline-agent"
CANCELED, DENIED, CONFIG, EXISTS, INVALID = 75, 77, 78, 73, 65
# Marks the processes of a test among all others.
MARK = f"0.{os.getpid()}{random.randrange(10**6):06d}"


class Host:
    """A site with its own profiles and collectors, and a directory for bundles."""

    def __init__(self, place):
        self.etc = place / "etc"
        self.place = place
        self.tmp = place / "tmp"
        self.tmp.mkdir()
        self.data = place / "data"
        self.data.mkdir()
        for name in ("profiles.d", "collectors.d"):
            (self.etc / name).mkdir(parents=True)
        self.env = {"TOWLINE_ETC": str(self.etc), "TMPDIR": str(self.tmp), "HOME": str(place)}

    def collectors(self, text, name="site.yaml"):
        (self.etc / "collectors.d" / name).write_text(text)
        return self

    def profile(self, text="name: mine\nsummary: a test\ngroups: [site]\n", name="mine.yaml"):
        (self.etc / "profiles.d" / name).write_text(text)
        return self

    def command(self, *argv, check=True, **kwargs):
        return run(AGENT, *argv, env=self.env, check=check, **kwargs)

    def collect(self, *argv, check=True, profile="mine"):
        output = self.place / "bundle.tar.zst"
        output.unlink(missing_ok=True)
        done = self.command("collect", "--profile", profile, "--output", output, *argv, check=check)
        return done, Bundle(output) if output.exists() else None

    def start(self, *argv, profile="mine"):
        return subprocess.Popen([str(AGENT), "collect", "--profile", profile, "--output",
                                 str(self.place / "bundle.tar.zst"), *argv], text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**os.environ, **self.env}, start_new_session=True)

    def bundles(self):
        return [path for path in self.place.iterdir() if path.is_file()]


class Bundle:
    def __init__(self, path):
        unpacked = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout
        self.members = {}
        plain = path.parent / "plain.tar"
        plain.write_bytes(unpacked)
        with tarfile.open(plain) as archive:
            for member in archive:
                self.members[member.name.split("/", 1)[1]] = archive.extractfile(member).read()
        plain.unlink()
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def text(self, path):
        return self.members[path].decode()

    def json(self, path):
        return json.loads(self.members[path])

    def errors(self):
        return [json.loads(line) for line in self.text("errors.jsonl").splitlines()]

    def noted(self, collector):
        return {note["kind"] for note in self.errors() if note["collector"] == collector}


@pytest.fixture
def host(place):
    return Host(place)


COLLECTOR = """  - name: {name}
    summary: of a test
    kind: {kind}
    timeout: {timeout}
    max: 64K
    {sources}
"""


def rows(*entries):
    lines = [COLLECTOR.format(**{"timeout": "20s", "kind": "command", **entry}) for entry in entries]
    return "collectors:\n" + "".join(lines)


def sleeper(name, seconds="1000"):
    return {"name": name, "sources": f"command: [sleep, \"{seconds}\"]"}


def marked_processes():
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and MARK in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


# ---- what is taken --------------------------------------------------------------------------------


def test_a_site_writes_a_collector_without_c(host):
    (host.data / "app.log").write_text("started\npassword=hunter2\n")
    host.profile().collectors(rows(
        {"name": "app-log", "kind": "files", "sources": f"paths: [\"{host.data}/*.log\"]"},
        {"name": "app-state", "sources": "command: [echo, hello]"}))
    done, bundle = host.collect()
    assert bundle.text(f"root{host.data}/app.log") == "started\npassword=[redacted:assignment]\n"
    assert bundle.text("cmd/site/app-state") == "hello\n"
    assert "hunter2" not in done.stdout + done.stderr
    manifest = bundle.json("MANIFEST.json")
    assert manifest["plan"]["profile"] == "mine"
    assert [entry["file"] for entry in manifest["plan"]["site_files"]] == [
        f"{host.etc}/collectors.d/site.yaml", f"{host.etc}/profiles.d/mine.yaml"]
    assert [row["collector"] for row in manifest["coverage"]] == ["app-log", "app-state"]


@pytest.mark.parametrize("profile", ["quick", "boot", "disk", "service:nginx.service"])
def test_built_in_profiles_make_bundles(host, profile):
    _, bundle = host.collect(profile=profile)
    assert bundle.json("MANIFEST.json")["profile"] == profile
    assert "snapshot/health.json" in bundle.members
    assert "Made up for this run" in bundle.text("redaction/canary.txt")


def test_the_same_files_give_the_same_bytes(host):
    (host.data / "a").write_text("a\n")
    host.profile().collectors(rows({"name": "one", "kind": "files", "sources": f"paths: [\"{host.data}/*\"]"}))
    request = json.dumps({"profile": "mine", "bundle": "01j9zs2b5d0000000000000000",
                          "started": "2026-03-01T09:30:00Z"})
    hashes = set()
    for _ in range(2):
        output = os.open(host.place, os.O_TMPFILE | os.O_RDWR)
        done = subprocess.run(["bash", "-c", f"exec {BIN}/towline-collect 3>&{output}"], input=request, text=True,
                              capture_output=True, env={**os.environ, **host.env}, pass_fds=[output], check=True)
        hashes.add(json.loads(done.stdout)["sha256"])
        os.close(output)
    assert len(hashes) == 1


def test_what_is_left_out_is_not_there(host):
    for name in ("keep", "drop"):
        (host.data / name).write_text("x\n")
    host.profile().collectors(rows(
        {"name": "one", "kind": "files", "sources": f"paths: [\"{host.data}/*\"]"},
        {"name": "two", "sources": "command: [echo, two]"}))
    _, bundle = host.collect("--exclude", f"{host.data}/dr*", "--exclude", "two")
    assert f"root{host.data}/keep" in bundle.members
    assert f"root{host.data}/drop" not in bundle.members
    assert not [path for path in bundle.members if path.startswith("cmd/")]
    assert bundle.json("MANIFEST.json")["plan"]["exclude"] == [f"{host.data}/dr*", "two"]


def test_a_mistyped_name_is_told_before_anything_is_taken(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"}))
    for option in ("--exclude", "--include"):
        done, bundle = host.collect(option, "oen", check=False)
        assert done.returncode == 65 and bundle is None
        assert 'no collector and no group is called "oen"' in done.stderr


def test_a_dry_run_lists_and_takes_nothing(host):
    (host.data / "log").write_text("x" * 1000)
    host.profile().collectors(rows(
        {"name": "one", "kind": "files", "sources": f"paths: [\"{host.data}/*\"]"},
        {"name": "two", "sources": f"command: [touch, \"{host.data}/made\"]"}))
    done, bundle = host.collect("--dry-run")
    assert bundle is None and not (host.data / "made").exists()
    assert f"{host.data}/log" in done.stdout and "1000 bytes" in done.stdout
    assert f"touch {host.data}/made" in done.stdout
    plan = json.loads(host.collect("--dry-run", "--json")[0].stdout)
    assert plan["event"] == "plan" and plan["bytes"] == 1000


def test_programs_get_events_as_lines_of_json(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"}))
    done, bundle = host.collect("--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events][-1] == "result"
    assert {event.get("state") for event in events} >= {"running", "ok"}
    assert events[-1]["sha256"] == bundle.sha256


def test_a_bundle_may_go_down_a_pipe(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"}))
    done = subprocess.run([str(AGENT), "collect", "--profile", "mine", "--output", "-"], capture_output=True,
                          env={**os.environ, **host.env}, check=True)
    (host.place / "piped").write_bytes(done.stdout)
    assert Bundle(host.place / "piped").text("cmd/site/one") == "one\n"
    assert hashlib.sha256(done.stdout).hexdigest() in done.stderr.decode()


def test_a_bundle_for_a_recipient_is_opened_by_openssl(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, plain-words]"}))
    key, cert = host.place / "etc" / "key.pem", host.place / "etc" / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=desk", "-keyout", key,
                    "-out", cert], capture_output=True, check=True)
    output = host.place / "sealed"
    host.command("collect", "--profile", "mine", "--recipient", cert, "--output", output)
    opened = host.place / "opened"
    subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", output, "-inkey", key, "-recip", cert,
                    "-out", opened], capture_output=True, check=True)
    bundle = Bundle(opened)
    assert bundle.text("cmd/site/one") == "plain-words\n"
    assert bundle.json("MANIFEST.json")["plan"]["encrypted"] is True


def test_nothing_hidden_needs_policy_and_a_yes(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"}))
    done, bundle = host.collect("--level", "off", "--yes", check=False)
    assert done.returncode == DENIED and "collect.levels" in done.stderr and bundle is None


@pytest.mark.parametrize("argv, words", [
    (["--since", "whenever"], "no time"),
    (["--since", "1h", "--around", "09:00"], "around a moment"),
    (["--boot", "last"], "no boot"),
    (["--level", "none"], "choose secrets, identities or off"),
])
def test_what_means_nothing_is_refused_with_a_sentence(host, argv, words):
    done, bundle = host.collect(*argv, check=False, profile="quick")
    assert done.returncode in (INVALID, DENIED) and words in done.stderr and bundle is None
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_file_that_is_there_is_not_replaced(host):
    (host.place / "bundle.tar.zst").write_text("mine")
    done = host.command("collect", "--profile", "quick", "--output", host.place / "bundle.tar.zst", check=False)
    assert done.returncode == EXISTS
    assert (host.place / "bundle.tar.zst").read_text() == "mine"


def serve_tls(place):
    """A server that says "fine" over TLS; returns its port."""
    key, cert = place / "etc" / "server-key.pem", place / "etc" / "server.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=shop.invalid", "-addext",
                    "subjectAltName=DNS:shop.invalid", "-days", "30", "-keyout", key, "-out", cert],
                   capture_output=True, check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"fine\npassword=hunter2\n")

    def log_message(self, *_):
        pass


def test_probes_tell_what_a_service_answers_and_shows(host):
    port = serve_tls(host.place)
    host.profile().collectors(rows(
        {"name": "page", "kind": "http", "sources": f"url: \"https://127.0.0.1:{port}/x?y=z\""},
        {"name": "moved", "kind": "http", "sources": f"url: \"https://127.0.0.1:{port}/moved\""},
        {"name": "tls", "kind": "tls", "sources": f"address: \"127.0.0.1:{port}\""}))
    _, bundle = host.collect()
    assert bundle.text("cmd/site/page") == "fine\npassword=[redacted:assignment]\n"
    assert bundle.json("cmd/site/page.meta.json")["status"] == 200
    assert bundle.json("cmd/site/moved.meta.json")["status"] == 302
    facts = bundle.json("snapshot/tls/tls.json")
    assert facts["verified"] is False and facts["certificates"][0]["names"] == ["shop.invalid"]
    assert 28 <= facts["certificates"][0]["days_left"] <= 30 and not facts["certificates"][0]["expired"]


# ---- definitions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text, words", [
    ("collectors:\n  - name: x\n    summary: y\n    kind: command\n", 'x.yaml:2: kind command needs "command"'),
    (rows({"name": "x", "sources": "command: [/tmp/evil]"}), "x.yaml:7: the program must be"),
    (rows({"name": "x", "kind": "kernel", "sources": "paths: [/etc/passwd]"}), "below /proc and /sys"),
    (rows({"name": "x", "kind": "files", "sources": "paths: [/var/../etc]"}), 'no ".."'),
    (rows({"name": "x", "sources": "command: [ls, \"{planet}\"]"}), "x.yaml:7: nobody knows what {planet} is"),
    (rows({"name": "memory", "sources": "command: [ls]"}), "a built-in collector has the name"),
    (rows({"name": "x", "kind": "http", "sources": "url: \"http://user:word@localhost/\""}), "never sends"),
    ("collectors:\n  - name: x\n    paths2: y\n", 'did you mean "paths"'),
    ("name: x\nsummary: y\nextends: nothing\n", 'x.yaml:3: there is no profile "nothing" to extend'),
    ("name: x\nsummary: y\nextends: x\n", "x.yaml:3: there is no profile"),
    ("name: x\nsummary: y\nsince: 7 parsecs\n", "x.yaml:3: "),
    ("name: x\nsummary: y\ncollectors: [memrey*]\n", 'x.yaml:3: no collector is called "memrey*"'),
    ("name: x\nsummary: y\nexclude: [memrey]\n", 'x.yaml:3: no collector and no group is called "memrey"'),
    ("name: x\nsummary: y\nlimits:\n  - collector: z\n    max: much\n", "x.yaml:5: max must be a size"),
])
def test_a_mistake_is_named_with_file_and_line(host, text, words):
    (host.place / "x.yaml").write_text(text)
    done = host.command("profile", "lint", host.place / "x.yaml", check=False)
    assert done.returncode == CONFIG
    assert words in done.stderr and "x.yaml:" in done.stderr


def test_an_analyzer_of_a_fact_that_there_is_not_is_a_mistake(host):
    rule = "rules: [{{id: x, severity: info, summary: s, remedy: r, when: [{{fact: {{name: {}, above: 1}}}}]}}]\n"
    (host.place / "x.yaml").write_text(rule.format("disk_*_percent"))
    host.command("analyzers", "lint", host.place / "x.yaml")
    (host.place / "x.yaml").write_text(rule.format("disk_usde"))
    done = host.command("analyzers", "lint", host.place / "x.yaml", check=False)
    assert done.returncode == CONFIG and 'rule x: no fact is called "disk_usde"' in done.stderr


def test_profiles_are_listed_and_shown(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"}))
    listed = {row["name"]: row for row in json.loads(host.command("profile", "list", "--json").stdout)}
    assert listed["mine"]["site"] and listed["mine"]["collectors"] == 1
    assert set(listed) >= {"quick", "standard", "full", "boot", "disk", "memory", "network", "service", "login",
                           "package", "security", "container"}
    shown = json.loads(host.command("profile", "show", "mine", "--json").stdout)
    assert [(row["name"], row["sources"]) for row in shown] == [("one", ["echo", "one"])]
    assert "checked" in host.command("profile", "lint").stdout


def test_a_profile_extends_another_and_changes_limits(host):
    host.profile("name: mine\nsummary: s\nextends: quick\nexclude: [processes]\nlimits:\n"
                 "  - collector: memory\n    timeout: 7s\n")
    shown = {row["name"]: row for row in json.loads(host.command("profile", "show", "mine", "--json").stdout)}
    assert shown["memory"]["timeout_ms"] == 7000
    assert "processes" not in shown and "health" in shown


def test_definitions_that_others_may_write_are_refused(host):
    host.profile()
    (host.etc / "profiles.d" / "mine.yaml").chmod(0o666)
    done, bundle = host.collect(check=False)
    assert done.returncode == DENIED and "chmod go-w" in done.stderr and bundle is None


# ---- trouble --------------------------------------------------------------------------------------


def test_trouble_is_bounded_named_and_stops_nothing(host):
    fifo, loop = host.data / "fifo", host.data / "loop"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    long_name = "n" * 255
    (host.data / long_name).write_text("long\n")
    (host.data / "new\nline").write_text("newline\n")
    with open(os.fsencode(host.data) + b"/\xff\xfe", "w", encoding="ascii") as file:
        file.write("bytes\n")
    (host.data / "big").write_text("line\n" * 100000)
    (host.data / "binary").write_bytes(b"\x7fELF\0\0\0")
    host.profile().collectors(rows(
        {"name": "files", "kind": "files", "sources": f"paths: [\"{host.data}/*\"]"},
        {"name": "hung", "timeout": "300ms", "sources": f"command: [sleep, \"1000{MARK}\"]"},
        {"name": "endless", "sources": "command: [cat, /dev/zero]"},
        {"name": "fails", "sources": "command: [ls, /nowhere]"},
        {"name": "refused", "kind": "http", "sources": "url: \"http://127.0.0.1:1/\""},
        {"name": "last", "sources": "command: [echo, last]"}))
    done, bundle = host.collect()
    assert bundle.text("cmd/site/last") == "last\n"
    assert "timeout" in bundle.noted("hung")
    assert "truncated" in bundle.noted("endless")
    assert "failed" in bundle.noted("fails") and "failed" in bundle.noted("refused")
    assert {"refused", "truncated"} <= bundle.noted("files")
    members = bundle.members
    assert members[f"root{host.data}/new%0Aline"] == b"newline\n"
    assert members[f"root{host.data}/%FF%FE"] == b"bytes\n"
    assert len(members[f"root{host.data}/big"]) <= 320 * 1024
    assert f"root{host.data}/binary" not in members and f"root{host.data}/fifo" not in members
    assert "could not be had" in done.stdout
    assert marked_processes() == []


def test_a_directory_of_many_files_is_bounded(host):
    crowd = host.data / "crowd"
    crowd.mkdir()
    for number in range(25000):
        (crowd / f"{number}").touch()
    host.profile().collectors(rows(
        {"name": "crowd", "kind": "files", "sources": f"paths: [\"{crowd}/*\"]"},
        {"name": "last", "sources": "command: [echo, last]"}))
    _, bundle = host.collect()
    assert bundle.noted("crowd") & {"timeout", "truncated"}
    assert bundle.text("cmd/site/last") == "last\n"


def test_a_growing_file_ends(host):
    log = host.data / "log"
    log.touch()
    stop = threading.Event()

    def grow():
        with open(log, "a", encoding="ascii") as file:
            while not stop.is_set():
                file.write("line\n" * 200)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        host.profile().collectors(rows({"name": "log", "kind": "files", "sources": f"paths: [\"{log}\"]"}))
        _, bundle = host.collect()
    finally:
        stop.set()
        writer.join()
    assert f"root{log}" in bundle.members


def test_a_full_disk_is_one_sentence(host):
    done = subprocess.run([str(AGENT), "collect", "--profile", "quick", "--output", "-"], text=True,
                          stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE, env={**os.environ, **host.env},
                          check=False)
    assert done.returncode == 74 and "space" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_interruption_leaves_nothing(host):
    host.profile().collectors(rows({"name": "one", "sources": "command: [echo, one]"},
                                   {"name": "hung", "sources": f"command: [sleep, \"1000{MARK}\"]"}))
    process = host.start()
    until(marked_processes, "the command runs")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == CANCELED
    assert errors.strip() == "towline-agent: interrupted: no bundle was made"
    assert host.bundles() == [] and list(host.tmp.iterdir()) == [] and marked_processes() == []


def descendants(root):
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
        except (OSError, IndexError):
            continue
    found, waiting = [], [root]
    while waiting:
        children = parents.get(waiting.pop(), [])
        found += children
        waiting += children
    return found


@pytest.mark.parametrize("victim", ["agent", "collector", "worker"])
def test_killed_processes_leave_nothing_behind(host, victim):
    host.profile().collectors(rows(
        {"name": "hung", "timeout": "3s", "sources": f"command: [sh, -c, \"sleep 1000{MARK} & sleep 1000{MARK}\"]"},
        {"name": "last", "sources": "command: [echo, last]"}))
    process = host.start()
    until(lambda: len(marked_processes()) >= 2, "the commands run")
    collector = next(pid for pid in descendants(process.pid)
                     if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith("towline-collect"))
    sleeping = marked_processes()
    worker = next(pid for pid in descendants(collector) if set(descendants(pid)) & set(sleeping))
    os.kill({"agent": process.pid, "collector": collector, "worker": worker}[victim], signal.SIGKILL)
    process.communicate(timeout=60)
    if victim == "worker":
        assert process.returncode == 0
        bundle = Bundle(host.place / "bundle.tar.zst")
        assert bundle.text("cmd/site/last") == "last\n" and bundle.noted("hung") == {"failed"}
    else:
        assert process.returncode != 0
        assert host.bundles() == []
    until(lambda: not pathlib.Path(f"/proc/{collector}").exists(), "the collector has ended")
    until(lambda: marked_processes() == [], "no command is left")
    assert list(host.tmp.iterdir()) == []


def test_killed_at_any_point_no_half_bundle_stays(host):
    host.profile("name: mine\nsummary: s\nextends: quick\n")
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        process = host.start()
        try:
            process.wait(delay)
        except subprocess.TimeoutExpired:
            pass
        process.kill()
        process.communicate(timeout=60)
        for path in host.bundles():
            Bundle(path)
            path.unlink()
        assert list(host.tmp.iterdir()) == []


def test_nothing_on_the_host_changes(host):
    def state():
        modules = sorted(path.name for path in pathlib.Path("/sys/module").iterdir())
        return modules, pathlib.Path("/proc/self/mounts").read_text()

    before = state()
    host.collect(profile="standard")
    assert state() == before
