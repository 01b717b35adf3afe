"""The page at ``/docs``: the OpenAPI document for people, as one HTML page that asks nobody else for anything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from heliograph.ingress.rest.problems import PROBLEMS

__all__ = ["docs_page"]

Schema = Mapping[str, Any]

_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2430;--soft:#5c6675;--line:#dde2ea;--ground:#fff;--panel:#f5f7fa;
--accent:#9a4a00;--get:#0b6b4f;--post:#1f4fa3;--delete:#a3261f}
@media (prefers-color-scheme:dark){:root{--ink:#e4e8ef;--soft:#9aa5b5;--line:#333c4a;--ground:#14181f;--panel:#1d232d;
--accent:#f0a45d;--get:#5fd0a8;--post:#86b0ff;--delete:#ff9189}}
*{box-sizing:border-box}
html{scroll-padding-top:1rem}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,sans-serif;display:grid;
grid-template-columns:17rem minmax(0,1fr)}
nav{position:sticky;top:0;height:100vh;overflow:auto;padding:1.5rem 1rem;
border-right:1px solid var(--line);font-size:.9rem}
nav strong{display:block;font-size:1.1rem;color:var(--accent)}
nav ul{list-style:none;margin:.3rem 0 1rem;padding:0}
nav li a{display:block;padding:.2rem 0;color:inherit;text-decoration:none}
nav li a:hover{text-decoration:underline}
main{padding:1.5rem 2.5rem 6rem;max-width:62rem}
h1{margin:0;font-size:1.9rem}
h2{margin:3rem 0 .5rem;padding-top:1rem;border-top:1px solid var(--line);font-size:1.35rem}
h3{margin:1.5rem 0 .4rem;font-size:1rem}
a{color:var(--accent)}
.soft{color:var(--soft)}
code,pre{font:.9em/1.5 ui-monospace,monospace}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;overflow-x:auto}
.path{font-size:1.05rem;margin:.2rem 0}
.get,.post,.delete{font-weight:700}
.get{color:var(--get)}.post{color:var(--post)}.delete{color:var(--delete)}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid var(--line)}
th{color:var(--soft);font-weight:600}
td:nth-child(2){min-width:9rem}
@media (max-width:52rem){body{display:block}table{display:block;overflow-x:auto}main{padding:1rem}
nav{position:static;height:auto;border-right:0;border-bottom:1px solid var(--line)}}
"""
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+(:\d+)?|\[[0-9A-Fa-f:]+\](:\d+)?")
_HERE: Final = "@HERE@"


def docs_page(document: Schema) -> Docs:
    """The page of a document, made once."""
    return Docs("".join(_page(document)))


class Docs:
    """The page; its examples name the address under which it was asked for."""

    def __init__(self, text: str) -> None:
        self._before, _, self._after = text.partition(_HERE)

    def at(self, scheme: str, host: str) -> bytes:
        """The page as read at ``scheme://host``; a host that is none is replaced by an example."""
        if not _HOST.fullmatch(host):
            scheme, host = "http", "127.0.0.1:8080"
        here = f"{'https' if scheme == 'https' else 'http'}://{host}"
        return (self._before + here + self._after).encode()


# --- the page ---------------------------------------------------------------------------------------


def _page(document: Schema) -> Iterator[str]:
    info = document["info"]
    title = f"{info['title']} API {info['version']}"
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield from _contents(document)
    yield f'<main><h1>{escape(title)}</h1><p class="soft">{escape(info["summary"])}</p>'
    yield "<p>Every request brings a key; the operator makes one with <code>heliograph keys create</code>. "
    yield "The examples read it, and the address, from the shell:</p>"
    yield f"<pre>export URL={_HERE}\nexport KEY=hg_live_…</pre>"
    yield '<p>The same for programs: <a href="/openapi.json">openapi.json</a> (OpenAPI 3.1).</p>'
    for method, path, operation in _operations(document):
        yield from _operation(method, path, operation, document)
    yield from _values(document)
    yield from _problems()
    yield "</main></body></html>"


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _contents(document: Schema) -> Iterator[str]:
    yield "<nav><strong>Heliograph</strong><ul>"
    for _, _, operation in _operations(document):
        yield f'<li><a href="#{operation["operationId"]}">{escape(operation["summary"])}</a></li>'
    yield "</ul><span class=soft>Values</span><ul>"
    for name in _named(document):
        yield f'<li><a href="#{name}">{name}</a></li>'
    yield '</ul><ul><li><a href="#problems">Problems</a></li></ul></nav>'


# --- an operation -----------------------------------------------------------------------------------


def _operation(method: str, path: str, operation: Schema, document: Schema) -> Iterator[str]:
    yield f'<section><h2 id="{operation["operationId"]}">{escape(operation["summary"])}</h2>'
    yield f'<p class="path"><code><span class="{method}">{method.upper()}</span> {escape(path)}</code></p>'
    scopes, *_ = operation["security"]
    wanted = f"key with the scope {_code(', '.join(scopes['key']))}" if "key" in scopes else "publishable token"
    yield f'<p class="soft">Takes a {wanted}.</p>'
    yield f"<pre>{escape(_curl(method, path, operation))}</pre>"
    if parameters := operation.get("parameters"):
        rows = [
            (one["name"], f"{one['in']}{', required' if one.get('required') else ''}", escape(one["description"]))
            for one in parameters
        ]
        yield "<h3>Parameters</h3>" + _table("parameter", "where", rows)
    if body := _content(operation.get("requestBody", {})):
        yield from _body(document["components"]["schemas"][_name(body["schema"])])
    yield "<h3>Answers</h3>" + _answers(operation, document) + "</section>"


