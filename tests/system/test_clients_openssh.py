"""OpenSSH's clients in both lanes: what `ssh`, `scp`, `sftp`, `rsync` and `git` do to a server."""

import os
import re
import subprocess
import threading

import clients
import pytest
from clients import HOST, LANES, digest

BULK = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def desk():
    with clients.open_desk() as desk:
        yield desk


def offered(desk, lane):
    """What the server in that lane offers: of each list of its proposal its names. A jump talks to the relay first."""
    done = desk.ssh(lane, "true", options=["-vv"])
    text = done.stderr.decode().split("debug2: peer server KEXINIT proposal")[-1]
    rows = re.findall(r"debug2: (KEX algorithms|ciphers stoc|MACs stoc): (\S+)", text)[:3]
    return {title: names.split(",") for title, names in rows}


def every_algorithm(desk, lane):
    lists = offered(desk, lane)
    for name in lists["KEX algorithms"]:
        if not name.startswith(("ext-info", "kex-strict")):
            yield ["-o", f"KexAlgorithms={name}"]
    for cipher in lists["ciphers stoc"]:
        if "ctr" not in cipher:
            yield ["-c", cipher]
            continue
        for mac in lists["MACs stoc"]:
            yield ["-c", cipher, "-m", mac]


@pytest.mark.parametrize("lane", LANES)
def test_every_algorithm_that_is_offered_works(desk, lane):
    tried = list(every_algorithm(desk, lane))
    assert len(tried) > 6
    for options in tried:
        done = desk.ssh(lane, "cat; exit 7", options=options, stdin=b"in" * 5000)
        assert (done.returncode, done.stdout) == (7, b"in" * 5000), (options, done.stderr)


@pytest.mark.parametrize("lane", LANES)
def test_bulk_stays_intact_both_ways_at_once_while_keys_change(desk, lane):
    data = os.urandom(BULK)
    done = desk.ssh(lane, "cat", options=["-o", "RekeyLimit=1M"], stdin=data, timeout=180)
    assert digest(done.stdout) == digest(data), done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_compression_is_a_choice_of_the_client(desk, lane):
    done = desk.ssh(lane, "cat; cat /dev/null >&2", options=["-C"], stdin=b"same " * 200_000)
    assert done.stdout == b"same " * 200_000, done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_statuses_signals_and_ends_are_passed_on(desk, lane):
    for command, stdin, status, out in [
        ("exit 0", b"", 0, b""),
        ("exit 255", b"", 255, b""),
        ("kill -TERM $$", b"", 255, b""),
        ("cat; echo end", b"text", 0, b"textend\n"),
        ("exec >&- 2>&-; exit 5", b"", 5, b""),
        ("sleep 60 >/dev/null 2>&1 </dev/null & echo $!", b"", 0, None),
        ("head -c 100000 /dev/zero; exit 3", b"", 3, bytes(100000)),
        ("exec <&-; echo deaf", b"x" * 300_000, 0, b"deaf\n"),
    ]:
        done = desk.ssh(lane, command, stdin=stdin)
        assert done.returncode == status, (command, done.stderr)
        assert out is None or done.stdout == out, (command, done.stderr)
        if out is None:
            os.kill(int(done.stdout), 15)


