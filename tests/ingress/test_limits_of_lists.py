"""The size of a page has a bound in every list of the document, however the number is written."""

from __future__ import annotations

import pytest

from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.operations import Operation
from heliograph.model import SCOPES
from tests.ingress.house import House

LISTS = [one for one in OPERATIONS if "limit" in one.query]


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.path)
async def test_no_spelling_of_a_number_passes_the_bound(api: House, operation: Operation) -> None:
    made = (await api.call("POST", "/v1/webhooks", {"url": "https://example.com/sms"})).json
    of_sandboxes = operation.path.startswith("/v1/sandbox/")
    key = await (api.make("demo", test=True) if of_sandboxes else api.make("demo", SCOPES))
    path = operation.path.replace("{id}", made["id"])
    for limit in ("0", "-1", "501", "000501", "0000509999999", "9" * 400, "5e1", "٥", "%0A5", "1.5", "+5", ""):
        answer = await api.call("GET", f"{path}?limit={limit}", key=key)
        assert (answer.status, answer.code, answer.json["field"]) == (422, "field_invalid", "limit"), limit
    for limit in ("1", "050"):
        assert (await api.call("GET", f"{path}?limit={limit}", key=key)).status == 200
