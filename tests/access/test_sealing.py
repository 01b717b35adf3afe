"""Master keys: what is sealed opens for its row alone, and a key is never lost or replaced."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliograph.access.sealing import KeyFile, MasterKeys, key_id_of, keys_from
from heliograph.errors import ConfigError, SecretLocked

KEYS = MasterKeys(lambda: [bytes(range(32)), bytes(32)])


@given(clear=st.binary(max_size=100), about=st.binary(max_size=50))
@settings(max_examples=50, deadline=None)
def test_opening_undoes_sealing_and_no_two_are_alike(clear: bytes, about: bytes) -> None:
    key_id, sealed = KEYS.seal(clear, about)
    assert KEYS.open(key_id, sealed, about) == clear
    assert KEYS.seal(clear, about)[1] != sealed


@given(at=st.integers(min_value=0), bit=st.integers(0, 7), data=st.data())
@settings(max_examples=80, deadline=None)
def test_any_changed_octet_and_any_other_row_is_refused(at: int, bit: int, data: st.DataObject) -> None:
    key_id, sealed = KEYS.seal(b"whsec_of_a_webhook", b"endpoints\n1\nwe_1\nsecret")
    changed = bytearray(sealed)
    changed[at % len(changed)] ^= 1 << bit
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for octets in (bytes(changed), sealed[:cut], sealed + b"x"):
        with pytest.raises(SecretLocked) as told:
            KEYS.open(key_id, octets, b"endpoints\n1\nwe_1\nsecret")
        assert told.value.damaged
    for other in ("endpoints\n2\nwe_1\nsecret", "endpoints\n1\nwe_2\nsecret", "endpoints\n1\nwe_1\nold_secret"):
        with pytest.raises(SecretLocked):
            KEYS.open(key_id, sealed, other.encode())
    with pytest.raises(SecretLocked):
        KEYS.open(key_id_of(bytes(32)), sealed, b"endpoints\n1\nwe_1\nsecret")
    with pytest.raises(SecretLocked, match="not known here"):
        KEYS.open("0123456789abcdef", sealed, b"endpoints\n1\nwe_1\nsecret")


def test_a_key_file_is_for_its_owner_alone_and_never_replaced(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "store.db.key")
    assert file() == []
    made = file.make()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    kept = file.path.read_bytes()
    with pytest.raises(ConfigError, match="cannot be written: File exists"):
        file.make()
    assert file.path.read_bytes() == kept
    assert [key_id_of(key) for key in file()] == [made]
    assert [one.name for one in tmp_path.iterdir()] == ["store.db.key"]


def test_a_new_key_stands_first_and_only_what_opens_nothing_is_dropped(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "store.db.key")
    first = file.make()
    keys = MasterKeys(file)
    key_id, sealed = keys.seal(b"secret", b"row")
    second = file.put_first()
    assert keys.seal(b"secret", b"row")[0] == second, "the key that another process put first seals at once"
    assert keys.open(key_id, sealed, b"row") == b"secret"
    third = file.put_first()
    file.keep((first,))
    assert [key_id_of(key) for key in file()] == [third, first]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (base64.b64encode(bytes(31)), "no key of 32 octets"),
        (base64.b64encode(bytes(32)) + b"\nnonsense!", "no key of 32 octets"),
        (b"\xff" * 32, "no key of 32 octets"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_with_a_remedy_and_left_alone(
    tmp_path: Path, octets: bytes, what: str
) -> None:
    path = tmp_path / "store.db.key"
    path.write_bytes(octets)
    with pytest.raises(ConfigError, match=what) as told:
        MasterKeys(KeyFile(path))
    assert "put back the copy" in str(told.value)
    assert path.read_bytes() == octets


def test_a_file_that_vanished_or_broke_meanwhile_costs_no_known_key(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "store.db.key")
    file.make()
    keys = MasterKeys(file)
    key_id, sealed = keys.seal(b"secret", b"row")
    for spoil in (lambda: file.path.write_text("nonsense!"), file.path.unlink):
        spoil()
        assert keys.open(*keys.seal(b"other", b"row"), b"row") == b"other"
        assert keys.open(key_id, sealed, b"row") == b"secret"
        with pytest.raises(SecretLocked):
            keys.open("0123456789abcdef", sealed, b"row")


def test_keys_come_from_the_configuration_or_from_beside_the_database(tmp_path: Path) -> None:
    one, two = (base64.b64encode(octets * 32).decode() for octets in (b"1", b"2"))
    assert keys_from(one, (two,), tmp_path / "store.db")() == [b"1" * 32, b"2" * 32]
    assert isinstance(keys_from(None, (), tmp_path / "store.db"), KeyFile)
    assert MasterKeys(keys_from(None, (), None)).key_id is None
