"""Reading configurations: what is right becomes values, what is wrong becomes a list with lines and remedies."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer

from heliograph.cli.commands import app
from heliograph.config import Config, load
from heliograph.config.loading import _OTHER_VARIABLES
from heliograph.config.settings import AccountSettings
from heliograph.errors import ConfigError, ConfigFault
from heliograph.model import TrafficType
from heliograph.rules.inheritance import quiet_of
from heliograph.rules.schedule import Quiet


@dataclass(frozen=True, kw_only=True)
class PipeSettings:
    """A connector for these tests."""

    name: str
    host: str = field(metadata={"doc": "Where it is."})
    port: int = field(default=2775, metadata={"doc": "Its port."})
    password: str = field(default="", metadata={"doc": "Its password.", "secret": True}, repr=False)
    bind: str = field(default="transceiver", metadata={"doc": "How.", "choices": ("transceiver", "transmitter")})
    segments_per_second: float = field(default=0.0, metadata={"doc": "Pace.", "min": 0})
    system_type: str | None = None
    flags: tuple[int, int] = (0, 0)
    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.host == "nowhere":
            raise ValueError("nowhere is no place")

    def faults(self) -> list[ConfigFault]:
        return [] if len(self.flags) == 2 else [ConfigFault("flags", "are not two", "such as [0, 0]")]


@dataclass(frozen=True)
class PipeKind:
    """Its kind."""

    settings: type = PipeSettings


KINDS = {"pipe": PipeKind()}

WHOLE = """
[http]
listen = "127.0.0.1:8080"
[store]
url = "sqlite:///heliograph.db"      # or postgresql://…
[[connectors]]
name = "main"
kind = "pipe"
host = "127.0.0.1"
port = 2775
password = "secret"
segments_per_second = 0              # 0 = no limit
[[routes]]
name = "default"
prefixes = [""]
connectors = ["main"]
[[numbers]]
number = "12345"
account = "demo"
connectors = ["main"]                # [] = any
[webhooks]
allow_private_addresses = false
[accounts.demo]
recipients = "possible"
default_region = "DE"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "heliograph.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str, **environ: str) -> list[str]:
    """Each fault of a text as ``line: words`` (or the variable's name)."""
    path = write(folder, text)
    with pytest.raises(ConfigError) as raised:
        load(path, environ, kinds=KINDS)
    return [str(fault).removeprefix(f"{path}:") for fault in raised.value.faults]


def test_whole_file_becomes_values(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE), {}, kinds=KINDS)
    assert (config.http.host, config.http.port) == ("127.0.0.1", 8080)
    assert config.store.url == "sqlite:///heliograph.db"
    [connector] = config.connectors
    assert (connector.name, connector.kind) == ("main", "pipe")
    assert connector.settings == PipeSettings(name="main", host="127.0.0.1", password="secret")
    assert config.routes[0].connectors == ("main",)
    assert config.numbers[0].account == "demo"
    assert config.accounts["demo"].default_region == "DE"
    assert "secret" not in repr(config)


def test_no_file_gives_the_defaults() -> None:
    assert load(None, {}, kinds=KINDS) == Config()


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    environ = {
        "HELIOGRAPH_HTTP_LISTEN": "[::1]:9000",
        "HELIOGRAPH_LIMITS_BATCH_MESSAGES": "500",
        "HELIOGRAPH_WEBHOOKS_ALLOW_PRIVATE_ADDRESSES": "true",
        "HELIOGRAPH_CONFIG": "elsewhere.toml",
        "HOME": "/",
    }
    config = load(write(tmp_path, WHOLE), environ, kinds=KINDS)
    assert (config.http.host, config.http.port) == ("::1", 9000)
    assert config.limits.batch_messages == 500
    assert config.webhooks.allow_private_addresses is True


def test_values_may_point_to_variables_and_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from a file\n")
    text = WHOLE.replace('"secret"', '"file:password"').replace("port = 2775", 'port = "env:PORT"')
    config = load(
        write(tmp_path, text.replace('["main"]', '["env:WAY"]')), {"PORT": "4000", "WAY": "main"}, kinds=KINDS
    )
    assert config.connectors[0].settings.password == "from a file"
    assert config.connectors[0].settings.port == 4000
    assert config.routes[0].connectors == ("main",)


def test_unset_pointers_are_faults(tmp_path: Path) -> None:
    text = '[http]\nlisten = "env:NOTHING"\n[store]\nurl = "file:missing"\n'
    assert faults(tmp_path, text) == [
        "2: the environment variable NOTHING is not set (set NOTHING, or write the value here)",
        "4: the file missing cannot be read: No such file or directory (correct the path or its rights)",
    ]


