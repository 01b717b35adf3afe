"""How long events took to be told is counted whichever way they went: by our own hand or the helper's, one or many."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from heliograph.contracts import Http
from heliograph.outbound import DirectHttp
from heliograph.outbound.helped import HelperHttp
from tests.delivery.outbox_stage import Stage
from tests.outbound.conftest import Sink


@pytest.fixture(params=["direct", "helper"])
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Http]:
    direct = DirectHttp(allow_private_addresses=True)
    if request.param == "direct":
        yield direct
        await direct.close()
        return
    helper = HelperHttp(direct, allow_private_addresses=True, starts_at=10)
    await helper.start_helper()
    assert helper.helping
    yield helper
    assert helper.helping  # until the end: nothing went by our own hand
    await helper.close()


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("tries", [1, 2])
async def test_every_way_of_telling_is_counted_with_its_time(door: Http, sink: Sink, batch: int, tries: int) -> None:
    stage = Stage()
    stage.http = door  # type: ignore[assignment]
    stage.outbox = stage.new_outbox()
    path = "/ok" if tries == 1 else "/throttle"
    await stage.open(stage.endpoint(url=sink.url(path), batch=batch))
    stage.deliver(20)
    stage.clock.pass_s(2)
    await stage.tick()
    if tries == 2:  # it answered 429 with two minutes of rest; then it is well again
        stage.outbox.set_endpoints([stage.endpoint(url=sink.url("/ok"), batch=batch)])
        await stage.tick(130)
    told = stage.metrics.histograms["heliograph_receipt_to_webhook_seconds"]
    assert stage.metrics.counts["heliograph_told_events"] == 20
    assert told.buckets()[-1][1] == 20
    assert stage.metrics.labelled["heliograph_webhook_requests"]["done"] == 20 // min(batch, 20)
    if tries == 1:
        assert told.total == 20 * 2.0
    await stage.outbox.close()
