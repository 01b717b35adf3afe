"""The arithmetic of waits after failed attempts."""

from __future__ import annotations

from heliograph.rules.failures import ADDRESS, EVERYBODY, FailureRule, Failures, after_failure, standing

SECOND_US = 1_000_000
NOW_US = 1_800_000_000_000_000


def waits(rule: FailureRule, count: int) -> list[int]:
    """Seconds to wait after each of so many failures, each made as soon as it may be."""
    failures, now_us, found = Failures(), NOW_US, []
    for _ in range(count):
        after_failure(rule, failures, now_us)
        found.append(max(0, failures.until_us - now_us) // SECOND_US)
        now_us = max(now_us, failures.until_us)
    return found


def test_ten_are_free_then_waits_double_then_a_lock() -> None:
    assert waits(ADDRESS, 15) == [*[0] * 9, 1, 2, 4, 8, 16, 900]


def test_the_lock_is_told_once_while_it_holds() -> None:
    failures = Failures()
    told = [after_failure(ADDRESS, failures, NOW_US) for _ in range(40)]
    assert told.count(True) == 1
    assert told[14] is True
    assert after_failure(ADDRESS, failures, failures.until_us - 1) is False


def test_an_hour_without_failures_forgets_all() -> None:
    failures = Failures()
    for _ in range(100):
        after_failure(ADDRESS, failures, NOW_US)
    assert standing(ADDRESS, failures, NOW_US) == 15
    assert standing(ADDRESS, failures, NOW_US + 3_599 * SECOND_US) > 0
    assert standing(ADDRESS, failures, NOW_US + 3_600 * SECOND_US) == 0


def test_one_a_second_is_the_noise_of_the_internet() -> None:
    failures = Failures()
    for second in range(5_000):
        assert after_failure(EVERYBODY, failures, NOW_US + second * SECOND_US) is False
    assert failures.until_us == 0
