"""Environments and networks of the peers, made on demand with a pip that is none."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.bench.peers import environment as environments
from edge.bench.peers.environment import environment, network, peers_folder, run_quietly
from edge.errors import SorterError
from tests.bench_turns import FakePip
from tests.rigs import SHIPPED_BUNDLE

FAST_BUNDLE = SHIPPED_BUNDLE.with_name("waste-mobilenetv2-fast")
PINNED = ("left==1.0", "right==2.0")


def test_an_environment_is_made_once(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    assert python.exists()
    assert [command[1:3] for command in pip.commands] == [["-m", "venv"], ["-m", "pip"]]
    assert pip.commands[1][-2:] == list(PINNED)
    assert environment("lib", PINNED, tmp_path, pip) == python
    assert len(pip.commands) == 2


def test_other_requirements_are_another_environment(tmp_path):
    pip = FakePip()
    assert environment("lib", PINNED, tmp_path, pip) != environment("lib", PINNED[:1], tmp_path, pip)


def test_no_requirements_mean_this_environment(tmp_path):
    assert environment("", (), tmp_path, FakePip()) == Path(sys.executable)


def test_a_half_built_environment_is_built_anew(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    marker = python.parent.parent / environments.MARKER
    marker.unlink()
    (python.parent / "left-over").write_text("")
    environment("lib", PINNED, tmp_path, pip)
    assert len(pip.commands) == 4
    assert marker.is_file()
    assert not (python.parent / "left-over").exists()


def test_an_environment_whose_python_is_gone_is_built_anew(tmp_path):
    pip = FakePip()
    python = environment("lib", PINNED, tmp_path, pip)
    python.unlink()
    assert environment("lib", PINNED, tmp_path, pip).exists()


def test_pips_failure_is_one_sentence_and_leaves_nothing(tmp_path):
    said = (
        "WARNING: Location 'file:///somewhere/simple/left/' is ignored\n"
        "ERROR: Could not find a version that satisfies the requirement left==1.0\n"
        "ERROR: No matching distribution found for left==1.0 at https://elsewhere.invalid/a\n\n"
        "[notice] a new release of pip\n"
    )
    with pytest.raises(SorterError) as found:
        environment("lib", PINNED, tmp_path, FakePip(1, said))
    assert str(found.value) == (
        "pip could not install left==1.0, right==2.0 (No matching distribution found for left==1.0 at (address)); "
        "see that this system can have them"
    )
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_an_interrupted_installation_leaves_nothing(tmp_path):
    pip = FakePip()

    def interrupt(command: Sequence[str]) -> tuple[int, str]:
        if command[1:3] == ["-m", "pip"]:
            raise KeyboardInterrupt
        return pip(command)

    with pytest.raises(KeyboardInterrupt):
        environment("lib", PINNED, tmp_path, interrupt)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SorterError, match="the cache folder cannot be written"):
        environment("lib", PINNED, tmp_path / "file" / "cache", FakePip())


def test_environments_lie_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert peers_folder() == tmp_path / "edge-sorter" / "peers"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert peers_folder() == Path.home() / ".cache" / "edge-sorter" / "peers"


def test_a_command_that_fails_or_is_not_there_has_a_status():
    assert run_quietly([sys.executable, "-c", "import sys; print('so'); sys.exit(3)"]) == (3, "so\n")
    assert run_quietly(["/no/such/python"])[0] == 1


def test_a_network_is_written_once_for_each_model(tmp_path):
    commands = []

    def convert(command: Sequence[str]) -> tuple[int, str]:
        commands.append(command)
        Path(command[3]).write_text("net")
        return 0, ""

    wanted = ("to_onnx.py", "model.onnx")
    python = Path(sys.executable)
    path = network("fake", python, wanted, SHIPPED_BUNDLE, tmp_path, convert)
    assert path.read_text() == "net"
    assert network("fake", python, wanted, SHIPPED_BUNDLE, tmp_path, convert) == path
    assert len(commands) == 1
    assert network("fake", python, wanted, FAST_BUNDLE, tmp_path, convert) != path


def test_a_converter_that_fails_is_one_sentence_and_leaves_nothing(tmp_path):
    def convert(command: Sequence[str]) -> tuple[int, str]:
        Path(command[3]).write_text("half a net")
        return 1, "Traceback\nValueError: the network has a layer of TFLite's kind 99\n"

    with pytest.raises(SorterError, match=r"to_onnx.py could not write .* fake \(ValueError: .* kind 99\)"):
        network("fake", Path(sys.executable), ("to_onnx.py", "model.onnx"), SHIPPED_BUNDLE, tmp_path, convert)
    assert [path for path in (tmp_path / "networks").iterdir() if path.is_dir()] == []
