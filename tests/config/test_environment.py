from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.environment import EDITS, ENVIRONMENT, GENERATIONS, OPTIONS
from gateway.config.load import load, resolve
from gateway.config.problem import Place
from tests.config.toy import Bfl, OpenAI, Toy, environment_problems, load_text, problems_of


def test_two_variables_are_a_whole_configuration() -> None:
    """`IMAGE_EDIT_PLATFORM=flux1_kontext` and a key: a platform, a route, defaults."""
    config = load(Toy, None, {"IMAGE_EDIT_PLATFORM": "flux1_kontext", "BFL_API_KEY": "k"})
    bfl = config.platforms["bfl"]
    assert isinstance(bfl, Bfl)
    assert bfl.api_key.reveal() == "k"
    assert config.routes.edits == ("bfl/flux-kontext-pro",)
    assert config.listen.port == 8080


def test_nothing_set_is_every_default() -> None:
    """Blank variables count as not set."""
    blank = {variable.name: " \n" for variable in ENVIRONMENT}
    assert load(Toy, None, blank) == load(Toy, None, {}) == Toy()


def test_every_variable_reaches_its_key() -> None:
    """The whole table at once, and nothing is held back."""
    loaded = resolve(
        Toy,
        None,
        {
            "GATEWAY_HOST": "0.0.0.0",
            "GATEWAY_PORT": "9000",
            "GATEWAY_ADMIN_HOST": "::1",
            "GATEWAY_ADMIN_PORT": " 9001\n",
            "PUBLIC_BASE_URL": "https://images.example.com",
            "ROUTE_PREFIX": "/ai",
            "FORWARD_KEY": "one two  one",
            "BFL_API_KEY": "k-bfl",
            "BFL_BASE_URL": "http://127.0.0.1:9100",
            "BFL_MAX_ACTIVE_TASKS": "6",
            "OPENAI_API_KEY": "k-1  k-2",
            "OPENAI_BASE_URL": "http://127.0.0.1:9200/v1",
            "OPENAI_IMAGE_MODEL": "gpt-image-2.6-sunburst",
            "OPENAI_IMAGE_MODEL_FALLBACK": "gpt-image-2.6-flare",
            "IMAGE_EDIT_PLATFORM": "flux1_kontext,openai",
            "IMAGE_GEN_PLATFORM": "dalle3 , flux1_1,",
            "GATEWAY_MEMORY_BUDGET": "64MiB",
            "GATEWAY_STATE_DIR": "/var/lib/gateway",
        },
    )
    config = loaded.config
    bfl, openai = config.platforms["bfl"], config.platforms["openai"]
    assert isinstance(bfl, Bfl)
    assert isinstance(openai, OpenAI)
    assert (config.listen.host, config.listen.port) == ("0.0.0.0", 9000)
    assert (config.admin.host, config.admin.port) == ("::1", 9001)
    assert (config.public_base_url, config.route_prefix) == ("https://images.example.com", "/ai")
    assert [(key.id, key.hash) for key in config.auth.keys] == [
        (f"forward-{n}", "sha256:" + hashlib.sha256(key).hexdigest()) for n, key in ((1, b"one"), (2, b"two"))
    ]
    assert (bfl.api_key.reveal(), bfl.base_url, bfl.max_active_tasks) == ("k-bfl", "http://127.0.0.1:9100", 6)
    assert [key.reveal() for key in openai.api_keys] == ["k-1", "k-2"]
    assert openai.base_url == "http://127.0.0.1:9200/v1"
    assert (openai.image_model, openai.image_model_fallback) == ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare")
    assert config.routes.edits == ("bfl/flux-kontext-pro", "openai")
    assert config.routes.generations == ("openai", "bfl/flux-pro-1.1")
    assert (config.memory.budget, config.state_dir) == (64 * 2**20, Path("/var/lib/gateway"))
    assert loaded.ignored == {}


