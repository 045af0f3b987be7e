"""Numbered migrations, only forward: each runs once, in its own transaction, under an advisory lock."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from panorad.kit.errors import PanoradError

FOLDER = Path(__file__).parent.parent / "migrations"
_FILE = re.compile(r"^(\d{5})_[a-z0-9_]+\.sql$")
_LOCK = 0x70616E6F


class SchemaNewer(PanoradError):
    """The database was made by a newer Panorad than this one"""


def available() -> list[tuple[int, Path]]:
    """The numbered migrations in order."""
    found = ((match, path) for path in FOLDER.iterdir() if (match := _FILE.match(path.name)))
    return sorted((int(match[1]), path) for match, path in found)


def migrate(dsn: str) -> list[int]:
    """Bring the database to this version; returns the numbers that ran. Raises SchemaNewer for a database from the future."""
    ran = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(
            "create table if not exists schema_version (number integer primary key, applied_at timestamptz not null default now())"
        )
        row = connection.execute("select coalesce(max(number), 0) from schema_version").fetchone()
        at = row[0] if row else 0
        steps = available()
        if at > steps[-1][0]:
            raise SchemaNewer(f"its schema is {at}, this program knows {steps[-1][0]}")
        for number, path in steps:
            if number > at:
                with connection.transaction():
                    connection.execute(path.read_text("utf-8"))
                    connection.execute("insert into schema_version (number) values (%s)", (number,))
                ran.append(number)
    return ran
