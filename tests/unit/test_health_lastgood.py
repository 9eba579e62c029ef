"""The last good configuration and bundle: whole at any moment, and of use from where they are kept."""

import logging
import os
import shutil
import stat
import threading
from pathlib import Path

import numpy as np
import pytest

from edge.bundle import load_bundle
from edge.classifier import open_classifier
from edge.configfile import load_config
from edge.errors import BundleError
from edge.health import lastgood
from edge.health.lastgood import LastGood, Used, is_kept, used_now
from edge.paths import model_path
from edge.presence.tray_picture import load_tray_picture, tray_picture_path
from tests.rigs import SHIPPED_BUNDLE, WAIT_S, edit_manifest

PICTURE = np.full((60, 80), 90, np.uint8)


@pytest.fixture
def kept(tmp_path: Path) -> LastGood:
    return LastGood(tmp_path / "state" / "last-good")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "bin.yaml"
    path.parent.mkdir()
    path.write_text("source:\n  spec: sim:4\n")
    return path


def used(file: Path | None, bundle: Path = SHIPPED_BUNDLE) -> Used:
    config = load_config(file) if file is not None else load_config()
    return used_now(file, config, bundle, load_bundle(bundle).id)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def write_picture(file: Path) -> Path:
    import cv2

    path = tray_picture_path(file, load_config(file).source)
    path.write_bytes(cv2.imencode(".png", PICTURE)[1].tobytes())
    return path


def test_nothing_is_kept_at_first(kept):
    assert kept.config() is None
    assert kept.bundle() is None


def test_what_was_used_is_kept_and_read_like_any_other(kept, file):
    kept.keep(used(file))
    assert kept.config().name == "bin.yaml"
    assert load_config(kept.config()) == load_config(file)
    assert load_bundle(kept.bundle()).id == load_bundle(SHIPPED_BUNDLE).id
    bundle, classifier = open_classifier(
        load_config(kept.config()).model_copy(
            update={"model": load_config(file).model.model_copy(update={"path": str(kept.bundle())})}
        )
    )
    assert bundle.folder == kept.bundle()
    classifier.close()


def test_a_new_process_finds_it(kept, file, tmp_path):
    kept.keep(used(file))
    again = LastGood(tmp_path / "state" / "last-good")
    assert (again.config(), again.bundle()) == (kept.config(), kept.bundle())


def test_what_was_read_at_the_start_is_kept_not_what_stands_there_now(kept, file):
    before = used(file)
    good = file.read_bytes()
    file.write_text("gate: nonsense\n")
    kept.keep(before)
    assert kept.config().read_bytes() == good


def test_a_text_that_was_read_already_is_not_read_again(kept, file):
    text = file.read_text()
    file.write_text("gate: nonsense\n")
    kept.keep(used_now(file, load_config(), SHIPPED_BUNDLE, load_bundle(SHIPPED_BUNDLE).id, text))
    assert kept.config().read_text() == text


def test_the_trays_picture_is_kept_beside_it_and_found_from_the_copy(kept, file):
    write_picture(file)
    kept.keep(used(file))
    copy = kept.config()
    assert np.array_equal(load_tray_picture(copy, load_config(copy).source), PICTURE)


def test_a_picture_of_another_view_is_not_kept(kept, file):
    other = write_picture(file)
    other.rename(other.with_name("bin.tray-00000000.png"))
    kept.keep(used(file))
    assert [path.name for path in kept.config().parent.iterdir()] == ["bin.yaml"]


def test_a_relative_model_path_means_the_same_from_the_copy(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(SHIPPED_BUNDLE, tmp_path / "models" / "mine")
    file = Path("bin.yaml")
    file.write_text("model:\n  path: models/mine\n")
    kept.keep(used(file, model_path(load_config(file))))
    copy = load_config(kept.config())
    assert load_bundle(model_path(copy)).id == load_bundle(kept.bundle()).id


def test_without_a_file_only_the_bundle_is_kept(kept):
    kept.keep(used(None))
    assert kept.config() is None
    assert load_bundle(kept.bundle()).id == load_bundle(SHIPPED_BUNDLE).id


def test_copies_are_for_their_owner_only(kept, file):
    file.chmod(0o644)
    kept.keep(used(file))
    for path in (kept.config().parents[1]).rglob("*"):
        if not path.is_symlink():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_what_is_kept_already_is_not_written_again(kept, file, monkeypatch):
    kept.keep(used(file))
    folder = kept.config().parents[1]
    before = {path: path.lstat().st_ino for path in folder.rglob("*")}

    def refuse(*args, **kwargs):
        raise AssertionError("the disk is written to")

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "symlink", "fsync", "unlink"):
            patch.setattr(os, name, refuse)
        kept.keep(used(file))
    assert {path: path.lstat().st_ino for path in folder.rglob("*")} == before


