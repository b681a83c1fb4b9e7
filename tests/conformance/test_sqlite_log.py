"""How far a write-ahead log is filled whose file is used again."""

from __future__ import annotations

from pathlib import Path

from greenroom.adapters.journals.sqlite_log import Log
from greenroom.adapters.journals.sqlite_schema import connect

FRAME = 4096 + 24


def test_a_log_that_begins_anew_keeps_its_blocks_and_tells_what_is_in_them(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    log = Log(path)
    assert (log.begun_anew(), log.reaches(FRAME)) == (False, False)
    db = connect(path, durability="full", busy_s=1.0)
    wal = Path(f"{path}-wal")
    db.execute("CREATE TABLE t(body)")
    db.execute("INSERT INTO t VALUES (zeroblob(200000))")
    size = wal.stat().st_size

    assert log.begun_anew()
    assert not log.begun_anew()
    assert (log.reaches(32 + FRAME), log.reaches(size - 1), log.reaches(size)) == (
        True,
        True,
        False,
    )

    db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    db.execute("INSERT INTO t VALUES (1)")
    assert wal.stat().st_size == size
    assert log.begun_anew()
    assert (log.reaches(33), log.reaches(size - 1)) == (True, False)
    log.close()
    db.close()
