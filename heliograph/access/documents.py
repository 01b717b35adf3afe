"""Secrets in the documents of what is configured: ``sealed:1:KEYID:BASE64``, bound to kind, name and field.

Source: docs/explanation/design/0040-sealed-secrets.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from heliograph.contracts import Administration, Sealer, Store, StoreCheck
from heliograph.errors import ConfigError, ConfigFault, SecretLocked
from heliograph.model import ConfigObject

__all__ = ["findings", "is_sealed", "key_of", "object_keys", "opened", "reseal_objects", "sealed"]

_MARK: Final = "sealed:1:"
_NO_KEY: Final = "start heliograph serve once, which makes it, or give the secret as env:NAME"


def is_sealed(value: object) -> bool:
    """Whether a value of a document is a sealed secret."""
    return isinstance(value, str) and value.startswith(_MARK)


def sealed(clear: str, sealer: Sealer, kind: str, name: str, field: str) -> str:
    """A secret as the document of an object has it. Raises ``ConfigError`` where there is no master key yet."""
    if sealer.key_id is None:
        raise ConfigError([ConfigFault("the master key", "is not there, so no secret can be sealed", _NO_KEY)])
    key_id, octets = sealer.seal(clear.encode(), _about(kind, name, field))
    return f"{_MARK}{key_id}:{base64.b64encode(octets).decode()}"


def opened(text: str, sealer: Sealer, kind: str, name: str, field: str) -> str:
    """The secret in clear. Raises ``SecretLocked``."""
    key_id, _, octets = text.removeprefix(_MARK).partition(":")
    try:
        return sealer.open(key_id, base64.b64decode(octets, validate=True), _about(kind, name, field)).decode()
    except SecretLocked as error:
        raise SecretLocked(name, key_id, damaged=error.damaged, of=kind) from None
    except binascii.Error:
        raise SecretLocked(name, key_id, damaged=True, of=kind) from None


def _about(kind: str, name: str, field: str) -> bytes:
    return f"objects\n{kind}\n{name}\n{field}".encode()


def _secrets(one: ConfigObject) -> Iterator[tuple[str, str]]:
    values: Any = json.loads(one.document)
    if isinstance(values, Mapping):
        yield from ((field, value) for field, value in values.items() if is_sealed(value))


def key_of(text: str) -> str:
    """The id of the key under which a secret is sealed."""
    return text.removeprefix(_MARK).partition(":")[0]


def object_keys(objects: Sequence[ConfigObject]) -> Counter[str]:
    """Key id → secrets of objects that are sealed under it."""
    return Counter(key_of(text) for one in objects for _, text in _secrets(one))


def findings(objects: Sequence[ConfigObject], sealer: Sealer) -> list[StoreCheck]:
    """What ``store check`` says of secrets in objects, where there are any: how many, and which cannot be opened."""
    count, locked = 0, []
    for one in objects:
        for field, text in _secrets(one):
            count += 1
            try:
                opened(text, sealer, one.kind, one.name, field)
            except SecretLocked as error:
                locked.append(str(error))
    if locked:
        return [StoreCheck(False, f"{len(locked)} secrets of the configuration cannot be opened: {locked[0]}")]
    return [StoreCheck(True, f"the {count} secrets of the configuration can be opened")] if count else []


async def reseal_objects(store: Store, sealer: Sealer, now_us: int) -> int:
    """Seals secrets of objects under the present key; gives how many objects have changed by it.

    Raises ``SecretLocked``, and ``VersionConflict`` where somebody changes them at the same time.
    """
    changed: list[tuple[ConfigObject, int | None]] = []
    for one in await store.objects():
        old = {field: text for field, text in _secrets(one) if key_of(text) != sealer.key_id}
        if old:
            place = one.kind, one.name
            fresh = {
                field: sealed(opened(text, sealer, *place, field), sealer, *place, field) for field, text in old.items()
            }
            document = json.dumps({**json.loads(one.document), **fresh})
            changed.append((replace(one, document=document), one.version))
    if changed:
        await store.administer(Administration(at_us=now_us, objects=changed))
    return len(changed)
