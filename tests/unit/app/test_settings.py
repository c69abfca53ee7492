"""Settings: flags over environment over defaults, refused when unsafe."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.app.entries import AUTH, LOG_FORMATS, LOG_LEVELS, METRICS
from hilum.app.settings import ENTRIES, Settings, is_loopback
from hilum.problems import Misconfigured


def test_a_flag_counts_more_than_a_variable_and_a_variable_more_than_the_default():
    environ = {"HILUM_PORT": "81", "HILUM_WORKERS": "3"}
    settings = Settings.read({"port": "80", "workers": None}, environ)
    assert (settings.port, settings.workers, settings.host) == (80, 3, "127.0.0.1")


def test_an_empty_variable_is_as_good_as_none():
    assert Settings.read({}, {"HILUM_PORT": ""}) == Settings()


values = st.fixed_dictionaries(
    {},
    optional={
        "port": st.integers(0, 65535),
        "workers": st.integers(1, 256),
        "data": st.from_regex(r"[a-z/]{1,20}", fullmatch=True).map(Path),
        "integrity": st.booleans(),
        "check_claimed_profiles": st.booleans(),
        "max_body_bytes": st.integers(1024, 4 * 1024**3),
        "auth": st.sampled_from(AUTH),
        "metrics": st.sampled_from(METRICS),
        "log_level": st.sampled_from(LOG_LEVELS),
        "log_format": st.sampled_from(LOG_FORMATS),
        "store": st.sampled_from(["", "sqlite:/tmp/a b.sqlite", "postgresql://u:p@h:5432/d?host=/x"]),
        "base_url": st.sampled_from(["", "https://fhir.example.org", "http://a/b"]),
    },
)


@given(values)
def test_workers_read_the_same_settings_from_the_environment_that_they_inherit(given_values):
    settings = Settings(**given_values)
    assert Settings.read({}, settings.environ()) == settings


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"port": "65536"}, "--port must be a whole number from 0 to 65535."),
        ({"port": "http"}, "--port must be a whole number from 0 to 65535."),
        ({"auth": "none"}, "--auth must be smart or off."),
        ({"environment": "test"}, "--env must be sandbox or production."),
        ({"integrity": "perhaps"}, "--integrity/--no-integrity must be on or off."),
        ({"store": "mysql://h/d"}, "The store mysql: is not known."),
        ({"store": "sqlite:"}, "The store names no file or database."),
        ({"base_url": "fhir.example.org"}, "base_url must look like"),
        ({"auth": "off", "host": "0.0.0.0"}, "--auth off is refused on 0.0.0.0"),
        ({"auth": "off", "host": "hilum.example.org"}, "--auth off is refused on hilum.example.org"),
        ({"auth": "off", "environment": "production"}, "--auth off is refused in production."),
    ],
)
def test_what_does_not_hold_is_refused_by_name(flags, says):
    with pytest.raises(Misconfigured) as refused:
        Settings.read(flags, {})
    assert str(refused.value).startswith(says)


def test_a_refused_variable_is_named_but_its_value_which_may_be_a_secret_is_not():
    with pytest.raises(Misconfigured) as refused:
        Settings.read({}, {"HILUM_PORT": "hunter2"})
    assert str(refused.value) == "HILUM_PORT must be a whole number from 0 to 65535."


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_auth_off_is_allowed_where_only_this_machine_reaches(host):
    assert Settings(auth="off", host=host).auth == "off"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""])
def test_everything_else_is_no_loopback(host):
    assert not is_loopback(host)


def test_the_store_is_in_the_data_directory_unless_it_is_named():
    assert Settings(data=Path("/d")).store_url == "sqlite:/d/hilum.sqlite"
    assert Settings(data=Path("/d")).sqlite_path == Path("/d/hilum.sqlite")
    assert Settings(store="sqlite:/e/f.db").sqlite_path == Path("/e/f.db")


def test_a_store_is_shown_without_its_password():
    settings = Settings(store="postgresql://hilum:hunter2@db:5433/records?sslmode=require")
    assert settings.store_shown == "postgresql://hilum@db:5433/records"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        (Settings(), "http://127.0.0.1:8080/fhir"),
        (Settings(host="::1", port=9), "http://[::1]:9/fhir"),
        (Settings(host="0.0.0.0"), "http://127.0.0.1:8080/fhir"),
        (Settings(base_url="https://fhir.example.org/r4/"), "https://fhir.example.org/r4/fhir"),
    ],
)
def test_the_fhir_base_is_what_clients_see(settings, base):
    assert settings.fhir_base == base


def test_every_setting_has_its_own_flag_and_variable_and_a_sentence():
    assert len({entry.flag for entry in ENTRIES.values()}) == len(ENTRIES)
    assert len({entry.variable for entry in ENTRIES.values()}) == len(ENTRIES)
    assert all(entry.help.endswith(".") for entry in ENTRIES.values())


@pytest.mark.parametrize(
    ("settings", "clear"),
    [
        (Settings(), False),
        (Settings(host="::1"), False),
        (Settings(host="localhost"), False),
        (Settings(base_url="https://fhir.example.org"), False),
        (Settings(base_url="http://127.0.0.1:9000"), False),
        (Settings(host="10.0.0.5"), True),
        (Settings(base_url="http://fhir.example.org"), True),
        (Settings(base_url="http://127.0.0.1.example.org"), True),
        (Settings(host="127.0.0.1", base_url="http://10.0.0.5"), True),
    ],
)
def test_a_base_is_in_clear_where_http_leaves_this_machine(settings, clear):
    assert bool(settings.base_in_clear) is clear
    assert not clear or settings.origin in settings.base_in_clear