@pytest.mark.parametrize("lane", LANES)
def test_a_program_whose_output_nobody_reads_any_more_ends(desk, lane):
    options, host = desk.options(lane)
    mark = desk.remote / f"ended-{lane}"
    argv = ["timeout", "30", "ssh", *options, host, f"yes 2>/dev/null; echo $? >{mark}; exit 6"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as client:
        assert client.stdout.read(2) == b"y\n"
        client.stdout.close()
        assert client.wait(60) == 6
    assert mark.read_text() in ("141\n", "1\n")  # SIGPIPE, or EPIPE where that is ignored


@pytest.mark.parametrize("lane", LANES)
def test_a_command_on_a_terminal_has_its_size_and_status(desk, lane):
    done = desk.run("script", "-qec", " ".join(
        ["stty rows 31 columns 97; ssh", *desk.options(lane)[0], "-t", desk.options(lane)[1], "'tty; stty size; exit 9'"]),
        "/dev/null")
    assert done.returncode == 9, done.stdout
    assert b"/dev/pts/" in done.stdout and b"31 97" in done.stdout


@pytest.mark.parametrize("lane", LANES)
def test_a_script_on_standard_input_runs(desk, lane):
    """As the bootstrap of editors that work remotely does."""
    script = b"uname -s\nprintf '%s\\n' \"$(id -un)\"\n" + b"# padding\n" * 20_000 + b"exit 4\n"
    done = desk.ssh(lane, "bash", options=["-T"], stdin=script)
    assert (done.stdout.split()[0], done.returncode) == (b"Linux", 4), done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_many_channels_of_one_connection_run_side_by_side(desk, lane):
    options, host = desk.options(lane)
    shared = [*options, "-S", str(desk.place / f"cm-{lane}")]
    master = desk.run("ssh", *shared, "-M", "-fN", "-o", f"ControlPersist={60}", host)
    assert master.returncode == 0, master.stderr
    data = os.urandom(3_000_000)
    wrong = []

    def use(number):
        done = desk.run("ssh", *shared, host, f"cat; exit {number}", stdin=data)
        if (done.returncode, digest(done.stdout)) != (number, digest(data)):
            wrong.append((number, done.returncode, done.stderr))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(60):  # one after the other: no channel is left behind
        done = desk.run("ssh", *shared, host, f"exit {number}")
        assert done.returncode == number, done.stderr
    desk.run("ssh", *shared, "-O", "exit", host)
    assert not wrong


@pytest.mark.parametrize("lane", LANES)
def test_quick_connections_one_after_the_other_all_get_in(desk, lane):
    for number in range(10):
        done = desk.ssh(lane, f"exit {number}")
        assert done.returncode == number, done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_a_client_that_asks_whether_we_are_alive_gets_its_answer(desk, lane):
    done = desk.ssh(lane, "sleep 3; echo alive", options=["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=1"])
    assert done.stdout == b"alive\n", done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_a_command_may_be_long_but_is_told_where_that_ends(desk, lane):
    done = desk.ssh(lane, " " * 31_000 + "echo long")
    assert done.stdout == b"long\n", done.stderr
    for command, why in ((" " * 40_000 + "echo", "32768 bytes"), (b"echo caf\xe9", "UTF-8")):
        options, host = desk.options(lane)
        done = subprocess.run(["ssh", *options, host, command], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 255
        assert why in done.stderr.decode(), done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_copies_of_every_kind_arrive(desk, lane):
    options, host = desk.options(lane)
    data = clients.random_file(desk.local / "file", 3_000_000)
    there = desk.remote / lane
    there.mkdir()
    batch = f"ls -l {there}\nget {there}/scp {desk.local}/back\nchmod 600 {there}/scp\nrename {there}/scp {there}/sftp\n"
    for argv, stdin, name in [
        (["scp", *options, "-q", desk.local / "file", f"{host}:{there}/scp"], "", "scp"),
        (["scp", *options, "-q", "-O", "-p", desk.local / "file", f"{host}:{there}/legacy"], "", "legacy"),
        (["sftp", *options, "-b", "-", host], batch, "sftp"),
        (["rsync", "-az", "-e", f"ssh {' '.join(options)}", desk.local / "file", f"{host}:{there}/rsync"], "", "rsync"),
    ]:
        done = desk.run(*argv, stdin=stdin.encode())
        assert done.returncode == 0, (argv[0], done.stderr)
        assert digest((there / name).read_bytes()) == digest(data), name
    assert digest((desk.local / "back").read_bytes()) == digest(data)
    done = desk.run("scp", *options, "-q", "-O", "-r", f"{host}:{there}", desk.local / lane)
    assert sorted(path.name for path in (desk.local / lane).iterdir()) == ["legacy", "rsync", "sftp"], done.stderr


@pytest.mark.parametrize("lane", LANES)
def test_git_pushes_and_clones(desk, lane):
    options, host = desk.options(lane)
    work, bare = desk.local / f"work-{lane}", desk.remote / f"{lane}.git"
    env = {"GIT_SSH_COMMAND": " ".join(["ssh", *options]), "GIT_CONFIG_NOSYSTEM": "1"}
    work.mkdir()
    clients.random_file(work / "big", 2_000_000)

    def git(*argv):
        done = desk.run("git", "-C", work, "-c", "user.name=e", "-c", "user.email=e@example.net", *argv, env=env)
        assert done.returncode == 0, (argv, done.stderr)

    git("init", "-q", "--bare", bare)
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-qm", "first")
    git("push", "-q", f"{host}:{bare}", "main")
    git("clone", "-q", "-b", "main", f"{host}:{bare}", desk.local / f"clone-{lane}")
    assert (desk.local / f"clone-{lane}" / "big").read_bytes() == (work / "big").read_bytes()


@pytest.mark.parametrize("kind", ["ecdsa-256", "ecdsa-521", "rsa-3072"])
def test_user_keys_of_every_kind_log_in(desk, kind):
    name, bits = kind.split("-")
    key = desk.place / kind
    subprocess.run(["ssh-keygen", "-q", "-t", name, "-b", bits, "-N", "", "-f", key], check=True)
    desk.relay.command("user", "key", "add", desk.engineer.login, key.with_suffix(".pub"))
    text = desk.config.read_text().replace(str(desk.key), str(key))
    (desk.place / f"config-{kind}").write_text(text)
    for lane in LANES:
        options, host = desk.options(lane)
        done = desk.run("ssh", "-F", desk.place / f"config-{kind}", *options[2:], host, "echo in")
        assert done.stdout == b"in\n", (lane, done.stderr)


