"""``panorad audit verify`` beside a running center: the log holds, and one changed byte is named."""

import re
import time
from collections.abc import Callable

import psycopg
import pytest

from panorad.kit.postgres import EmbeddedPostgres

from .dicomweb import search, stow
from .images import ct_series
from .processes import Center

pytestmark = pytest.mark.peers


def test_the_log_holds_and_one_changed_byte_is_named(fresh_center: Callable[..., Center]) -> None:
    center = fresh_center()
    assert stow(center.dicomweb, [raw for _, raw in ct_series(2, patient="AUDIT-1", size=16)]).status_code == 200
    search(center.dicomweb, "studies", PatientID="AUDIT-1")
    said = center.run("audit", "verify")
    found = re.search(r"(\d+) events under (\d+) seals agree; head (\d+:[0-9a-f]{64})", said)
    assert found, said
    count, _, head = found.groups()
    assert int(count) >= 4
    assert center.run("audit", "verify", "--head", head)

    with psycopg.connect(EmbeddedPostgres(center.home / "postgres").dsn, autocommit=True) as owner:
        deadline = time.monotonic() + 60
        while owner.execute("select max(number) from event_seal").fetchone()[0] <= int(head.split(":")[0]):  # the worker seals by itself
            assert time.monotonic() < deadline, "nothing was sealed"
            search(center.dicomweb, "studies", PatientID="AUDIT-1")
            time.sleep(1)
        victim = owner.execute("select min(id) from event where kind = 'query'").fetchone()[0]
        owner.execute("update event set objects = objects || '{\"x\": 1}' where id = %s", (victim,))
    done = center.command("audit", "verify")
    assert done.returncode == 2
    assert f"event {victim} was changed" in done.stderr