class TestPlatformNames:
    """`IMAGE_EDIT_PLATFORM` and `IMAGE_GEN_PLATFORM`."""

    @given(
        st.lists(st.sampled_from(sorted(EDITS)), min_size=1),
        st.lists(st.sampled_from([",", " ", ", ", ",,", " ,\t"]), min_size=1),
    )
    def test_stray_commas_and_spaces_are_tolerated(self, names: list[str], seams: list[str]) -> None:
        """Any mix of them between, before and after the names; the order is kept, repetition is not."""
        text = seams[0] + "".join(name + seams[n % len(seams)] for n, name in enumerate(names))
        environ = {"IMAGE_EDIT_PLATFORM": text, "BFL_API_KEY": "k", "OPENAI_API_KEY": "k"}
        expected = tuple(dict.fromkeys(EDITS[name] for name in names))
        assert load(Toy, None, environ).routes.edits == expected

    def test_both_know_the_same_names(self) -> None:
        """FLUX 1.1 makes pictures from text only: among edits its name means the platform's default."""
        assert EDITS.keys() == GENERATIONS.keys()
        assert {name for name in EDITS if EDITS[name] != GENERATIONS[name]} == {"flux1_1"}

    def test_case_does_not_matter(self) -> None:
        """`OpenAI` is `openai`."""
        assert load(Toy, None, {"IMAGE_GEN_PLATFORM": "OpenAI", "OPENAI_API_KEY": "k"}).routes.generations == (
            "openai",
        )

    @pytest.mark.parametrize("name", ["IMAGE_EDIT_PLATFORM", "IMAGE_GEN_PLATFORM"])
    def test_an_unknown_name_gets_the_valid_ones(self, name: str) -> None:
        """The variable is named, and so is every unknown word in it."""
        assert environment_problems({name: "flux2, openai, Fal", "OPENAI_API_KEY": "k"}) == [
            f"environment: {name}: unknown platform 'flux2', 'fal'; valid names: flux1_kontext, flux1_1, openai, dalle3"
        ]

    def test_only_commas(self) -> None:
        """Not blank, but no name either."""
        [told] = environment_problems({"IMAGE_EDIT_PLATFORM": ", ,"})
        assert told.startswith("environment: IMAGE_EDIT_PLATFORM: unknown platform ', ,'; valid names:")

    def test_a_named_platform_needs_its_key(self) -> None:
        """The missing variable is named, not a key of a file nobody has."""
        assert environment_problems({"IMAGE_EDIT_PLATFORM": "flux1_kontext,openai"}) == [
            "environment: BFL_API_KEY: is not set; platforms.bfl needs it",
            "environment: OPENAI_API_KEY: is not set; platforms.openai needs it",
        ]


def test_problems_name_the_variable() -> None:
    """Wrong values are told by the name the operator knows, all of them at once."""
    told = environment_problems(
        {"GATEWAY_PORT": "web", "BFL_API_KEY": "s3cr3t s3cr3t\x07", "BFL_MAX_ACTIVE_TASKS": "0", "FORWARD_KEY": "f"},
        port="70000",
    )
    assert told == [
        "command line: --port: should be less than or equal to 65535 (found '70000')",
        "environment: BFL_API_KEY: should be one line of printable text without spaces around it",
        "environment: BFL_MAX_ACTIVE_TASKS: should be greater than or equal to 1 (found '0')",
    ]


def test_an_address_from_kubernetes_is_explained() -> None:
    """A Service called `gateway` makes Kubernetes set GATEWAY_PORT to something else."""
    [told] = environment_problems({"GATEWAY_PORT": "tcp://10.0.0.1:80"})
    assert told.startswith("environment: GATEWAY_PORT: holds an address, not a port: Kubernetes")
    assert "enableServiceLinks: false" in told


