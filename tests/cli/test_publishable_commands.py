"""``publishable-tokens``: made over a running server, listed and revoked in the store beside it."""

from __future__ import annotations

import json

import pytest
import requests

from tests.cli.conftest import Carrierless, Run

SHOP = "https://shop.example"


def create(run: Run, *words: str) -> str:
    made = run("publishable-tokens", "create", "+9991000000", "Hello", "--origin", SHOP, *words)
    assert made.code == 0, made.err
    assert "is good until" in made.err
    [token] = made.out.splitlines()
    return token


def start(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Origin": SHOP}
    return requests.post(f"{url}/v1/start", headers=headers, timeout=30).status_code


def test_a_token_is_made_used_listed_and_revoked(run: Run, carrierless: Carrierless) -> None:
    config, url, account, _ = carrierless
    used, spared, whole = create(run), create(run, "--expires-in", "2h"), create(run)
    assert start(url, used) == 202
    for text, word in ((spared, spared[:32]), (whole, whole)):
        revoked = run("publishable-tokens", "revoke", word, "--config", config)
        assert (revoked.code, revoked.out) == (0, f"Revoked {text[:32]}.\n")
        assert start(url, text) == 401
    listed = json.loads(run("publishable-tokens", "list", "--account", account, "--json", "--config", config).out)
    assert [(one["id"], one["state"]) for one in listed["tokens"]] == [
        (whole[:32], "revoked"),
        (spared[:32], "revoked"),
        (used[:32], "started"),
    ]
    assert {(one["to"], *one["origins"], one["account"]) for one in listed["tokens"]} == {
        ("+9991000000", SHOP, account)
    }
    table = run("publishable-tokens", "list", "--config", config).out
    assert used[:32] in table
    assert not [text for text in (used, spared, whole) if text in table]
    entries = json.loads(run("audit", "list", "--account", account, "--json", "--config", config).out)
    told = [one for one in entries["entries"] if one["object"].startswith("publishable_token ")]
    assert [(one["action"], one["actor"].split()[0], one["object"].split()[1]) for one in told] == [
        ("revoke", "command", whole[:32]),
        ("revoke", "command", spared[:32]),
    ]


def test_the_same_key_makes_one(run: Run, carrierless: Carrierless) -> None:
    once = ("--idempotency-key", "visit 1")
    create(run, *once)
    again = run("publishable-tokens", "create", "+9991000000", "Hello", "--origin", SHOP, *once)
    assert (again.code, again.out) == (0, "")
    assert "was made before" in again.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "+9991000000", "x", "--origin", "shop.example"), "is no origin to name"),
        (("create", "+9991000000", "x", "--origin", SHOP, "--expires-in", "2d"), "Expires_in: Expected int <= 86400"),
        (("create", "+9991000000", "x", "--origin", SHOP, "--expires-in", "soon"), "--expires-in"),
        (("create", "+999", "x", "--origin", SHOP), "number_"),
        (("create", "+9991000000", "x"), "--origin"),
        (("revoke", "hg_pub_live_0"), "there is no token hg_pub_live_0"),
        (("revoke", "hg_pub_live_" + "0" * 20), "there is no token"),
        (("list", "--account", "nobody"), "there is no account nobody"),
        (("list", "--limit", "0"), "--limit"),
    ],
)
def test_what_is_wrong_is_said(run: Run, carrierless: Carrierless, words: tuple[str, ...], said: str) -> None:
    more = () if words[0] == "create" else ("--config", str(carrierless.config))
    done = run("publishable-tokens", *words, *more)
    assert done.code != 0
    assert said in done.err
