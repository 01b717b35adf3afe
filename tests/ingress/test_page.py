"""The page at /docs: whole, true, and asking nobody else for anything."""

from __future__ import annotations

import re
import shlex
from html import unescape
from html.parser import HTMLParser

import pytest

from heliograph.ingress.rest.api import OPERATIONS
from heliograph.ingress.rest.fields import FIELDS
from heliograph.ingress.rest.problems import PROBLEMS
from heliograph.model import SCOPES
from tests.ingress.house import House


class Page(HTMLParser):
    """What of a page matters here: links, ids, tags and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "srcset"):
                self.links.append(value or "")
            elif name == "id":
                self.ids.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


OF_OPERATORS = ("audit", "connectors", "limits", "routes", "numbers", "smpp-customers")


async def page_of(api: House, host: str = "sms.example.org:8080", **headers: str) -> str:
    answer = await api.call("GET", "/docs", key=None, headers={"Host": host, **headers})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return answer.body.decode()


async def test_the_page_asks_nobody_else_for_anything(api: House) -> None:
    text = await page_of(api)
    page = Page(text)
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert "@import" not in text
    assert "url(" not in text
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    addresses = {unescape(found).rstrip(".") for found in re.findall(r"https?://[^\s<\"&]+", text)}
    ours, examples = "http://sms.example.org:8080", {"https://example.com/sms", "https://shop.example"}
    assert addresses == {ours, *examples}


async def test_every_operation_parameter_field_and_code_is_on_it(api: House) -> None:
    text = await page_of(api)
    document = (await api.call("GET", "/openapi.json", key=None)).json
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            section = text.partition(f'<h2 id="{operation["operationId"]}">')[2].partition("</section>")[0]
            assert operation["summary"] in section
            assert f'<span class="{method}">{method.upper()}</span> {path}</code>' in section
            assert "curl " in section
            scopes, *_ = operation["security"]
            assert ("$KEY" if "key" in scopes else "$TOKEN") in section
            for parameter in operation.get("parameters", ()):
                assert f"<code>{parameter['name']}</code>" in section
                assert parameter["description"] in unescape(section)
            for status, answer in operation["responses"].items():
                said = answer.get("content", {}).get("application/problem+json", {}).get("examples", ())
                assert all(f'<a href="#problems">{code}</a>' in section for code in said)
                assert said or status == "default" or f"<code>{status}</code>" in section
            assert set(scopes.get("key", ())) <= set(SCOPES)
    for code, (status, title) in PROBLEMS.items():
        assert f"<tr><td><code>{code}</code></td><td>{status}</td><td>{title}" in unescape(text)


async def test_every_field_says_what_it_means(api: House) -> None:
    schemas = (await api.call("GET", "/openapi.json", key=None)).json["components"]["schemas"]
    schemas |= {one["title"]: one for one in schemas["BatchBody"]["anyOf"]}
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, one in schema.get("properties", {}).items()
        if "description" not in one
    ]
    assert silent == []
    unknown = [
        f"{name}.{field}"
        for name, fields in FIELDS.items()
        for field in fields
        if field not in schemas[name]["properties"]
    ]
    assert unknown == []


async def test_the_examples_work_as_they_stand(api: House) -> None:
    text = unescape(await page_of(api))
    examples = [one for one in re.findall(r"<pre>(.*?)</pre>", text, re.DOTALL) if one.startswith("curl")]
    assert len(examples) == len(OPERATIONS)
    test_key = await api.make("demo", test=True)
    ids: dict[str, str] = {}
    team_key = await api.make("demo", tuple(scope for scope in SCOPES if scope != "admin"))
    operator_key = await api.make("demo", SCOPES)
    for example in sorted(examples, key=lambda one: "-X DELETE" in one):  # what is deleted is deleted last
        _, url, _, header, *rest = shlex.split(example.replace("\\\n", ""))
        path = url.removeprefix("$URL")
        headers = {}
        if path == "/v1/start":
            assert header == "Authorization: Bearer $TOKEN"
            headers["Origin"] = rest.pop(1).removeprefix("Origin: ")
            assert rest.pop(0) == "-H"
        else:
            assert header == "Authorization: Bearer $KEY"
        method = rest[1] if rest[:1] == ["-X"] else "POST" if rest[:1] == ["-d"] else "GET"
        collection, _, rest_of_path = path.removeprefix("/v1/").partition("/")
        if rest_of_path[:2] == "m0":
            path = path.replace(rest_of_path.partition("/")[0], ids[collection])
        if path.endswith("/reschedule"):  # of a message that waits
            dated = {"to": "+14155550123", "from": "12345", "text": "x", "send_at": (rest[1].split('"')[3])}
            path = f"/v1/messages/{(await api.call('POST', '/v1/messages', dated)).json['id']}/reschedule"
        if path.endswith("/test"):
            continue  # nobody is called from here
        of_operators = dict.fromkeys(
            ("audit", "connectors", "limits", "routes", "numbers", "smpp-customers"), operator_key
        )
        key = {"sandbox": test_key, "start": ids.get("token"), **of_operators}.get(collection, team_key)
        body = rest[rest.index("-d") + 1].encode() if "-d" in rest else b""
        answer = await api.call(method, path, body, key=key, headers=headers)
        assert answer.status in (200, 201, 202, 204), (example, answer.body)
        if method == "POST" and "id" in answer.json:
            ids[collection] = answer.json["id"]
            ids["token"] = answer.json.get("token", ids.get("token"))
        assert b'"code"' not in answer.body


@pytest.mark.parametrize("host", ["", '"><script>', "a b", "x@y", "[::1", "x" * 300 + "/"])
async def test_a_host_that_is_none_is_not_repeated(api: House, host: str) -> None:
    text = await page_of(api, host)
    assert "export URL=http://127.0.0.1:8080\n" in text
    assert "<script" not in text


async def test_behind_a_proxy_the_examples_name_its_address(api: House) -> None:
    assert "export URL=https://[2001:db8::1]:8443\n" in await page_of(
        api, "[2001:db8::1]:8443", **{"X-Forwarded-Proto": "https"}
    )
    assert "export URL=http://localhost\n" in await page_of(api, "localhost", **{"X-Forwarded-Proto": "gopher"})
