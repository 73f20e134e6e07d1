"""What the table of collectors takes from the machine that the tests run on."""
import json
import os
import pathlib
import socket
import subprocess
import tempfile

import pytest

BIN = pathlib.Path(os.environ.get("TOWLINE_BIN_DIR", "build/dev/bin")).resolve()
# These read every file of the system: minutes, and nothing that the others do not show.
SLOW = ["package-files-changed*", "set-uid-files", "updates*"]
GROUPS = {"identity", "health", "memory", "processes", "storage", "network", "services", "packages", "security",
          "containers", "applications", "logs"}


def collect(directory, profile, exclude=()):
    """Runs the collecting program as the helper does; returns the unpacked bundle's directory."""
    bundle = directory / f"{profile}.tar.zst"
    with open(bundle, "wb") as out:
        request = json.dumps({"profile": profile, "exclude": list(exclude)})
        done = subprocess.run([BIN / "towline-collect"], input=request, capture_output=True, text=True, timeout=300,
                              pass_fds=(3,), preexec_fn=lambda: os.dup2(out.fileno(), 3))
    assert done.returncode == 0, done.stderr
    (directory / profile).mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", directory / profile], check=True, timeout=60)
    return next((directory / profile).iterdir())


class Scene:
    """Things that a collector has to find, for as long as the run lasts."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.deleted = tempfile.TemporaryFile()
        self.deleted.write(b"x" * 70000)
        self.deleted.flush()
        self.zombie = subprocess.Popen(["true"])
        os.waitid(os.P_PID, self.zombie.pid, os.WEXITED | os.WNOWAIT)

    def close(self):
        self.listener.close()
        self.deleted.close()
        self.zombie.wait()


@pytest.fixture(scope="module")
def scene():
    made = Scene()
    yield made
    made.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory, scene):
    modules = pathlib.Path("/proc/modules")
    before = {line.split()[0] for line in modules.read_text().splitlines()} if modules.exists() else set()
    root = collect(tmp_path_factory.mktemp("full"), "full", SLOW)
    after = {line.split()[0] for line in modules.read_text().splitlines()} if modules.exists() else set()
    assert after <= before, "the collection loaded modules"
    return root


def load(root, name):
    return json.loads((root / "snapshot" / name).read_text())


def items(root, what):
    snapshot = load(root, f"{what}.json")
    names = [item["name"] for item in snapshot["items"]]
    assert snapshot["schema"] == 1
    assert len(names) == len(set(names)), what
    return {item["name"]: item for item in snapshot["items"]}


def outcomes(root):
    return {row["collector"]: row["outcome"] for row in json.loads((root / "INDEX.json").read_text())["collectors"]}


def test_every_group_takes_part_and_no_row_fails(full):
    coverage = json.loads((full / "MANIFEST.json").read_text())["coverage"]
    assert {row["group"] for row in coverage} == GROUPS
    assert len(coverage) > 200
    assert [name for name, outcome in outcomes(full).items() if outcome == "failed"] == []


def test_host_says_who_it_is(full):
    identity = load(full, "identity.json")
    assert identity["kernel"] == os.uname().release
    assert identity["virtual_machine"] and identity["container"]
    assert (full / "root/etc/os-release").read_text() == pathlib.Path("/etc/os-release").read_text()
    assert "synchronised" in load(full, "time.json")


def test_snapshots_are_of_this_host(full):
    assert items(full, "mounts")["/"]["bytes"] == os.statvfs("/").f_blocks * os.statvfs("/").f_frsize
    assert items(full, "users")["user:root"]["uid"] == 0
    assert items(full, "interfaces")["lo"]["mtu"] == int(pathlib.Path("/sys/class/net/lo/mtu").read_text())
    swappiness = pathlib.Path("/proc/sys/vm/swappiness").read_text().strip()
    assert items(full, "sysctl")["vm.swappiness"]["value"] == swappiness
    assert items(full, "limits")["files_open"]["limit"] > 0
    assert len(items(full, "values/block-queues")) > 0


def test_listening_socket_is_found_with_its_process(full, scene):
    found = items(full, "listeners")[f"tcp 127.0.0.1:{scene.port}"]
    assert found["pid"] == os.getpid()


def test_deleted_but_open_file_is_found(full):
    mine = [item for item in items(full, "deleted-files").values() if item["pid"] == os.getpid()]
    assert any(item["bytes"] >= 65536 for item in mine)


def test_zombie_is_found_with_its_parent(full, scene):
    found = items(full, "blocked")[str(scene.zombie.pid)]
    assert found["state"] == "Z" and found["parent"] == os.getpid()


def test_activity_knows_the_processors_and_this_process(full):
    activity = load(full, "activity.json")
    assert abs(sum(activity["processors"].values()) - 100) < 1
    assert activity["top_memory"][0]["rss_bytes"] > 0
    assert activity["elapsed_ms"] > 0


def test_processes_and_their_files_are_listed(full):
    lines = (full / "snapshot/processes.tsv").read_text().splitlines()
    files = (full / "snapshot/process-files.tsv").read_text().splitlines()
    assert any(line.startswith(f"{os.getpid()}\t") for line in lines)
    assert any(line.startswith(f"{os.getpid()}\t") for line in files)


@pytest.mark.skipif(os.geteuid() != 0, reason="shadow is root's")
def test_no_password_hash_is_taken(full):
    entries = [line.split(":")[1] for line in pathlib.Path("/etc/shadow").read_text().splitlines()]
    secrets = [entry.encode() for entry in entries if len(entry) > 8]
    for path in full.rglob("*"):
        if path.is_file():
            contents = path.read_bytes()
            assert not any(secret in contents for secret in secrets), path
    assert not (full / "root/etc/shadow").exists()


def test_private_keys_are_not_taken(full):
    for path in full.rglob("*"):
        if path.is_file():
            assert b"PRIVATE KEY-----\nMII" not in path.read_bytes(), path
    assert not list((full / "root").rglob("*.key"))


def test_certificates_are_described(full):
    certificates = items(full, "certificates")
    for item in certificates.values():
        assert "certificates" in item or {"subject", "serial", "not_after", "days_left"} <= set(item)


def test_quick_and_standard_are_parts_of_full(full, tmp_path):
    everything = set(outcomes(full))
    standard = set(outcomes(collect(tmp_path, "standard")))
    quick = set(outcomes(collect(tmp_path, "quick")))
    assert quick < standard < everything


def test_nothing_is_left_behind(tmp_path):
    before = set(os.listdir("/var/tmp"))
    collect(tmp_path, "standard")
    assert set(os.listdir("/var/tmp")) <= before
