"""The migrations lead to `schema.sql`, run once each, and leave a newer database alone."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from panorad.app.schema import FILE, dumped
from panorad.kit.migrate import SchemaNewer, available, migrate
from panorad.kit.postgres import EmbeddedPostgres, programs


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("schema") / "postgres")
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def database(server: EmbeddedPostgres, request: pytest.FixtureRequest) -> str:
    """An empty database of its own."""
    name = re.sub(r"\W", "_", request.node.name).lower()
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    return server.dsn.replace("dbname=panorad", f"dbname={name}")


def test_migrations_lead_to_the_schema(database: str) -> None:
    migrate(database)
    assert dumped(database) == FILE.read_text("utf-8"), "run python -m panorad.app.schema and commit what it writes"


def test_the_schema_makes_the_database_that_it_describes(database: str, server: EmbeddedPostgres) -> None:
    migrate(server.dsn)  # makes the role, which belongs to the server
    command = [programs() / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={database}", f"--file={FILE}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert dumped(database) == FILE.read_text("utf-8")


def test_migrating_again_changes_nothing(database: str) -> None:
    assert migrate(database) == [number for number, _ in available()]
    before = dumped(database)
    assert migrate(database) == []
    assert dumped(database) == before


def test_a_newer_database_is_refused_and_left_alone(database: str) -> None:
    migrate(database)
    newest = available()[-1][0]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("insert into schema_version (number) values (%s)", (newest + 1,))
    with pytest.raises(SchemaNewer, match=f"schema is {newest + 1}, this program knows {newest}"):
        migrate(database)
    assert dumped(database) == FILE.read_text("utf-8")


def test_numbers_of_migrations_have_no_gap() -> None:
    assert [number for number, _ in available()] == list(range(1, len(available()) + 1))


def test_every_sql_file_here_is_a_migration_or_the_schema() -> None:
    numbered = {path for _, path in available()}
    assert set(Path(FILE.parent).glob("*.sql")) == numbered | {FILE}
