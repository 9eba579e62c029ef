"""Files and folders that this user may not read: each is named in one sentence, and what can be read is."""

import ctypes
import os
import shutil
from contextlib import contextmanager
from unittest import mock

import pytest

from tests.cli_rig import invoke, sentence
from tests.fault.rig import NOBODY, open_folder
from tests.rigs import SHIPPED_BUNDLE

PICTURE = SHIPPED_BUNDLE / "golden" / "0.png"


@pytest.fixture
def folder():
    with open_folder() as path:
        yield path


@contextmanager
def unreadable(path, mode=0):
    """Root opens files as nobody meanwhile, since modes do not bind root; `os.access` asks for the real user."""
    was, access = path.stat().st_mode, os.access
    as_user = ctypes.CDLL(None).setfsuid
    path.chmod(mode)
    user = as_user(NOBODY) if os.geteuid() == 0 else None
    try:
        with mock.patch("os.access", lambda asked, how: str(asked) != str(path) and access(asked, how)):
            yield
    finally:
        if user is not None:
            as_user(user)
        path.chmod(was)


def test_classify_names_a_picture_that_it_may_not_read_and_goes_on(folder):
    sealed = folder / "a.png"
    shutil.copy(PICTURE, sealed)
    with unreadable(sealed):
        result = invoke("classify", sealed, PICTURE, "--json")
    assert (result.code, [found["path"] for found in result.records]) == (2, [str(PICTURE)])
    assert sentence(result) == f"cannot read {sealed} (Permission denied); check the path"


@pytest.mark.parametrize("mode", [0, 0o444], ids=["nothing is allowed", "names only"])
def test_classify_names_a_folder_that_it_may_not_look_into_and_goes_on(folder, mode):
    sealed = folder / "b"
    sealed.mkdir()
    for name in ("a.png", "b/hidden.png", "c.png"):
        shutil.copy(PICTURE, folder / name)
    with unreadable(sealed, mode):
        result = invoke("classify", folder, "--json")
        alone = invoke("classify", sealed)
    assert result.code == 2
    assert [found["path"] for found in result.records] == [str(folder / "a.png"), str(folder / "c.png")]
    told = sentence(result)
    assert told.startswith(f"cannot read {sealed}")
    assert told.endswith(" (Permission denied); check its owner and mode")
    assert (alone.code, sentence(alone)) == (2, told)


def test_a_source_of_pictures_with_a_folder_that_may_not_be_looked_into_is_refused(folder):
    sealed = folder / "b"
    sealed.mkdir()
    shutil.copy(PICTURE, folder / "a.png")
    with open_folder() as books:
        # The ledger is opened first, by whoever may not look into the folder.
        books.chmod(0o777)
        with unreadable(sealed):
            result = invoke("run", "--source", f"images:{folder}", "--pace", "fast", "--ledger", books / "ledger.db")
    assert (result.code, result.out) == (2, "")
    assert sentence(result) == f"cannot read {sealed} (Permission denied); check its owner and mode"


@pytest.mark.parametrize(
    "command", [("run", "--config"), ("config", "check"), ("classify", PICTURE, "--config")], ids=lambda args: args[0]
)
def test_a_config_that_may_not_be_read_is_one_sentence(folder, command):
    path = folder / "config.yaml"
    path.write_text("vote: {max_frames: 9}\n")
    with unreadable(path):
        result = invoke(*command, path)
    assert (result.code, result.out) == (2, "")
    assert sentence(result) == f"cannot read {path} (Permission denied); name a YAML file that this user may read"
