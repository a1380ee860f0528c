"""Settings come from the environment and a file, with defaults that run at once."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from finops_core.platform.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TIEOUT_{name.upper()}", raising=False)
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL"):
        monkeypatch.delenv(name, raising=False)


def settings(**values: object) -> Settings:
    return Settings(_env_file=None, **values)  # type: ignore[arg-type,call-arg]


def test_without_any_setting_an_embedded_database_under_the_data_folder_is_used():
    plain = settings()

    assert plain.url == f"sqlite:///{Path('data/var/tieout.sqlite')}"
    assert plain.owner_url == plain.url
    assert plain.heads_dir == Path("data/var/audit-heads")


def test_the_embedded_database_moves_with_the_data_folder(tmp_path: Path):
    moved = settings(data_dir=tmp_path)

    assert moved.url == f"sqlite:///{tmp_path / 'tieout.sqlite'}"
    assert moved.heads_dir == tmp_path / "audit-heads"


def test_the_environment_names_another_database_and_its_owner(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://app@db/tieout")
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgresql+psycopg://owner@db/tieout")

    assert settings().url == "postgresql+psycopg://app@db/tieout"
    assert settings().owner_url == "postgresql+psycopg://owner@db/tieout"


def test_the_owner_is_the_application_unless_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://app@db/tieout")

    assert settings().owner_url == "postgresql+psycopg://app@db/tieout"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / ".env"
    file.write_text("TIEOUT_SESSION_IDLE_S=60\nTIEOUT_WORKER=off\nSOMETHING_ELSE=1\n", encoding="utf-8")
    monkeypatch.setenv("TIEOUT_SESSION_IDLE_S", "120")

    read = Settings(_env_file=file)  # type: ignore[call-arg]

    assert (read.session_idle_s, read.worker) == (120, "off")


def test_a_value_that_means_nothing_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIEOUT_WORKER", "sometimes")

    with pytest.raises(ValidationError):
        settings()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("", ""),
        ("https://tieout.example.com", "https://tieout.example.com"),
        (" https://tieout.example.com:8443/desk/ ", "https://tieout.example.com:8443/desk"),
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501"),
    ],
)
def test_the_address_the_desk_is_reached_at_is_kept_without_its_last_slash(typed: str, kept: str):
    assert settings(public_url=typed).public_url == kept


@pytest.mark.parametrize(
    "typed",
    [
        "tieout.example.com",
        "ftp://tieout.example.com",
        "https://",
        "https://someone@tieout.example.com",
        "https://tieout.example.com/?a=1",
        "https://tieout.example.com/#top",
        "https://tieout.example.com/a b",
        "https://tieout.ex\N{LATIN SMALL LETTER A WITH ACUTE}mple.com",
    ],
)
def test_what_is_no_address_of_a_desk_is_refused(typed: str):
    with pytest.raises(ValidationError, match="the address people use for the desk"):
        settings(public_url=typed)


@pytest.mark.parametrize("typed", ["*", "0.0.0.0/0", "::/0", "10.0.0.5,0.0.0.0/0", "proxy.example.com", "10.0.0.5/8"])
def test_proxies_are_named_by_address_and_never_everybody(typed: str):
    with pytest.raises(ValidationError, match="name your proxies by address or network"):
        settings(trusted_proxies=typed)


def test_proxies_are_kept_apart_by_commas_alone_and_unnamed_are_those_of_private_networks():
    assert settings(trusted_proxies=" 10.0.0.5, 172.18.0.0/16,").trusted_proxies == "10.0.0.5,172.18.0.0/16"
    assert len(settings(trusted_proxies="10.0.0.5").proxy_networks) == 1
    assert any(str(network) == "192.168.0.0/16" for network in settings().proxy_networks)


def test_an_approved_run_waits_five_minutes_but_not_in_the_demo_and_as_long_as_is_set():
    assert (settings(demo=False).held_back_s, settings(demo=True).held_back_s) == (300, 0)
    assert [settings(demo=demo, hold_back_s=60).held_back_s for demo in (False, True)] == [60, 60]
    assert settings(demo=False, hold_back_s=0).held_back_s == 0


@pytest.mark.parametrize("values", [{"hold_back_s": -1}, {"hold_back_s": 8 * 24 * 3600}, {"payout_rate_per_s": 0}])
def test_a_window_or_a_pace_that_makes_no_sense_is_refused(values: dict[str, float]):
    with pytest.raises(ValidationError):
        settings(**values)


@pytest.mark.parametrize(
    ("demo", "hold_back_s", "approval_expires_s", "fits"),
    [(False, 3600, 3600, False), (False, 3599, 3600, True), (False, None, 300, False), (True, None, 300, True)],
)
def test_what_is_held_back_must_still_be_able_to_start(
    demo: bool, hold_back_s: int | None, approval_expires_s: int, fits: bool
):
    values = {"demo": demo, "hold_back_s": hold_back_s, "approval_expires_s": approval_expires_s}

    if fits:
        assert settings(**values).approval_expires_s == approval_expires_s
        return
    with pytest.raises(ValidationError, match="TIEOUT_HOLD_BACK_S must be shorter"):
        settings(**values)


def test_settings_do_not_change_and_do_not_show_the_master_key():
    held = settings(master_key="ab" * 32)

    with pytest.raises(ValidationError):
        held.demo = False
    assert "abab" not in repr(held)
    assert held.master_key.get_secret_value() == "ab" * 32


def test_the_file_to_copy_names_only_settings_that_exist():
    known = {f"TIEOUT_{name.upper()}" for name in Settings.model_fields} | {"DATABASE_URL", "DATABASE_OWNER_URL"}
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    named = {line.lstrip("# ").split("=")[0] for line in lines if "=" in line and line.lstrip("# ")[:1].isupper()}

    assert named - known == set()
