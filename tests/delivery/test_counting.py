"""The reader that rolls up: how far it is behind what was told."""

from __future__ import annotations

from pathlib import Path

import pytest

from heliograph.contracts import Changes
from heliograph.delivery.counting import Counting
from heliograph.errors import StoreBusy
from heliograph.store import open_store
from tests.store.postgres.making import accept, fact, made, new


async def test_the_lag_is_what_is_not_counted_durably(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(f"sqlite:///{tmp_path / 's.db'}", serve=True)
    await store.open()
    counting = Counting(store)
    store.on_facts = lambda position, facts, lives: counting.told(position, facts)
    await counting._catch_up()  # without its timer
    try:
        assert counting.lag == 0
        for _ in range(3):
            message = new()
            await store.commit(accept(message))
            await store.commit(Changes(facts=[fact(made(message))]))
        assert counting.lag == 3
        keep = store.add_counts

        async def busy(*_: object) -> None:
            raise StoreBusy("locked")

        monkeypatch.setattr(store, "add_counts", busy)
        with pytest.raises(StoreBusy):
            await counting.keep()
        assert counting.lag == 3
        monkeypatch.setattr(store, "add_counts", keep)
        await counting._catch_up()
        assert counting.lag == 0
    finally:
        await counting.stop()
        await store.close()
