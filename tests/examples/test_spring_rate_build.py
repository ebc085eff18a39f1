"""Bundles and migrations of the sample service."""

import json
import sqlite3
import stat
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from spring_rate import EXAMPLE, example

pytestmark = pytest.mark.patient

build = example("build")
FILES = tuple(sorted(file.name for file in (EXAMPLE / "migrations").glob("*.sql")))


def make(version, out):
    return build.build(version, out, database_id="db-p", staging_database_id="db-s")


def read(bundle, name):
    return json.loads((bundle / name).read_text())


def binding(metadata, name):
    return next(each for each in metadata["bindings"] if each["name"] == name)


@pytest.mark.parametrize("version", build.VERSIONS)
def test_both_environments_get_the_same_bytes(tmp_path, version):
    """
    What staging tested must be what production gets; only the bindings differ.
    """
    bundle = make(version, tmp_path)

    production, staging = read(bundle, "metadata.json"), read(bundle, "metadata.staging.json")
    assert (bundle / "modules" / production["main_module"]).is_file()
    assert production | {"bindings": 0} == staging | {"bindings": 0}
    assert production["annotations"]["workers/tag"] == version
    assert binding(production, "ENVIRONMENT")["text"] == "production"
    assert binding(staging, "ENVIRONMENT")["text"] == "staging"
    assert binding(production, "DB")["id"] == "db-p"
    assert binding(staging, "DB")["id"] == "db-s"


def test_versions_share_a_secret_and_environments_do_not(tmp_path):
    """
    A client's token must be good on both sides of a split, and staging's on neither.
    """
    old, new = make("0.1.11", tmp_path), make("0.1.12", tmp_path)

    secret = binding(read(old, "metadata.json"), "SESSION_SECRET")["text"]
    assert binding(read(new, "metadata.json"), "SESSION_SECRET")["text"] == secret
    assert binding(read(new, "metadata.staging.json"), "SESSION_SECRET")["text"] != secret
    assert stat.S_IMODE((new / "metadata.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("version", [each for each in build.VERSIONS if each.startswith("0.1.13")])
def test_a_bad_version_differs_in_one_module(tmp_path, version):
    """
    A fault is a defect in one module, as in life, not a switch in shared code.
    """
    good, bad = make("0.1.12", tmp_path), make(version, tmp_path)

    changed = [
        file.name
        for file in sorted((bad / "modules").iterdir())
        if file.read_bytes() != (good / "modules" / file.name).read_bytes()
    ]
    assert len(changed) == 1


def test_an_unknown_version_is_refused(tmp_path):
    """
    The message lists what there is.
    """
    with pytest.raises(build.BuildError, match=r"no version '9.9'; there are 0.1.11, 0.1.12"):
        make("9.9", tmp_path)


@contextmanager
def d1_api(path):
    """D1's REST query endpoint over a SQLite file; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answer = run(path, body["sql"])
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *arguments):
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/client/v4"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(path, sql):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        if sql.startswith("SELECT"):
            rows = [dict(row) for row in connection.execute(sql)]
        else:
            connection.executescript(f"BEGIN;\n{sql}\nCOMMIT;")
            rows = []
    except sqlite3.Error as error:
        return 400, {"success": False, "errors": [{"code": 7500, "message": f"{error}: SQLITE_ERROR"}]}
    finally:
        connection.close()
    return 200, {"success": True, "errors": [], "result": [{"success": True, "results": rows, "meta": {}}]}


def test_migrations_are_applied_once(tmp_path):
    """
    A second run finds nothing to do.
    """
    with d1_api(tmp_path / "d1.sqlite") as url:
        first = build.apply_migrations(url, "account", "token", "db")
        second = build.apply_migrations(url, "account", "token", "db")

    assert first == FILES
    assert second == ()


def test_a_broken_migration_is_named_and_leaves_nothing(tmp_path):
    """
    The file that failed is rolled back as a whole; the ones before it stay.
    """
    directory = tmp_path / "migrations"
    directory.mkdir()
    (directory / "0001_good.sql").write_text("CREATE TABLE good (a);")
    (directory / "0002_bad.sql").write_text("CREATE TABLE half (a);\nCREATE TABEL bad (a);")

    with d1_api(tmp_path / "d1.sqlite") as url:
        with pytest.raises(build.MigrationError, match=r"0002_bad.sql.*HTTP 400: 7500: near"):
            build.apply_migrations(url, "account", "token", "db", directory=directory)
        _, answer = run(
            tmp_path / "d1.sqlite", "SELECT name FROM sqlite_master WHERE name IN ('good', 'half')"
        )

    assert answer["result"][0]["results"] == [{"name": "good"}]


def test_a_database_that_does_not_answer_is_an_error():
    """
    Nothing was applied, and the message says where it tried.
    """
    with pytest.raises(build.MigrationError, match=r"D1 did not answer at http://127.0.0.1:9"):
        build.apply_migrations("http://127.0.0.1:9", "account", "token", "db")


def test_the_traffic_file_is_what_the_program_writes():
    """
    The JSON is generated; an edit by hand would be lost.
    """
    traffic = example("traffic")

    mix = json.loads(traffic.MIX_FILE.read_text())

    assert mix == traffic.mix()
    assert len(mix["requests"]) == 10
    assert sum(request["weight"] for request in mix["requests"]) == 100
