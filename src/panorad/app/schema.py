"""`python -m panorad.app.schema [FILE]`: write `schema.sql`, the database that the numbered migrations lead to.

The file is the truth to read and to review; migrations are the way to it. A test proves that they agree, so this is run
after each new migration, and what it writes is part of the change.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from panorad.kit.errors import PanoradError
from panorad.kit.migrate import FOLDER, migrate
from panorad.kit.postgres import EmbeddedPostgres, programs

FILE = FOLDER / "schema.sql"
HEAD = """-- The whole database as the numbered migrations make it: written by `python -m panorad.app.schema`, kept right by a test.
-- The role panorad_app exists beside the database. The monthly partitions of the event table are left out.

SET check_function_bodies = false;
"""
_MONTHLY = "public.event_2*"
_NOISE = re.compile(r"^(?:--.*|SET .*|\\(?:un)?restrict .*|SELECT pg_catalog\.set_config.*)$\n?", re.MULTILINE)


class DumpFailed(PanoradError):
    """The schema could not be read from the database"""


def dumped(dsn: str) -> str:
    """The schema of a database as SQL, without what differs from one server or month to the next. Raises DumpFailed."""
    options = ["--schema-only", "--no-owner", "--no-tablespaces", f"--exclude-table={_MONTHLY}", f"--dbname={dsn}"]
    done = subprocess.run([programs() / "pg_dump", *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise DumpFailed(done.stderr.strip())
    body = re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", done.stdout)).strip()
    return f"{HEAD}\n{body}\n"


def schema() -> str:
    """The schema that the migrations lead to from nothing, made in a server of its own."""
    with tempfile.TemporaryDirectory(prefix="panorad-schema-") as folder:
        server = EmbeddedPostgres(Path(folder) / "postgres")
        try:
            server.start()
            migrate(server.dsn)
            return dumped(server.dsn)
        finally:
            server.stop()


def main() -> None:
    """Write it."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    file.write_text(schema(), "utf-8")


if __name__ == "__main__":
    main()
