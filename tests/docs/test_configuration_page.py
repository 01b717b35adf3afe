"""The commands of the page about the configuration in the store, run one after the other as they stand there."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from heliograph.access.configuring import MOST
from heliograph.cli import main
from tests.cli.conftest import write_config
from tests.docs.curl import commands
from tests.docs.pages import blocks, text

PAGE = "docs/howto/configuration-in-the-store.md"


def test_every_command_of_the_page_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "store.db.key"
    key.write_text("A" * 43 + "=\n")
    key.chmod(0o600)
    monkeypatch.setenv("HELIOGRAPH_CONFIG", str(write_config(tmp_path)))
    monkeypatch.setenv("ACME_PASSWORD", "example")
    monkeypatch.chdir(tmp_path)
    [file] = blocks(PAGE, "toml")
    Path("carriers.toml").write_text(file.text)

    def run(command: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(command)[1:])
        told = capsys.readouterr()
        assert end.value.code == 0, f"{command}: {told.err}"
        return told.out

    said: dict[str, str] = {}
    for command in [one for block in blocks(PAGE, "sh") for one in commands(block.text) if one.startswith("helio")]:
        words, _, target = command.partition(" > ")
        said[command] = run(words)
        if target:
            Path(target).write_text(said[command])
    assert "+ connector spare" in said["heliograph apply carriers.toml"]
    assert "segments_per_second: as by default → 50" in "".join(said.values())
    assert said["heliograph apply everything.toml --dry-run"] == "Nothing changes: everything is so already.\n"
    connectors = json.loads(run("heliograph connectors list --json"))["connectors"]
    assert [one["name"] for one in connectors] == ["main", "backup", "spare"]


def test_the_page_says_how_many_there_may_be() -> None:
    for kind, most in MOST.items():
        assert f"{most:,} {kind}s" in text(PAGE)
