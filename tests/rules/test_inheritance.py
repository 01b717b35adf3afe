"""Settings of accounts: the nearest word holds, and closing holds for all below."""

from __future__ import annotations

from heliograph.model import Account, TrafficType
from heliograph.rules.inheritance import INHERITED, quiet_of, resolved, said_by, saying
from heliograph.rules.schedule import Quiet

TOP = Account(id=1, name="acme", settings={"default_region": "DE", "quiet_hours": "21:00-08:00"})
CHILD = Account(id=2, name="acme.shop", parent_id=1, settings={"quiet_hours": None, "recipients": "possible"})
GRANDCHILD = Account(id=3, name="acme.shop.web", parent_id=2, settings={"default_region": "AT"})
OTHER = Account(id=4, name="globex")


def test_what_nobody_says_is_the_houses_own() -> None:
    assert resolved([OTHER])[4].settings == INHERITED
    assert resolved([OTHER])[4].recipients == "valid"


def test_the_nearest_word_holds() -> None:
    found = resolved([GRANDCHILD, CHILD, TOP, OTHER])
    assert (found[1].default_region, found[1].recipients) == ("DE", "valid")
    assert (found[2].default_region, found[2].recipients) == ("DE", "possible")
    assert (found[3].default_region, found[3].recipients) == ("AT", "possible")
    assert [found[one].settings["quiet_hours"] for one in (1, 2, 3)] == ["21:00-08:00", None, None]
    assert found[4].default_region is None


def test_what_is_worked_out_again_stays() -> None:
    once = resolved([TOP, CHILD, GRANDCHILD])
    assert resolved(once.values()) == once


def test_columns_of_a_version_before_are_its_own_words() -> None:
    old = Account(id=1, name="acme", recipients="possible", national_tables=True)
    assert said_by(old) == {"recipients": "possible", "national_tables": True}
    child = Account(id=2, name="acme.shop", parent_id=1)
    assert resolved([old, child])[2].recipients == "possible"


def test_who_says_less_than_before_has_no_old_word_left() -> None:
    before = saying(TOP, {"recipients": "possible", "default_region": "DE"})
    assert (before.recipients, before.default_region) == ("possible", "DE")
    after = saying(before, {"recipients": "possible"})
    assert said_by(after) == {"recipients": "possible"}
    assert after.default_region is None


def test_words_that_are_no_settings_are_not_taken_over() -> None:
    assert said_by(Account(id=1, name="acme", settings={"recipients": "possible", "colour": "red"})) == {
        "recipients": "possible"
    }


def test_who_is_below_a_closed_account_is_closed() -> None:
    closed = Account(id=2, name="acme.shop", parent_id=1, closed_us=77)
    found = resolved([TOP, closed, GRANDCHILD])
    assert [found[one].closed_us for one in (1, 2, 3)] == [None, 77, 77]


def test_quiet_hours_leave_the_others() -> None:
    assert quiet_of(INHERITED) is None
    settings = {**INHERITED, "quiet_hours": "21:00-08:00", "quiet_types": ["otp", "promotional"]}
    types = (int(TrafficType.OTP), int(TrafficType.PROMOTIONAL))
    assert quiet_of(settings) == Quiet(types=types, hours=((480, 1260),))