def test_a_new_one_takes_the_place_of_the_old_one_and_nothing_is_left(kept, file, bundle_dir):
    kept.keep(used(file))
    file.write_text("source:\n  spec: sim:5\n")
    edit_manifest(bundle_dir, lambda manifest: manifest.update(version="9.9.9"))
    kept.keep(used(file, bundle_dir))
    assert load_config(kept.config()).source.spec == "sim:5"
    assert load_bundle(kept.bundle()).manifest.version == "9.9.9"
    names = sorted(path.name for path in kept.config().parents[1].iterdir())
    assert [name.partition("-")[0] for name in names] == ["bundle", "bundle", "config", "config"]


def test_a_run_on_the_kept_copies_keeps_them_as_they_are(kept, file):
    kept.keep(used(file))
    before = tree(kept.config().parents[1])
    kept.keep(used(kept.config(), kept.bundle()))
    assert tree(kept.config().parents[1]) == before


def test_a_bundle_that_was_replaced_since_the_start_is_not_kept(kept, file, bundle_dir, caplog):
    loaded = used(file, bundle_dir)
    kept.keep(loaded)
    edit_manifest(bundle_dir, lambda manifest: manifest.update(version="9.9.9"))
    with caplog.at_level(logging.WARNING):
        kept.keep(loaded)
    assert "another model" in caplog.text
    assert load_bundle(kept.bundle()).id == loaded.model


def test_a_bundle_that_went_bad_on_disk_is_not_kept(kept, file, bundle_dir, caplog):
    loaded = used(file, bundle_dir)
    (bundle_dir / "model.tflite").write_bytes(b"rot")
    with caplog.at_level(logging.WARNING):
        kept.keep(loaded)
    assert kept.bundle() is None
    assert kept.config() is not None


def test_only_what_belongs_to_a_bundle_is_copied(kept, file, bundle_dir):
    (bundle_dir / "training-data.bin").write_bytes(b"x" * 1000)
    kept.keep(used(file, bundle_dir))
    assert set(tree(kept.bundle())) == set(tree(bundle_dir)) - {"training-data.bin"}


def test_a_copy_that_rotted_is_no_copy_and_is_mended(kept, file):
    kept.keep(used(file))
    kept.config().write_text("gate: rot\n")
    (kept.bundle() / "model.tflite").write_bytes(b"rot")
    assert kept.config() is None
    with pytest.raises(BundleError):
        load_bundle(kept.bundle())
    kept.keep(used(file))
    assert load_config(kept.config()) == load_config(file)
    assert load_bundle(kept.bundle()).id == load_bundle(SHIPPED_BUNDLE).id


@pytest.mark.parametrize("damage", ["gone", "dangling", "outside", "file"])
def test_a_pointer_that_was_lost_is_found_again_by_what_it_pointed_to(kept, file, damage):
    kept.keep(used(file))
    link = kept.config().parents[1] / "config"
    link.unlink()
    if damage == "dangling":
        link.symlink_to("config-0123456789abcdef")
    elif damage == "outside":
        link.symlink_to("/etc")
    elif damage == "file":
        link.write_text("rot")
    assert load_config(kept.config()) == load_config(file)


def test_where_nothing_can_be_written_it_is_told_and_nothing_is_raised(tmp_path, file, caplog):
    (tmp_path / "in-the-way").write_text("")
    kept = LastGood(tmp_path / "in-the-way" / "last-good")
    with caplog.at_level(logging.WARNING):
        kept.keep(used(file))
    assert "cannot keep" in caplog.text
    assert (kept.config(), kept.bundle()) == (None, None)


