"""What a carrier is like at which time: a function of settings, seed and clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from heliograph.simulator import CarrierSettings, Refusal, VirtualCarrier
from heliograph.simulator.behaviours import Drift, Hours, Outage
from heliograph.simulator.weather import Forecast, Weather
from tests.simulator.support import client, submit

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def at(forecast: Forecast, hour: int, minute: int = 0, *, days: int = 0) -> Weather:
    return forecast.at(0, MONDAY + timedelta(days=days, hours=hour, minutes=minute))


def test_without_anything_there_is_no_weather() -> None:
    assert not Forecast(CarrierSettings()).changes


def test_hours_hold_on_their_days_in_utc() -> None:
    hours = Hours(begin="18:00", end="22:00", days=("mon",), throughput=5, refused=0.5, status=0x58)
    forecast = Forecast(CarrierSettings(hours=(hours,)))
    assert [at(forecast, hour).throughput for hour in (17, 18, 21, 22)] == [None, 5, 5, None]
    assert at(forecast, 18, days=1).throughput is None
    east = timezone(timedelta(hours=3))
    assert forecast.at(0, datetime(2026, 11, 23, 21, 30, tzinfo=east)).throughput == 5
    settings = at(forecast, 18).on(CarrierSettings(throughput=100))
    assert (settings.throughput, settings.refusals) == (5, (Refusal(status=0x58, fraction=0.5),))


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    forecast = Forecast(CarrierSettings(hours=(Hours(begin="22:00", end="02:00", days=("mon",), latency_ms=9),)))
    assert [at(forecast, hour, days=day).latency_ms for day, hour in ((0, 1), (0, 23), (1, 1), (1, 2), (1, 23))] == [
        None,
        9,
        9,
        None,
        None,
    ]


def test_later_hours_win() -> None:
    wide, narrow = Hours(begin="00:00", end="23:59", throughput=9), Hours(begin="12:00", end="13:00", throughput=1)
    forecast = Forecast(CarrierSettings(hours=(wide, narrow)))
    assert [at(forecast, hour).throughput for hour in (11, 12)] == [9, 1]


def test_a_planned_outage_comes_again() -> None:
    forecast = Forecast(CarrierSettings(outages=(Outage(after_s=10, for_s=5, every_s=60),)))
    down = [second for second in range(140) if forecast.at(second, MONDAY).down]
    assert down == [*range(10, 15), *range(70, 75), *range(130, 135)]


def test_an_outage_at_a_time_of_day_may_last_over_midnight() -> None:
    forecast = Forecast(CarrierSettings(outages=(Outage(at="23:30", for_s=3_600),)))
    assert [at(forecast, *clock).down for clock in ((23, 29), (23, 30), (0, 29), (0, 30))] == [False, True, True, False]


def test_outages_by_chance_come_from_the_seed() -> None:
    def down(seed: int) -> list[int]:
        settings = CarrierSettings(seed=seed, outages=(Outage(about_every_s=100, for_s=10),))
        forecast = Forecast(settings)
        return [second for second in range(20_000) if forecast.at(second, MONDAY).down]

    assert down(1) == down(1) != down(2)
    assert 0.05 < len(down(1)) / 20_000 < 0.15  # ten seconds in about 110


def test_drift_goes_from_best_to_worst_and_back() -> None:
    forecast = Forecast(CarrierSettings(drift=Drift(period_s=100, best=1.0, worst=0.5, latency_ms=200)))
    best, middle, worst, again = (forecast.at(second, MONDAY) for second in (0, 25, 50, 100))
    assert (best.delivered, middle.delivered, worst.delivered, again.delivered) == (1.0, 0.75, 0.5, 1.0)
    settings = worst.on(CarrierSettings(latency_ms=10))
    assert settings.latency_ms == 210
    assert settings.receipts.final_states == (("DELIVRD", 0.5), ("UNDELIV", 0.5))


async def test_an_outage_cuts_clients_and_lets_them_back() -> None:
    outage = Outage(after_s=0.3, for_s=0.3)
    async with VirtualCarrier(outages=(outage,)) as carrier, client(carrier) as (link, ear):
        await ear.until(lambda: ear.binds == 2)
        link.submit([(submit(), None)])
        await ear.hears("receipt", 1)
        assert any("dropped" in fact.text for fact in carrier.log.of("lost"))


async def test_hours_change_a_carrier_that_runs() -> None:
    always = Hours(begin="00:00", end="23:59", refused=1, status=0x0B)
    last_minute = Hours(begin="23:59", end="00:00", refused=1, status=0x0B)
    async with VirtualCarrier(hours=(always, last_minute)) as carrier, client(carrier) as (link, ear):
        link.submit([(submit(), None)])
        [response] = await ear.hears("response", 1)
        assert response.status == 0x0B