class TestPrecedence:
    """Command line over listener variables over file over every other variable."""

    def test_the_listener_variables_beat_the_file(self, tmp_path: Path) -> None:
        """What the container decides."""
        text = "listen: {host: 127.0.0.1, port: 1}\nadmin: {port: 2}\n"
        environ = {"GATEWAY_HOST": "0.0.0.0", "GATEWAY_PORT": "11", "GATEWAY_ADMIN_PORT": "12"}
        loaded = load_text(tmp_path, text, environ)
        assert (loaded.config.listen.host, loaded.config.listen.port) == ("0.0.0.0", 11)
        assert loaded.config.admin.port == 12
        assert loaded.origins["listen", "port"] == Place("environment", name="GATEWAY_PORT")

    def test_the_command_line_beats_all(self, tmp_path: Path) -> None:
        """`--host` and `--port`."""
        loaded = load_text(tmp_path, "listen: {port: 1}\n", {"GATEWAY_PORT": "11"}, port="21", host="::")
        assert (loaded.config.listen.host, loaded.config.listen.port) == ("::", 21)
        assert loaded.origins["listen", "port"] == Place("command line", name="--port")

    def test_a_key_in_the_file_is_not_touched(self, tmp_path: Path) -> None:
        """What does not count is reported with the reason."""
        text = "auth:\n  keys:\n  - {id: a, hash: h}\nmemory: {budget: 1MiB}\n"
        loaded = load_text(tmp_path, text, {"FORWARD_KEY": "k", "GATEWAY_MEMORY_BUDGET": "2MiB"})
        assert [key.id for key in loaded.config.auth.keys] == ["a"]
        assert loaded.config.memory.budget == 2**20
        assert dict(loaded.ignored) == {
            "FORWARD_KEY": f"already set by {tmp_path}/gateway.yaml:3:3",
            "GATEWAY_MEMORY_BUDGET": f"already set by {tmp_path}/gateway.yaml:4:18",
        }

    @pytest.mark.parametrize("text", ["auth: {}\n", "auth:\n", "auth: null\n", "level: 1\n"])
    def test_a_key_the_file_leaves_out_is_filled(self, tmp_path: Path, text: str) -> None:
        """Also inside of a section that is there."""
        assert [key.id for key in load_text(tmp_path, text, {"FORWARD_KEY": "k"}).config.auth.keys] == ["forward-1"]

    def test_a_file_with_platforms_gets_none_from_the_environment(self, tmp_path: Path) -> None:
        """A key of the environment never goes to a host that a file names."""
        text = "platforms:\n  openai: {kind: openai, base_url: 'http://10.0.0.1', api_keys: [own]}\n"
        environ = {
            "BFL_API_KEY": "k",
            "OPENAI_API_KEY": "k",
            "BFL_MAX_ACTIVE_TASKS": "3",
            "IMAGE_GEN_PLATFORM": "openai",
        }
        loaded = load_text(tmp_path, text, environ)
        assert list(loaded.config.platforms) == ["openai"]
        openai = loaded.config.platforms["openai"]
        assert isinstance(openai, OpenAI)
        assert [key.reveal() for key in openai.api_keys] == ["own"]
        assert loaded.config.routes.generations == ("openai",)
        assert list(loaded.ignored) == ["BFL_API_KEY", "OPENAI_API_KEY", "BFL_MAX_ACTIVE_TASKS"]
        text = "platforms:\n  openai: {kind: openai, base_url: 'http://10.0.0.1'}\n"
        assert problems_of(tmp_path, text, environ) == ["gateway.yaml:2:3: platforms.openai.api_keys: is required"]

    @pytest.mark.parametrize("word", ["${OPENAI_API_KEY}", "${OPENAI_API_KEY:-none}", "a ${OPENAI_API_KEY}"])
    def test_what_the_file_names_is_used(self, tmp_path: Path, word: str) -> None:
        """Nobody is told that a variable does not count while the file itself puts it in, wherever that is."""
        text = f"platforms:\n  mine: {{kind: openai, base_url: 'http://10.0.0.1', api_keys: [\"{word}\"]}}\n"
        loaded = load_text(tmp_path, text, {"OPENAI_API_KEY": "k", "BFL_API_KEY": "k"})
        assert dict(loaded.ignored) == {"BFL_API_KEY": "the file lists its own platforms"}
        text = "auth: {keys: [{id: a, hash: '${FORWARD_KEY}'}]}\n"
        assert load_text(tmp_path, text, {"FORWARD_KEY": "h"}).ignored == {}

    def test_a_file_with_routes_gets_no_platform_by_a_route(self, tmp_path: Path) -> None:
        """IMAGE_EDIT_PLATFORM stands behind `routes.edits` as a whole."""
        loaded = load_text(tmp_path, "routes: {edits: []}\n", {"IMAGE_EDIT_PLATFORM": "openai"})
        assert loaded.config.platforms == {}
        assert list(loaded.ignored) == ["IMAGE_EDIT_PLATFORM"]

    def test_a_file_without_platforms_gets_them(self, tmp_path: Path) -> None:
        """A file may say the rest only."""
        loaded = load_text(tmp_path, "memory: {budget: 1MiB}\nplatforms:\n", {"BFL_API_KEY": "k"})
        assert list(loaded.config.platforms) == ["bfl"]

    def test_tuning_alone_brings_no_platform(self) -> None:
        """BFL_BASE_URL left over in an environment file is reported, not an error."""
        loaded = resolve(Toy, None, {"BFL_BASE_URL": "http://x", "OPENAI_API_KEY": "k"})
        assert list(loaded.config.platforms) == ["openai"]
        assert dict(loaded.ignored) == {"BFL_BASE_URL": "platform 'bfl' is not in use"}

    def test_a_section_of_the_wrong_kind_is_the_files_problem(self, tmp_path: Path) -> None:
        """The variable cannot be put there, and only the file is complained about."""
        told = problems_of(tmp_path, "listen: 8080\nauth: [k]\n", {"GATEWAY_PORT": "1", "FORWARD_KEY": "k"})
        assert told == [
            "gateway.yaml:1:9: listen: should be a mapping (found a single value)",
            "gateway.yaml:2:7: auth: should be a mapping (found a list)",
        ]


def test_a_key_that_is_no_utf8_is_hashed_as_its_bytes() -> None:
    """The environment is bytes; Python hands the odd ones on as surrogates."""
    [key] = load(Toy, None, {"FORWARD_KEY": b"\xff".decode("utf-8", "surrogateescape")}).auth.keys
    assert key.hash == "sha256:" + hashlib.sha256(b"\xff").hexdigest()


def test_names_are_unique() -> None:
    """One name, one key; one key, one name."""
    for table in (ENVIRONMENT, OPTIONS):
        assert len({variable.name for variable in table}) == len({variable.path for variable in table}) == len(table)