BAD = """
[htpp]
listen = "x"
[http]
lisen = "127.0.0.1:80"
listen = "nowhere"
[store]
url = "mysql://x"
[retention]
records_days = 3
contents_days = "many"
[[connectors]]
name = "main"
kind = "pipe"
host = "127.0.0.1"
port = 70000
pasword = "s3cret"
bind = "both"
segments_per_second = nan
[[connectors]]
name = "main"
kind = "pip"
[[connectors]]
kind = "pipe"
[[connectors]]
name = "third"
kind = "pipe"
password = 7
[[routes]]
name = "a"
prefixes = ["+49", "4x"]
connectors = ["mian"]
[[routes]]
name = "a"
connectors = []
[[numbers]]
number = "ACME"
account = ""
[[numbers]]
number = "12345"
account = "demo"
[[numbers]]
number = "+12345"
account = "other"
connectors = ["main"]
[accounts.demo]
recipients = "all"
[accounts.other]
default_region = "Germany"
"""


def test_every_fault_is_told_at_once_with_line_and_remedy(tmp_path: Path) -> None:
    assert faults(tmp_path, BAD) == [
        '2: unknown section "htpp" (did you mean "http"?)',
        '5: unknown setting "lisen" (did you mean "listen"?)',
        '6: "nowhere" is no address and port (such as "127.0.0.1:8080")',
        '8: url names no store (such as "sqlite:///heliograph.db" or "postgresql://host/name")',
        "10: records_days cannot be 3 (at least 17)",
        "11: contents_days must be a whole number, not 'many' (such as contents_days = 10)",
        "16: port cannot be 70000 (1 to 65535)",
        '17: unknown setting "pasword" (did you mean "password"?)',
        "18: bind cannot be 'both' (one of transceiver, transmitter)",
        "19: segments_per_second cannot be nan (at least 0)",
        '21: "main" names two connectors (give each a name of its own)',
        '22: the connector "main" has the unknown kind \'pip\' (did you mean "pipe"?)',
        '23: the connector has no name (such as name = "main")',
        "25: host is missing (Where it is.)",
        '28: password must be a text (such as password = "…")',
        '31: "+49" is no beginning of a number (digits without "+", such as "49")',
        '31: "4x" is no beginning of a number (digits without "+", such as "49")',
        '32: there is no connector "mian" (did you mean "main"?)',
        '34: "a" names two routes (give each a name of its own)',
        '35: the route "a" leads to no connector (such as connectors = ["main"])',
        '37: "ACME" is no number (3 to 15 digits, with or without +)',
        "38: account is empty (the name of the account that gets the replies)",
        "43: +12345 is declared twice (once for each connector)",
        "47: recipients cannot be 'all' (one of valid, possible)",
        '49: "Germany" is no region with numbers of its own (its ISO 3166 code in capitals, such as "DE")',
    ]


def test_quiet_hours_are_read(tmp_path: Path) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_text('[accounts.demo]\nquiet_hours = "21:00-08:00"\ntime_zone = "Europe/Berlin"\n')
    quiet = quiet_of(load(path, {}).accounts["demo"].words)
    assert quiet == Quiet(types=(int(TrafficType.PROMOTIONAL),), hours=((480, 1260),), time_zone="Europe/Berlin")
    assert quiet_of(AccountSettings(name="other").words) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('quiet_hours = "at night"', '"at night" are no quiet hours (such as "21:00-08:00", and not the whole day)'),
        ('quiet_hours = "00:00-24:00"', "are no quiet hours"),
        ('quiet_types = ["ads"]', '"ads" is no type of message (otp, transactional or promotional)'),
        ('time_zone = "Berlin"', 'there is no time zone "Berlin" (such as "Europe/Berlin")'),
    ],
)
def test_bad_quiet_hours_are_faults(tmp_path: Path, line: str, says: str) -> None:
    [fault] = faults(tmp_path, f"[accounts.demo]\n{line}\n")
    assert says in fault
    assert fault.startswith("2: ")


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("8080", "is no address and port"),
        ("host:99999", "there is no port 99999"),
        ("::1:80", "is no address and port"),
    ],
)
def test_bad_addresses_to_listen_on_are_faults(tmp_path: Path, listen: str, says: str) -> None:
    assert says in faults(tmp_path, f'[http]\nlisten = "{listen}"\n')[0]


def test_faults_of_variables_name_the_variable(tmp_path: Path) -> None:
    told = faults(
        tmp_path,
        "",
        HELIOGRAPH_HTTP_LISTN="x",
        HELIOGRAPH_STOR_URL="y",
        HELIOGRAPH_LIMITS_BODY_OCTETS="much",
        HELIOGRAPH_X="1",
    )
    assert told == [
        'HELIOGRAPH_HTTP_LISTN: no setting has this variable (did you mean "HELIOGRAPH_HTTP_LISTEN"?)',
        'HELIOGRAPH_STOR_URL: no setting has this variable (did you mean "HELIOGRAPH_STORE_URL"?)',
        "HELIOGRAPH_LIMITS_BODY_OCTETS: body_octets must be a whole number, not 'much' (such as body_octets = 10)",
    ]