def test_a_disk_that_fills_up_keeps_the_old_one(kept, file, monkeypatch, caplog):
    kept.keep(used(file))
    good = file.read_text()
    file.write_text("source:\n  spec: sim:5\n")

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        kept.keep(used(file))
    assert "No space left" in caplog.text
    assert kept.config().read_text() == good
    kept.keep(used(file))
    assert load_config(kept.config()).source.spec == "sim:5"


def test_it_is_kept_by_a_thread_that_close_waits_for(kept, file):
    kept.keep_aside(used(file))
    kept.close()
    assert load_config(kept.config()) == load_config(file)
    kept.close()


def test_a_disk_that_hangs_is_waited_for_at_the_end_and_never_by_the_loop(kept, file, monkeypatch, caplog):
    monkeypatch.setattr(lastgood, "JOIN_S", 0.01)
    may_write, asked = threading.Event(), []
    keep = kept.keep

    def slow(used_):
        asked.append(used_)
        assert may_write.wait(WAIT_S)
        keep(used_)

    monkeypatch.setattr(kept, "keep", slow)
    monkeypatch.setattr(kept, "close", lambda: pytest.fail("the loop waits"))
    kept.keep_aside(used(file))
    thread = kept._thread
    kept.keep_aside(used(file))
    assert len(asked) == 1
    assert "busy" in caplog.text
    may_write.set()
    thread.join(WAIT_S)
    kept.keep_aside(used(file))
    kept._thread.join(WAIT_S)
    assert len(asked) == 2
    assert load_config(kept.config()) == load_config(file)


def test_folders_that_are_kept_are_known_by_their_name(kept, file):
    kept.keep(used(file))
    assert is_kept(kept.config().parent)
    assert is_kept(kept.bundle())
    assert not is_kept(SHIPPED_BUNDLE)
    assert not is_kept(file.parent)


class Killed(BaseException):
    """The process is gone: nothing after this is done, no clean-up either."""


class Death:
    """Lets a process die before its n-th change to the disk."""

    CHANGES = ("mkdir", "open", "fsync", "rename", "symlink", "replace", "unlink", "rmdir")

    def __init__(self, patch: pytest.MonkeyPatch, after: int) -> None:
        self.changes, self._after = 0, after
        for name in self.CHANGES:
            patch.setattr(os, name, self._dying(name, getattr(os, name)))

    def _dying(self, name, real):
        def call(*args, **kwargs):
            is_reading = name == "open" and not args[1] & (os.O_WRONLY | os.O_RDWR)
            self.changes += not is_reading
            if self.changes > self._after:
                raise Killed
            return real(*args, **kwargs)

        return call


def test_a_kill_at_any_step_leaves_the_old_one_or_the_new_one_whole(tmp_path, file, bundle_dir):
    edit_manifest(bundle_dir, lambda manifest: manifest.update(golden=manifest["golden"][:1]))
    old, new = used(file, bundle_dir), None
    first = LastGood(tmp_path / "first")
    first.keep(old)
    file.write_text("source:\n  spec: sim:5\n")
    edit_manifest(bundle_dir, lambda manifest: manifest.update(version="9.9.9"))
    new = used(file, bundle_dir)
    seen = set()
    for step in range(200):
        folder = tmp_path / f"step-{step}"
        shutil.copytree(tmp_path / "first", folder, symlinks=True)
        with pytest.MonkeyPatch.context() as patch:
            Death(patch, step)
            try:
                LastGood(folder).keep(new)
                is_done = True
            except Killed:
                is_done = False
        after = LastGood(folder)
        spec = load_config(after.config()).source.spec
        version = load_bundle(after.bundle()).manifest.version
        assert spec in ("sim:4", "sim:5")
        assert version in (old.model.version, "9.9.9")
        seen.add((spec, version))
        # And the next run mends whatever lies about.
        after.keep(new)
        assert load_config(after.config()).source.spec == "sim:5"
        assert load_bundle(after.bundle()).manifest.version == "9.9.9"
        assert len(list(folder.iterdir())) == 4
        shutil.rmtree(folder)
        if is_done:
            break
    assert is_done
    assert step > 20
    assert seen == {("sim:4", old.model.version), ("sim:5", old.model.version), ("sim:5", "9.9.9")}