def _curl(method: str, path: str, operation: Schema) -> str:
    for parameter in operation.get("parameters", ()):
        path = path.replace(f"{{{parameter['name']}}}", parameter.get("example", ""))
    secret = "$KEY" if "key" in operation["security"][0] else "$TOKEN"
    line = f'curl "$URL{path}" -H "Authorization: Bearer {secret}"'
    if secret == "$TOKEN":
        line += ' -H "Origin: https://shop.example"'
    if method not in ("get", "post") or (method == "post" and "requestBody" not in operation):
        line += f" -X {method.upper()}"
    if body := _content(operation.get("requestBody", {})):
        line += f" \\\n  -d '{json.dumps(body['example'], ensure_ascii=False)}'"
    return line


def _body(schema: Schema) -> Iterator[str]:
    for one in schema.get("anyOf", [schema]):
        described = one is not schema
        yield f"<h3>Body{': ' + escape(one['description']) if described else ''}</h3>"
        yield _fields(one)


def _answers(operation: Schema, document: Schema) -> str:
    rows = []
    for status, answer in operation["responses"].items():
        if status == "default":
            rows.append(
                ("4xx, 5xx", '<a href="#Problem">Problem</a>', '<a href="#problems">with one of these codes</a>')
            )
        elif not status.startswith(("4", "5")):
            if "content" not in answer:
                rows.append((status, "nothing", escape(answer["description"])))
            for media, content in answer.get("content", {}).items():
                schema = content["schema"]
                value = document["components"]["schemas"][_name(schema)] if "$ref" in schema else {}
                kind = _type(schema) if value else _code(media)
                rows.append((status, kind, escape(value.get("description", "where Accept asks for it."))))
    return _table("status", "body", rows) + _codes(operation)


def _codes(operation: Schema) -> str:
    """The problems that an operation can answer with, besides those of any."""
    found = [
        f'<a href="#problems">{code}</a>'
        for answer in operation["responses"].values()
        for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    ]
    return f'<p class="soft">Problems: {", ".join(found)}.</p>'


def _content(holder: Schema) -> Schema | None:
    for content in holder.get("content", {}).values():
        return dict(content)
    return None


# --- values and problems ----------------------------------------------------------------------------


def _named(document: Schema) -> list[str]:
    """The schemas with a section of their own: those that are told of in tables."""
    return sorted(name for name, schema in document["components"]["schemas"].items() if "properties" in schema)


def _values(document: Schema) -> Iterator[str]:
    yield '<h2 id="values">Values</h2><p>Times are ISO 8601 in UTC.</p>'
    for name in _named(document):
        schema = document["components"]["schemas"][name]
        yield f'<h3 id="{name}">{name}</h3>'
        if "description" in schema:
            yield f'<p class="soft">{escape(schema["description"])}</p>'
        yield _fields(schema)


def _fields(schema: Schema) -> str:
    required = schema.get("required", ())
    takes = "additionalProperties" in schema  # what is read; what is written has no notion of required
    rows = [
        (name, _type(one) + (", required" if takes and name in required else ""), escape(one.get("description", "")))
        for name, one in schema["properties"].items()
    ]
    return _table("field", "type", rows)


def _type(schema: Schema) -> str:
    """A schema in words, as HTML."""
    if "$ref" in schema:
        name = _name(schema)
        return "gsm7, ucs2 or binary" if name == "Encoding" else f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        arms = [one for one in schema["anyOf"] if one.get("type") != "null" or "default" not in schema]
        return " or ".join(_type(one) for one in arms) + _bounds(schema)  # what may be left out need not say null
    if len(schema.get("enum", ())) in range(1, 6):
        return " · ".join(_code(word) for word in schema["enum"]) + _bounds(schema)
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return "list of " + _type(schema["items"]) + _bounds(schema)
    return str(kind) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    parts = []
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " of them"),
    ):
        if least in schema and most in schema:
            parts.append(f"{schema[least]:,} to {schema[most]:,}{unit}")
        elif most in schema:
            parts.append(f"at most {schema[most]:,}{unit}")
        elif schema.get(least, 0) > 0:
            parts.append("not empty" if unit else f"at least {schema[least]:,}")
    if (default := schema.get("default")) not in (None, []):
        parts.append(f"default {_code(json.dumps(default))}")
    return ", " + ", ".join(parts) if parts else ""


def _problems() -> Iterator[str]:
    yield '<h2 id="problems">Problems</h2>'
    yield '<p>What is refused is answered with a <a href="#Problem">Problem</a> (RFC 9457): go by its code. '
    yield "Where waiting helps, the answer says for how long in <code>Retry-After</code>, and nothing was kept.</p>"
    yield _table(
        "code", "status", [(code, str(status), escape(title)) for code, (status, title) in sorted(PROBLEMS.items())]
    )


def _table(first: str, second: str, rows: list[tuple[str, str, str]]) -> str:
    """Names in the first column are text, the others HTML."""
    lines = (f"<tr><td>{_code(name)}</td><td>{kind}</td><td>{meaning}</td></tr>" for name, kind, meaning in rows)
    return f"<table><tr><th>{first}</th><th>{second}</th><th>meaning</th></tr>{''.join(lines)}</table>"


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
