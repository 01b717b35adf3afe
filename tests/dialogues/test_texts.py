"""Texts of every kind on their way to a handset: what is changed, what is not, and what the handset shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogues.stage import stage

NATIONAL = "national_tables = true"
ALLOWED = "[accounts.shop]\nnational_tables = true\n"
TURKISH = "Yarın şişli'de buluşalım mı? " * 8
HINDI = "नमस्ते, आपका ऑर्डर भेज दिया गया है। कल तक पहुँच जाएगा। " * 5


@pytest.mark.parametrize("concatenation", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("text", [TURKISH, HINDI, "Çok teşekkürler, ığdır"])
async def test_national_tables_reach_the_handset(tmp_path: Path, text: str, concatenation: str) -> None:
    settings = {"main": f'{NATIONAL}\nconcatenation = "{concatenation}"'}
    async with stage(tmp_path, settings=settings, more=ALLOWED) as s:
        looked_at = await s.ask("POST", "/v1/inspect", {"text": text})
        unicode = next(one["segments"] for one in looked_at["variants"] if one["name"] == "ucs2")
        accepted = await s.send(text=text)
        [message] = await s.carrier.received(1)
        assert message.text == text
        if unicode > 1:
            assert accepted["encoding"] == looked_at["encoding"] == "gsm7_national"
            assert accepted["segments"] == len(looked_at["segments"]) < unicode
        else:  # nothing to save
            assert accepted["encoding"] == "ucs2"
        shown = await s.until(accepted["id"], "delivered")
        assert (shown["text"], "text_changes" in shown) == (text, False)


@pytest.mark.parametrize(("settings", "more"), [("", ALLOWED), (NATIONAL, "")])
async def test_account_and_connector_must_both_allow_national_tables(tmp_path: Path, settings: str, more: str) -> None:
    async with stage(tmp_path, settings={"main": settings}, more=more) as s:
        assert (await s.send(text=TURKISH))["encoding"] == "ucs2"
        [message] = await s.carrier.received(1)
        assert message.text == TURKISH


async def test_lookalikes_are_replaced_and_told(tmp_path: Path) -> None:
    given = "“It’s here” – 5\u00a0pm…"
    async with stage(tmp_path) as s:
        accepted = await s.send(text=given)
        changes = {
            "substitutions": [
                {"from": "“", "to": '"', "count": 1},
                {"from": "’", "to": "'", "count": 1},
                {"from": "”", "to": '"', "count": 1},
                {"from": "–", "to": "-", "count": 1},
                {"from": "\u00a0", "to": " ", "count": 1},
                {"from": "…", "to": "...", "count": 1},
            ],
            "substituted": 6,
        }
        assert (accepted["encoding"], accepted["text_changes"]) == ("gsm7", changes)
        shown = await s.until(accepted["id"], "delivered")
        assert (shown["text"], shown["text_changes"]) == ('"It\'s here" - 5 pm...', changes)

        untouched = await s.send(text=given, smart_encoding=False)
        assert (untouched["encoding"], "text_changes" in untouched) == ("ucs2", False)
        first, second = await s.carrier.received(2)
        assert (first.text, second.text) == ('"It\'s here" - 5 pm...', given)


async def test_an_account_can_keep_its_texts_as_they_are(tmp_path: Path) -> None:
    async with stage(tmp_path, more="[accounts.shop]\nsmart_encoding = false\n") as s:
        assert (await s.send(text="it’s"))["encoding"] == "ucs2"
        assert (await s.send(text="it’s", smart_encoding=True))["encoding"] == "gsm7"


async def test_a_text_that_is_too_long_is_cut_off_with_an_ellipsis(tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        accepted = await s.send(text="a" * 200, max_segments=1, max_segments_policy="truncate")
        assert (accepted["segments"], accepted["text_changes"]) == (1, {"truncated": 43})
        [message] = await s.carrier.received(1)
        assert message.text == "a" * 157 + "..."
        fits = await s.send(text="a" * 160, max_segments=1, max_segments_policy="truncate")
        assert "text_changes" not in fits


async def test_a_joined_emoji_arrives_in_one_segment(tmp_path: Path) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    async with stage(tmp_path) as s:
        accepted = await s.send(text="ж" * 64 + family + "ж" * 20)
        assert accepted["segments"] == 2
        [message] = await s.carrier.received(1)
        assert message.text == "ж" * 64 + family + "ж" * 20
