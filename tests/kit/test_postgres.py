"""The embedded PostgreSQL: whoever reaches its socket owns the database, so its folders are ours alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from panorad.kit.postgres import EmbeddedPostgres, PostgresFailed


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.data.mkdir(parents=True)
    server.data.chmod(0o755)
    with pytest.raises(PostgresFailed, match="others may enter"):
        server.start()


def test_a_link_in_place_of_the_socket_folder_is_refused(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "postgres")
    server.socket.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    server.socket = tmp_path / "run"
    server.socket.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PostgresFailed, match="belongs to somebody else"):
        server.start()
