"""Fixtures of the system tests. A relay is made on each store that there is: SQLite always, PostgreSQL where
TOWLINE_TEST_POSTGRESQL names one (tests/run starts it)."""

import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import towline  # noqa: E402

STORES = ["sqlite"] + (["postgresql"] if os.environ.get("TOWLINE_TEST_POSTGRESQL") else [])


def make_database():
    """A new database in the cluster of the test run; returns its URL."""
    url = os.environ["TOWLINE_TEST_POSTGRESQL"]
    name = towline.random_name("relay").replace("-", "_")
    subprocess.run(["psql", "-qXw", url, "-c", f"CREATE DATABASE {name}"], check=True)
    return url.rsplit("/", 1)[0] + "/" + name


@pytest.fixture
def place():
    """A short temporary directory, since Unix socket paths are limited; other accounts may pass through it."""
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        os.chmod(directory, 0o711)
        yield pathlib.Path(directory)


@pytest.fixture(params=STORES)
def store(request):
    return make_database() if request.param == "postgresql" else None


@pytest.fixture
def relay(place, store):
    relay = towline.Relay(place / "relay", store).start()
    yield relay
    relay.program.stop()


@pytest.fixture
def engineer(place, relay):
    return towline.Engineer(place / "engineer", relay).log_in()


@pytest.fixture
def make_endpoint(place, relay):
    made = []

    def make(name=None, **kwargs):
        name = name or towline.random_name("host")
        endpoint = towline.Endpoint(place / name, name, relay, **kwargs)
        made.append(endpoint)
        return endpoint

    yield make
    for endpoint in made:
        endpoint.stop()


@pytest.fixture
def endpoint(make_endpoint):
    """Enrolled, running and connected."""
    endpoint = make_endpoint()
    endpoint.enrol()
    return endpoint.start_helper().start_agent()