def test_variables_of_the_command_line_are_known() -> None:
    read: set[str] = set()
    waiting: list[Any] = [typer.main.get_command(app)]
    while waiting:
        command = waiting.pop()
        waiting.extend(getattr(command, "commands", {}).values())
        for parameter in command.params:
            names = parameter.envvar or ()
            read.update([names] if isinstance(names, str) else names)
    assert {"HELIOGRAPH_CONFIG", "HELIOGRAPH_KEY"} <= read
    assert read <= set(_OTHER_VARIABLES)


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"[http\n", "1: is no TOML: "),
        (b"[http]\nlisten = 1\nlisten = 2\n", "3: is no TOML: Cannot overwrite a value"),
        (b"x = [[[", "is no TOML"),
        (b"x = " + b"[" * 100_000, "is no TOML"),
        (b"\xff\xfe", "is no text in UTF-8"),
    ],
)
def test_what_is_no_toml_is_one_fault(tmp_path: Path, octets: bytes, says: str) -> None:
    path = tmp_path / "heliograph.toml"
    path.write_bytes(octets)
    with pytest.raises(ConfigError) as raised:
        load(path, {}, kinds=KINDS)
    assert len(raised.value.faults) == 1
    assert says in str(raised.value)


def test_missing_file_and_folder_are_faults(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.toml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load(path, {}, kinds=KINDS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http = 1", '1: "http" must be a table (write [http] above its settings)'),
        (
            "[connectors]\nname = 1",
            '1: "connectors" must be a list of tables (write [[connectors]] above each of them)',
        ),
        ("[accounts]\ndemo = 1", '2: "demo" must be a table (write [accounts.demo] above its settings)'),
        ('[accounts."a b"]', '1: "a b" cannot name an account (letters, digits, and _ . - between them)'),
    ],
)
def test_wrong_shapes_are_faults(tmp_path: Path, text: str, says: str) -> None:
    assert faults(tmp_path, text) == [says]


def test_faults_that_a_connector_finds_itself_are_told(tmp_path: Path) -> None:
    text = '[[connectors]]\nname = "a"\nkind = "pipe"\nhost = "nowhere"\n'
    assert faults(tmp_path, text) == ["1: nowhere is no place"]
    text = '[[connectors]]\nname = "a"\nkind = "pipe"\nhost = "h"\nflags = [1]\n'
    assert faults(tmp_path, text) == ["5: flags are not two (such as [0, 0])"]


def test_tables_and_lists_of_a_connector_become_values(tmp_path: Path) -> None:
    text = '[[connectors]]\nname = "a"\nkind = "pipe"\nhost = "h"\nflags = [1, 2]\n[connectors.words]\nx = "env:X"\n'
    settings = load(write(tmp_path, text), {"X": "y"}, kinds=KINDS).connectors[0].settings
    assert (settings.flags, settings.words) == ((1, 2), {"x": "y"})
    wrong = '[[connectors]]\nname = "a"\nkind = "pipe"\nhost = "h"\nflags = ["x"]\nwords = { x = 1 }\n'
    assert faults(tmp_path, wrong) == [
        "5: flags must be a list of whole numbers (such as flags = [1, 1])",
        '6: words must be a table of texts (such as words = { key = "value" })',
    ]


def test_an_smpp_connector_as_others_write_it_is_read(tmp_path: Path) -> None:
    text = WHOLE.replace(
        'kind = "pipe"', 'kind = "smpp"\nsystem_id = "esme"\nbind = "transceiver"\nlinks = 1\nwindow = 100'
    )
    settings = load(write(tmp_path, text), {}).connectors[0].settings
    assert (settings.system_id, settings.window, settings.segments_per_second) == ("esme", 100, 0.0)


def test_a_number_may_belong_to_one_account_on_each_connector(tmp_path: Path) -> None:
    second = WHOLE + '[[connectors]]\nname = "b"\nkind = "pipe"\nhost = "h"\n'
    second += '[[numbers]]\nnumber = "12345"\naccount = "other"\nconnectors = ["b"]\n'
    assert len(load(write(tmp_path, second), {}, kinds=KINDS).numbers) == 2


def test_configurations_do_not_change(tmp_path: Path) -> None:
    config = load(write(tmp_path, WHOLE), {}, kinds=KINDS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.http.listen = "x"  # type: ignore[misc]
