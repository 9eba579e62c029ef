"""The configuration file as calibration keeps it: valid as a whole or not written, the old ones kept, never half."""

import os
import stat
from pathlib import Path

import pytest

from edge import paths
from edge.calibrate import files
from edge.calibrate.files import KEPT
from edge.calibrate.store import ConfigStore
from edge.config import Config
from edge.configedit import HEADER, key_path
from edge.errors import ConfigError
from tests.fault.rig import open_folder, sealed

OLD = "# mine\ngate:\n  home_deg: 90.0  # parked\n"
HOME = key_path("gate.home_deg")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(OLD)
    return path


def kept(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def test_a_value_is_stored_and_the_former_file_kept(path):
    store = ConfigStore(path)
    assert store.store({HOME: 92.5}) == kept(path, 1)
    assert path.read_text() == "# mine\ngate:\n  home_deg: 92.5  # parked\n"
    assert kept(path, 1).read_text() == OLD
    assert store.config.gate.home_deg == 92.5


def test_five_former_files_are_kept_the_last_one_first(path):
    store = ConfigStore(path)
    for angle_deg in range(100, 107):
        store.store({HOME: angle_deg})
    texts = [kept(path, number).read_text() for number in range(1, KEPT + 1)]
    assert [text.split()[4] for text in texts] == ["105", "104", "103", "102", "101"]
    assert len(list(path.parent.iterdir())) == 1 + KEPT


def test_nothing_is_kept_where_nothing_changes(path):
    assert ConfigStore(path).store({HOME: 90.0}) is None
    assert list(path.parent.iterdir()) == [path]


def test_what_would_not_be_valid_is_not_written_and_the_line_is_named(path):
    store = ConfigStore(path)
    with pytest.raises(
        ConfigError, match=r"nothing was stored: with the new values, .*config.yaml:3: gate: home_deg is 200"
    ):
        store.store({HOME: 200.0})
    assert path.read_text() == OLD
    assert list(path.parent.iterdir()) == [path]
    assert store.config.gate.home_deg == 90.0


def test_values_that_are_valid_only_together_are_checked_together(path):
    changes = {key_path("vote.min_frames"): 20, key_path("vote.max_frames"): 20}
    ConfigStore(path).store(changes)
    assert ConfigStore(path).config.vote.min_frames == 20


def test_a_file_that_does_not_exist_is_made_with_what_is_stored_and_no_more(tmp_path):
    path = tmp_path / "new" / "config.yaml"
    store = ConfigStore(path, may_begin=True)
    assert (store.is_new, store.config) == (True, Config())
    assert store.store({HOME: 91.0}) is None
    assert path.read_text() == HEADER + "gate:\n  home_deg: 91.0\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not store.is_new


def test_without_a_name_it_is_the_systems_file(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.configfile.SYSTEM_CONFIG", tmp_path / "config.yaml")
    ConfigStore().store({HOME: 91.0})
    assert ConfigStore(tmp_path / "config.yaml").config.gate.home_deg == 91.0


def test_a_file_that_someone_else_changed_meanwhile_is_left_alone(path):
    store = ConfigStore(path)
    path.write_text("# theirs\n")
    with pytest.raises(ConfigError, match="was changed by someone else meanwhile"):
        store.store({HOME: 91.0})
    assert path.read_text() == "# theirs\n"


def test_a_file_that_is_named_and_missing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no .*confg.yaml; check --config, or begin .* calibrate set --new"):
        ConfigStore(tmp_path / "confg.yaml")


def test_a_file_that_someone_else_made_meanwhile_is_left_alone(tmp_path):
    store = ConfigStore(tmp_path / "config.yaml", may_begin=True)
    (tmp_path / "config.yaml").write_text("# theirs\n")
    with pytest.raises(ConfigError, match="was changed by someone else meanwhile"):
        store.store({HOME: 91.0})


def test_its_mode_stays(path):
    path.chmod(0o640)
    ConfigStore(path).store({HOME: 91.0})
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_its_owner_stays(path):
    os.chown(path, 1234, 4321)
    ConfigStore(path).store({HOME: 91.0})
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_link_stays_a_link(path, tmp_path):
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert ConfigStore(link).store({HOME: 91.0}) == kept(path, 1)
    assert link.is_symlink()
    assert "91.0" in path.read_text()


def test_a_file_system_without_hard_links_keeps_copies(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    ConfigStore(path).store({HOME: 91.0})
    assert kept(path, 1).read_text() == OLD


def test_a_folder_that_may_not_be_written_is_told_and_nothing_is_left_there():
    with open_folder() as folder:
        path = folder / "config.yaml"
        path.write_text(OLD)
        store = ConfigStore(path)
        with sealed(folder), pytest.raises(ConfigError, match=r"cannot write .*config.yaml \(Permission denied\)"):
            store.store({HOME: 91.0})
        assert path.read_text() == OLD
        assert list(folder.iterdir()) == [path]


def test_a_folder_that_may_not_be_written_is_told_before_anything_is_measured(tmp_path, monkeypatch):
    store = ConfigStore(tmp_path / "missing" / "folder" / "config.yaml", may_begin=True)
    store.refuse_unwritable()
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(ConfigError, match="cannot be written by this user; begin the command with sudo"):
        store.refuse_unwritable()


def test_a_place_that_cannot_be_is_told(path):
    with pytest.raises(ConfigError, match=r"cannot read .* \(Not a directory\)"):
        ConfigStore(path / "config.yaml")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("gate: [\n", "no valid YAML"), ("gate:\n  hom_deg: 1\n", "did you mean 'home_deg'")],
    ids=["no YAML", "an unknown key"],
)
def test_a_file_that_is_not_valid_is_told_with_its_line(path, text, reason):
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        ConfigStore(path)


def test_a_file_that_is_no_text_is_told(path):
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no UTF-8 text"):
        ConfigStore(path)


class PowerCut(BaseException):
    """The plug is pulled: nothing is done any more, no cleaning up either."""


class CutOs:
    """The module `os` until its n-th call that changes the disk; from then on every such call fails."""

    CHANGES = frozenset({"fsync", "replace", "link", "unlink", "fchmod", "fchown"})

    def __init__(self, calls: int) -> None:
        self.left = calls

    def __getattr__(self, name):
        function = getattr(os, name)
        return self._counted(function) if name in self.CHANGES else function

    def _counted(self, function):
        def call(*arguments):
            if self.left <= 0:
                raise PowerCut
            self.left -= 1
            return function(*arguments)

        return call


def test_a_power_cut_at_any_moment_leaves_one_whole_version(path, monkeypatch):
    versions = [OLD.replace("90.0", str(100 + number)) for number in range(KEPT + 2)]
    for number in range(KEPT + 2):
        ConfigStore(path).store({HOME: 100 + number})
    found = []
    while not found or found[-1] != "through":
        before, angle_deg = path.read_text(), 120 + len(found)
        versions.append(OLD.replace("90.0", str(angle_deg)))
        with monkeypatch.context() as patch:
            cut_os = CutOs(len(found))
            for module in (files, paths):
                patch.setattr(module, "os", cut_os)
            found.append(_store_until_cut(ConfigStore(path), angle_deg))
        assert path.read_text() in (before, versions[-1])
        there = [former for former in (kept(path, number) for number in range(1, KEPT + 1)) if former.exists()]
        assert all(former.read_text() in versions for former in there)
    assert len(found) > 6, "at least: mode, sync, a move, a link, the replacement, the folder's sync"


def _store_until_cut(store: ConfigStore, angle_deg: float) -> str:
    try:
        store.store({HOME: angle_deg})
    except PowerCut:
        return "cut"
    return "through"
