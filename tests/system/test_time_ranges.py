"""Logs cut to a range of time, from the command line to the bundle."""

import gzip
import json
import lzma
import os
import subprocess
import tarfile
import time

import pytest
from towline import BIN, run

HOUR = 3600


def stamp(seconds, style="%Y-%m-%dT%H:%M:%SZ"):
    return time.strftime(style, time.gmtime(seconds))


def members(bundle):
    """The bundle's members: path below the top directory → text."""
    packed = subprocess.run(["zstd", "-dc", bundle], check=True, stdout=subprocess.PIPE).stdout
    tar = bundle.with_suffix(".plain")
    tar.write_bytes(packed)
    with tarfile.open(tar) as archive:
        return {m.name.split("/", 1)[1]: archive.extractfile(m).read().decode() for m in archive}


class Logs:
    """A site's own logs, with a collector of their own."""

    def __init__(self, place):
        self.place = place
        self.dir = place / "logs"
        self.dir.mkdir()
        (place / "etc" / "collectors.d").mkdir(parents=True)
        (place / "etc" / "collectors.d" / "app.yaml").write_text(
            "collectors:\n  - name: app-logs\n    kind: files\n    summary: the application's logs\n"
            f"    timed: true\n    paths: [\"{self.dir}/*.log\"]\n")
        self.env = {**os.environ, "TOWLINE_ETC": str(place / "etc"), "TZ": "UTC",
                    "XDG_CACHE_HOME": str(place)}

    def put(self, name, text, newest):
        path = self.dir / name
        data = text.encode()
        packers = {".gz": gzip.compress, ".xz": lzma.compress}
        path.write_bytes(packers.get(path.suffix, lambda plain: plain)(data))
        os.utime(path, (newest, newest))

    def collect(self, *argv, check=True):
        bundle = self.place / "x.tar.zst"
        bundle.unlink(missing_ok=True)
        done = run(BIN / "towline-agent", "collect", "--profile", "quick", "--include", "app-logs",
                   "--output", bundle, *argv, env=self.env, check=check)
        return members(bundle) if done.returncode == 0 else done

    def of(self, found):
        prefix = f"root{self.dir}/"
        return {name.removeprefix(prefix): text for name, text in found.items() if name.startswith(prefix)}


@pytest.fixture
def logs(place):
    return Logs(place)


def notes(found):
    return [json.loads(line) for line in found["errors.jsonl"].splitlines()]


def write_day(logs, now):
    """A line each quarter of an hour of the last day, over a log and two rotations."""
    lines = [(now - i * HOUR // 4, f"{stamp(now - i * HOUR // 4)} line {i}\n\tmore of {i}\n") for i in range(96)]
    for name, first, last in (("app.log", 0, 8), ("app.log.1.gz", 8, 40), ("app.log.2.xz", 40, 96)):
        part = lines[first:last]
        logs.put(name, "".join(text for _, text in reversed(part)), part[0][0])


def test_a_span_is_cut_out_of_the_rotations(logs):
    now = int(time.time())
    write_day(logs, now)
    found = logs.of(logs.collect("--since", stamp(now - 11 * HOUR), "--until", stamp(now - 9 * HOUR)))
    assert set(found) == {"app.log.1", "app.log.2"}
    numbers = [int(line.split()[-1]) for text in found.values() for line in text.splitlines() if " line " in line]
    assert sorted(numbers) == list(range(36, 45))
    assert all(text.count("\tmore") == text.count(" line ") for text in found.values())


def test_around_a_moment(logs):
    now = int(time.time())
    write_day(logs, now)
    found = logs.of(logs.collect("--around", stamp(now - HOUR) + "±5m"))
    assert [*found["app.log"].splitlines()] == [f"{stamp(now - HOUR)} line 4", "\tmore of 4"]


def test_the_range_is_in_the_manifest(logs):
    now = int(time.time())
    write_day(logs, now)
    manifest = json.loads(logs.collect("--since", stamp(now - HOUR))["MANIFEST.json"])
    assert stamp(now - HOUR)[:19] in json.dumps(manifest)


def test_a_log_with_nothing_of_that_time_is_named(logs):
    now = int(time.time())
    logs.put("old.log", f"{stamp(now - 50 * HOUR)} x\n", now - 50 * HOUR)
    found = logs.collect("--since", "1h")
    assert not logs.of(found)
    assert any(n["kind"] == "outside" and n["source"].endswith("old.log") for n in notes(found))


def test_secrets_in_a_compressed_rotation_are_hidden(logs):
    now = int(time.time())
    logs.put("app.log.1.gz", f"{stamp(now - 60)} password=Tr0ub4dor-and-3\n", now - 60)
    found = logs.of(logs.collect("--since", "1h"))
    assert "Tr0ub4dor" not in found["app.log.1"] and "[redacted:" in found["app.log.1"]


def test_a_range_that_ends_before_it_begins_is_refused(logs):
    done = logs.collect("--since", "1h", "--until", "2h", check=False)
    assert done.returncode in (64, 65)
    assert done.stderr.strip()


def test_a_huge_log_is_searched_and_not_read(logs):
    now = int(time.time())
    with open(logs.dir / "huge.log", "wb") as out:
        for i in range(2048):
            out.seek(i << 19)
            out.write(f"\n{stamp(now - (2048 - i) * 60)} line {i}\n".encode())
    os.utime(logs.dir / "huge.log", (now, now))
    found = logs.of(logs.collect("--since", stamp(now - 1024 * 60), "--until", stamp(now - 1024 * 60)))
    assert "line 1024\n" in found["huge.log"] and "line 1023\n" not in found["huge.log"]


def test_a_rotation_meanwhile_loses_and_doubles_nothing(logs):
    now = int(time.time())
    for _ in range(6):
        for index, name in enumerate(("app.log", "app.log.1", "app.log.2", "app.log.3")):
            logs.put(name, f"{stamp(now - index * 60)} file {index}\n", now - index * 60)
        with subprocess.Popen([BIN / "towline-agent", "collect", "--json", "--profile", "quick", "--include", "app-logs",
                               "--since", "1h", "--output", logs.place / "r.tar.zst"],
                              env=logs.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            running.stdout.readline()  # it has begun
            for index in (3, 2, 1):
                os.rename(logs.dir / f"app.log.{index}", logs.dir / f"app.log.{index + 1}")
            os.rename(logs.dir / "app.log", logs.dir / "app.log.1")
            running.communicate()
        found = logs.of(members(logs.place / "r.tar.zst"))
        lines = sorted(line.split(" ", 1)[1] for text in found.values() for line in text.splitlines())
        assert lines == ["file 0", "file 1", "file 2", "file 3"]
        for path in [*logs.dir.iterdir(), logs.place / "r.tar.zst"]:
            path.unlink()
