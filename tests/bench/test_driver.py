from pathlib import Path

from heliograph.bench.driver import Driver, Figures, Job
from heliograph.bench.traffic import number
from tests.bench.answering import Answering, answering


async def _run(stand_in: Answering, **changes: object) -> Figures:
    settings = {"port": stand_in.port, "keys": ("k",), "messages": 100, "connections": 4, "max_s": 10, **changes}
    return await Driver(Job(**settings)).run()  # type: ignore[arg-type]


async def test_every_message_is_sent_once_and_logged_when_accepted(tmp_path: Path) -> None:
    async with answering() as stand_in:
        figures = await _run(stand_in, first=7, keys=("a", "b"), ok_log=str(tmp_path / "ok"))
    assert (figures.accepted, figures.refused, figures.lost, figures.codes) == (100, 0, 0, {"202": 100})
    assert {body["to"] for body in stand_in.bodies} == {number(place) for place in range(7, 107)}
    assert sorted((tmp_path / "ok").read_text().split()) == sorted(number(place) for place in range(7, 107))
    assert stand_in.keys == {"Bearer a", "Bearer b"}
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.max_ms


async def test_a_problem_in_its_place_of_a_batch_is_a_refusal(tmp_path: Path) -> None:
    async with answering() as stand_in:
        figures = await _run(stand_in, batch=30, ok_log=str(tmp_path / "ok"))
    assert (figures.requests, figures.accepted, figures.refused) == (4, 96, 4)
    logged = (tmp_path / "ok").read_text().split()
    assert len(logged) == 96
    assert number(29) not in logged


async def test_refusals_are_counted_and_not_logged(tmp_path: Path) -> None:
    async with answering(503, 503, 202) as stand_in:
        figures = await _run(stand_in, refused_pause_s=0.001, ok_log=str(tmp_path / "ok"))
    assert (figures.accepted, figures.refused) == (98, 2)
    assert figures.sample.startswith("503")


async def test_a_broken_connection_loses_its_request_and_comes_back() -> None:
    async with answering() as stand_in:
        stand_in.drop_after = 50
        figures = await _run(stand_in)
    assert (figures.accepted, figures.lost) == (99, 1)


async def test_with_a_rate_requests_leave_when_they_are_due() -> None:
    async with answering() as stand_in:
        figures = await _run(stand_in, messages=60, rate=200.0)
    assert figures.accepted == 60
    assert figures.seconds >= 59 / 200
    assert figures.due_p99_ms >= figures.p50_ms


async def test_at_most_once_is_asked_for_every_nth() -> None:
    async with answering() as stand_in:
        await _run(stand_in, once_every=4)
    assert sum("at_most_once" in body for body in stand_in.bodies) == 25
