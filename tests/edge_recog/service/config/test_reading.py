from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_recog.masks import Region
from edge_recog.service.config.problems import ConfigError
from edge_recog.service.config.reading import check_secrets, load_config, secret_files
from edge_recog.service.config.sections import Config, WebSettings
from edge_recog.watching import MotionRules, WatchRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Return what writes a configuration that only its owner can read."""

    def write(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        path.chmod(0o600)
        return path

    return write


def problems_of(path: Path | None, **options: Any) -> list[str]:
    """Return what is told of a configuration that is wrong, without its folder."""
    options.setdefault("environ", {})
    with pytest.raises(ConfigError) as refused:
        load_config(path, **options)
    folder = f"{path.parent}/" if path is not None else ""
    return [str(problem).removeprefix(folder) for problem in refused.value.problems]


def outcome_of(**options: Any) -> list[str] | None:
    """Return what is told of settings that are wrong, None if they are good."""
    try:
        load_config(**options)
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return None


def test_without_a_file_there_are_defaults() -> None:
    loaded = load_config(environ={})

    assert loaded.config == Config()
    assert loaded.origin_of("web.listen") == "default"


def test_every_source_of_settings_overrides_the_one_before(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "web.token_file").write_text("token")
    path = written(
        'source = "synthetic:"\nthreads = 2\ntop_k = 3\n[web]\nviewers = 2\ntoken_file = "/x"\n'
    )
    loaded = load_config(
        path,
        environ={
            "EDGE_RECOG__THREADS": "3",
            "EDGE_RECOG__TOP_K": "4",
            "CREDENTIALS_DIRECTORY": str(tmp_path),
        },
        overrides={"top_k": 5, "web.listen": ":80"},
    )
    config = loaded.config

    assert (config.source, config.threads, config.top_k) == ("synthetic:", 3, 5)
    assert config.web == WebSettings(
        listen=":80", viewers=2, token_file=str(tmp_path / "web.token_file")
    )
    keys = ("model", "source", "threads", "top_k", "web.listen", "web.viewers", "web.token_file")
    assert [loaded.origin_of(key) for key in keys] == [
        "default",
        "file",
        "environment",
        "command line",
        "command line",
        "file",
        "credential",
    ]


def test_a_credential_is_for_a_section_that_the_environment_switches_on(tmp_path: Path) -> None:
    (tmp_path / "mqtt.password_file").write_text("hunter2")
    environ = {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "EDGE_RECOG__MQTT__BROKER": "mqtt://user@home",
    }
    mqtt = load_config(environ=environ).config.mqtt

    assert mqtt is not None
    assert mqtt.password_file == str(tmp_path / "mqtt.password_file")


def test_a_credential_switches_no_section_on(tmp_path: Path) -> None:
    (tmp_path / "mqtt.password_file").write_text("hunter2")

    assert load_config(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}).config.mqtt is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sorce = 1", "config.toml:1: sorce: unknown key; did you mean source?"),
        (
            '\n[web]\nlisen = "x"',
            "config.toml:3: web.lisen: unknown key; did you mean listen?",
        ),
        (
            'listen = "x"',
            "config.toml:1: listen: unknown key; it belongs to the section [web]",
        ),
        (
            '[web]\nsource = "x"',
            "config.toml:2: web.source: unknown key; it belongs to the top of the file",
        ),
        (
            "[smoothing]\nqqq = 1",
            "config.toml:2: smoothing.qqq: unknown key; there are half_life_s",
        ),
        ('"\\u001b[2J" = 1', "config.toml: \\x1b[2J: unknown key; there are"),
    ],
    ids=["near", "near in a section", "in a section", "at the top", "nowhere", "unprintable"],
)
def test_an_unknown_key_is_told_with_what_may_be_meant(
    written: Callable[[str], Path], text: str, problem: str
) -> None:
    (told,) = problems_of(written(text))

    assert told.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("threads = 0", "1: threads is 0; it must be a whole number from 1 to 256"),
        ('threads = "2"', '1: threads is "2"; it must be a whole number from 1 to 256'),
        (
            "rate_limit_fps = 0",
            "1: rate_limit_fps is 0; it must be a number above 0 and at most 1000, or false",
        ),
        ("rate_limit_fps = nan", "1: rate_limit_fps is nan; it must be a number above 0"),
        ("source = 5", "1: source is 5; it must be a text that is not empty"),
        ('source = ""', '1: source is ""; it must be a text that is not empty'),
        ('[updates]\nurl = "https://u.example/x"', "1: updates bring models into the store"),
        ("model = 'active'\n[updates]\nurl = 'ftp://x'", "3: updates.url is"),
        ('source = "a\\nb"', "1: source has characters that cannot be seen"),
        ('node = "K"', '1: node is "K"; it must be a text that matches ^[a-z0-9_-]{1,64}$'),
        ('node = "k\\n"', "1: node is 'k\\n'; it must match"),
        ('fallback = "gpu"', '1: fallback is "gpu"; it must be "cpu", or false'),
        ('fallback = "cpu"', "1: fallback is for a delegate"),
        ('delegate = "gpu"', "1: delegate: 'gpu' names no delegate"),
        ("web = 5", "1: web is 5; it must be a section, or false"),
        ("smoothing = false", "1: smoothing is false; it must be a section"),
        ("[events]\nlabels = 'a'", '2: events.labels is "a"; it must be a list, each a text'),
        ("[events]\nthreshold = 2", "2: events.threshold is 2.0; it must be above 0"),
        ("[web]\nlisten = '8080'", "2: web.listen is '8080'; write it like 127.0.0.1:8080"),
        ("[web]\nkey_file = '/x'", "config.toml: web.cert_file and key_file: name both"),
        ("[supervision]\nstall_s = 0", "2: supervision.stall_s is 0.0; it must be above 0"),
        (
            "[supervision]\ncpu_fallback = true",
            "2: supervision.cpu_fallback: set fallback",
        ),
        ("[mqtt]\nqueue = 5", "1: mqtt.broker: missing; mqtt needs it"),
        ("[mqtt]\nbroker = 'home'", "2: mqtt.broker is 'home'; write it like mqtt://host"),
        (
            "[mqtt]\nbroker = 'mqtt://home'\nnode = 'x'",
            "3: mqtt.node: set node at the top of the file instead",
        ),
        ("[webhook]\nurl = 'x'", "1: webhook: the webhook's url must begin with http"),
        ("masks = [{}]", "1: masks[0].x: missing; masks[0] needs it"),
        (
            "masks = [\n{x=0,y=0,width=1,height=1},\n{x=0,y=0,width=2,height=1},\n]",
            "1: masks[1].width is 2.0; it must be above 0",
        ),
        ("threads = 1" + "0" * 400, f"1: threads is 1{'0' * 58}…; it must be a whole number"),
        # Python 3.11 finds it too large a dict; later ones write out how it begins.
        ("threads" + ".a" * 3000 + " = 1", "1: threads is "),
    ],
    ids=lambda text: text.replace("\n", " ")[:40],
)
def test_a_wrong_value_is_told_with_what_is_allowed(
    written: Callable[[str], Path], text: str, problem: str
) -> None:
    (told,) = problems_of(written(text))

    assert told.removeprefix("config.toml:").startswith(problem.removeprefix("config.toml:"))


def test_all_mistakes_are_told_at_once(written: Callable[[str], Path]) -> None:
    path = written('threads = 0\n[web]\nlisen = ":80"\nviewers = "ten"\n[mqtt]\nuser = "u"\n')
    told = problems_of(path, environ={"EDGE_RECOG__TOP_K": "x", "EDGE_RECOG__WEBB": "1"})

    assert [one.partition(" ")[0] for one in told] == [
        "EDGE_RECOG__WEBB:",
        "config.toml:1:",
        "config.toml:3:",
        "config.toml:4:",
        "config.toml:5:",
        "EDGE_RECOG__TOP_K:",
    ]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"threads = ", "not TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2\n", "not TOML: Cannot overwrite a value (at line 2, column 6)"),
        (b"\xff", "not a text file in UTF-8"),
        (b"#" * 70_000, "larger than 65536 bytes"),
        (b"a = " + b"[" * 30_000, "not TOML: nested too deeply"),
        (b"a = " + b"1" * 5_000, "not TOML: "),
    ],
    ids=["broken", "twice", "bytes", "large", "deep", "long number"],
)
def test_a_file_that_is_no_configuration_is_refused(
    written: Callable[[str], Path], data: bytes, problem: str
) -> None:
    path = written("")
    path.write_bytes(data)
    (told,) = problems_of(path)

    assert told.startswith(f"config.toml: {problem}")


def test_a_file_that_is_missing_says_how_to_get_one(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    assert problems_of(path) == [
        f"none.toml: no such file; `edge-recog config init {path}` writes one"
    ]


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [f"{tmp_path.name}: cannot be read: Is a directory"]


def test_false_switches_off_and_true_switches_on(written: Callable[[str], Path]) -> None:
    path = written("watch = false\nmotion = true\nweb = false\nrate_limit_fps = false\n")
    config = load_config(path, environ={}).config

    assert (config.watch, config.motion, config.web) == (None, MotionRules(), None)
    assert config.rate_limit_fps is None


def test_false_within_a_section_stands_for_none(written: Callable[[str], Path]) -> None:
    path = written("[watch]\nfreeze_s = false\n[mqtt]\nbroker = 'mqtt://h'\ndiscovery = false\n")
    config = load_config(path, environ={}).config

    assert config.watch == WatchRules(freeze_s=None)
    assert config.mqtt is not None
    assert config.mqtt.discovery is False


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("THREADS", "4", "threads", 4),
        ("RATE_LIMIT_FPS", "2.5", "rate_limit_fps", 2.5),
        ("RATE_LIMIT_FPS", "", "rate_limit_fps", None),
        ("SOURCE", "v4l2:/dev/video0?width=640", "source", "v4l2:/dev/video0?width=640"),
        ("SOURCE", "5", "source", "5"),
        ("DELEGATE", "false", "delegate", None),
        ("EVENTS__LABELS", '["a", "b"]', "events", ("a", "b")),
        ("MASKS", "[{x=0,y=0,width=1,height=0.5}]", "masks", None),
        ("WATCH", "false", "watch", None),
        ("MQTT__BROKER", "mqtt://home", "mqtt", "mqtt://home"),
    ],
)
def test_a_variable_is_read_by_the_type_of_its_key(
    name: str, value: str, key: str, expected: Any
) -> None:
    loaded = load_config(environ={f"EDGE_RECOG__{name}": value})
    found = getattr(loaded.config, key)

    if key == "events":
        found = found.labels
    elif key == "mqtt":
        found = found.broker
    elif key == "masks":
        expected = (Region(x=0, y=0, width=1, height=0.5),)
    assert found == expected
    assert loaded.origin_of(name.lower().replace("__", ".")) == "environment"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"EDGE_RECOG__WEB__LISEN": "x"},
            "EDGE_RECOG__WEB__LISEN: unknown variable; did you mean EDGE_RECOG__WEB__LISTEN?",
        ),
        ({"EDGE_RECOG__THREADS": "two"}, 'EDGE_RECOG__THREADS: threads is "two"; it must be'),
        ({"EDGE_RECOG__THREADS": "1\ntop_k = 2"}, "EDGE_RECOG__THREADS: threads is "),
        ({"EDGE_RECOG__THREADS": "true"}, "EDGE_RECOG__THREADS: threads is true; it must be"),
        ({"EDGE_RECOG__WEB__LISTEN": "x"}, "EDGE_RECOG__WEB__LISTEN: web.listen is 'x'; write"),
        ({"EDGE_RECOG__MASKS": "[{x=9}]"}, "EDGE_RECOG__MASKS: masks[0].y: missing; masks[0] "),
    ],
    ids=["unknown", "no number", "two lines", "a flag", "no address", "in a list"],
)
def test_a_wrong_variable_is_told_by_its_name(environ: dict[str, str], problem: str) -> None:
    (told,) = problems_of(None, environ=environ)

    assert told.startswith(problem)


def test_variables_of_others_are_let_be() -> None:
    environ = {"EDGE_RECOG_MQTT_PASSWORD": "x", "PATH": "/bin", "EDGE_RECOGNISED__X": "1"}

    assert load_config(environ=environ).config == Config()


def test_a_wrong_option_is_told_to_be_the_command_lines() -> None:
    told = problems_of(None, overrides={"web.listen": "x"})

    assert told == [
        "command line: web.listen is 'x'; write it like 127.0.0.1:8080 or [::1]:8080, or :8080 "
        "for all addresses"
    ]


def test_a_password_in_a_file_that_others_can_read_is_refused(
    written: Callable[[str], Path],
) -> None:
    path = written('threads = 1\nsource = "rtsp://user:hunter2@camera/live"')
    assert load_config(path, environ={}).config.source == "rtsp://user:hunter2@camera/live"
    path.chmod(0o640)
    (told,) = problems_of(path)

    assert told.startswith("config.toml:2: source has a password in it, and others can read ")
    assert "EDGE_RECOG__SOURCE" in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "source", ["rtsp://camera/live", "rtsp://user@camera/a:b@c", "v4l2:/dev/x"]
)
def test_a_source_without_a_password_may_be_read_by_others(
    written: Callable[[str], Path], source: str
) -> None:
    path = written(f'source = "{source}"')
    path.chmod(0o644)

    assert load_config(path, environ={}).config.source == source


def test_the_value_of_a_secrets_key_is_not_repeated(written: Callable[[str], Path]) -> None:
    (told,) = problems_of(written("[web]\ntoken_file = 987654"))

    assert "token_file must be a text" in told
    assert "987654" not in told


def test_secrets_that_others_can_read_are_told(
    written: Callable[[str], Path], tmp_path: Path
) -> None:
    token, missing = tmp_path / "token", tmp_path / "missing"
    token.write_text("secret\n")
    token.chmod(0o644)
    loaded = load_config(
        written(
            f'[web]\ntoken_file = "{token}"\n[mqtt]\nbroker = "mqtt://u@h"\n'
            f'password_file = "{missing}"'
        ),
        environ={},
    )

    assert secret_files(loaded.config) == {
        "web.token_file": str(token),
        "mqtt.password_file": str(missing),
    }
    assert [str(problem) for problem in check_secrets(loaded)] == [
        f"web.token_file: {token}: others can read or write it (mode 0644): chmod 600 {token}",
        f"mqtt.password_file: {missing}: cannot be read: No such file or directory",
    ]
    token.chmod(0o600)
    missing.touch(0o600)
    missing.write_text("hunter2")
    assert check_secrets(loaded) == []


_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
_KEYS = st.sampled_from(["source", "threads", "roi", "masks", "events", "watch", "web", "mqtt"])


@given(overrides=st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_whatever_is_set_is_a_configuration_or_a_clear_error(overrides: dict[str, Any]) -> None:
    told = outcome_of(environ={}, overrides=overrides)

    assert told is None or (told and all(map(str.isprintable, told)))


@given(
    values=st.dictionaries(
        st.sampled_from(["THREADS", "ROI", "WEB", "X", "MQTT__QUEUE"]), st.text()
    )
)
def test_whatever_a_variable_says_is_read_or_told(values: dict[str, str]) -> None:
    environ = {f"EDGE_RECOG__{name}": value for name, value in values.items()}
    told = outcome_of(environ=environ)

    assert told is None or (told and all(map(str.isprintable, told)))


def test_the_environment_is_the_processs_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EDGE_RECOG__")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EDGE_RECOG__TOP_K", "7")

    assert load_config().config.top_k == 7
