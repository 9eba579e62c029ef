"""A configuration, a log and a list of processes hold no secret: where one is needed, a key names a file (`*_file`)."""

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, Field, create_model
from typer.main import get_command

from edge.commands.app import app
from edge.config import Config

SECRET = re.compile(r"passw|passphrase|secret|token|credential|api_?key|private_?key|auth(?!or)", re.IGNORECASE)
REFERENCE = re.compile(r"_(file|path)$")


def keys_of(model: Any, above: str = "") -> Iterator[str]:
    """Every key of a model and of the sections inside it, as `section.key`."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            key = f"{above}.{name}" if above else name
            yield key
            yield from keys_of(field.rebuild_annotation(), key)
    elif get_origin(model) in (Annotated, Union, UnionType) or get_args(model):
        for part in get_args(model):
            yield from keys_of(part, above)


def secrets_in(names: Iterator[str]) -> list[str]:
    return [name for name in names if SECRET.search(name.split(".")[-1]) and not REFERENCE.search(name)]


def test_no_key_of_the_configuration_takes_a_secret_itself():
    keys = list(keys_of(Config))
    assert {"source.spec", "gate.servo_pin", "ledger.path", "bins.sensors.echo_pin", "panel.estop.pin"} <= set(keys), (
        "all were seen"
    )
    assert secrets_in(iter(keys)) == []


def test_no_option_takes_a_secret_which_a_list_of_processes_would_show():
    def options(command: Any) -> Iterator[str]:
        for parameter in command.params:
            yield from (name.replace("-", "_").strip("_") for name in parameter.opts)
        for inner in getattr(command, "commands", {}).values():
            yield from options(inner)

    names = list(options(get_command(app)))
    assert "config" in names
    assert secrets_in(iter(names)) == []


@pytest.mark.parametrize(
    ("name", "is_refused"),
    [
        ("password", True),
        ("mqtt_password", True),
        ("api_key", True),
        ("auth_token", True),
        ("password_file", False),
        ("private_key_path", False),
        ("author", False),
        ("keep_free_mb", False),
    ],
)
def test_the_rule_itself(name, is_refused):
    section = create_model("Section", **{name: (str, Field(""))})
    whole = create_model("Whole", telemetry=(section | None, None))
    assert bool(secrets_in(keys_of(whole))) is is_refused


def test_no_file_of_the_repository_that_is_shipped_holds_a_key():
    root = Path(__file__).parents[2]
    marks = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|AKIA[0-9A-Z]{16}|ghp_[0-9A-Za-z]{36}")
    shipped = [path for name in ("config", "edge", "systemd") for path in (root / name).rglob("*") if path.is_file()]
    assert len(shipped) > 100
    assert [str(path) for path in shipped if marks.search(path.read_bytes())] == []
