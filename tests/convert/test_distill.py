"""A teacher's opinion as part of the target."""

import json

import numpy as np
import pytest

from convert.batches import NO_WASTE, show
from convert.distill import Teacher, body_of, check_teacher, open_float, open_teacher
from convert.files import sha256_of
from convert.pictures import Example
from convert.recipe import Distillation, Loss
from convert.settings import Workspace
from edge.errors import ConfigError


def grey():
    return np.full((48, 64, 3), 128, np.uint8)


EXAMPLES = [Example("glass", grey), Example("paper", grey), Example(None, grey)]
LOGITS = np.array([[0.0, 3.0], [0.0, 3.0], [9.0, 0.0]])


def soften(share, temperature=1.0):
    shown = show(np.zeros((3, 2)), np.array([0, 1, NO_WASTE]), np.ones(2, np.float32), Loss())
    plan = Distillation(teacher="t.keras", share=share, temperature=temperature)
    return Teacher(None, plan).soften(shown, EXAMPLES, LOGITS)


def test_label_and_opinion_share_the_target():
    expected = np.exp([0.0, 3.0]) / np.exp([0.0, 3.0]).sum()
    np.testing.assert_allclose(soften(0.7).targets[0], 0.3 * np.array([1, 0]) + 0.7 * expected, rtol=1e-5)


def test_a_higher_temperature_says_more_about_what_is_alike():
    assert soften(1.0, 4.0).targets[1, 0] > soften(1.0, 1.0).targets[1, 0]


def test_what_is_no_waste_stays_undecided_whatever_the_teacher_says():
    np.testing.assert_allclose(soften(1.0).targets[2], [0.5, 0.5])


def test_every_target_is_a_distribution():
    np.testing.assert_allclose(soften(0.7).targets.sum(1), 1, rtol=1e-5)


@pytest.mark.convert
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_teacher_is_a_model_of_train(tmp_path):
    keras = pytest.importorskip("keras")
    plan = Distillation(teacher="t.keras")
    picture = keras.Input((32, 32, 3))
    path = tmp_path / "t.keras"
    keras.Model(picture, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(picture))).save(path)
    assert next(open_teacher(path, plan, 2).logits(EXAMPLES)).shape == (3, 2)
    with pytest.raises(ConfigError, match="knows 2 labels, the data has 6"):
        open_teacher(path, plan, 6)
    with pytest.raises(ConfigError, match="none of `edge-convert train`"):
        body_of(open_float(path, "start"))
    path.write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="no Keras model"):
        open_teacher(path, plan, 2)


def teacher_folder(folder, split_text):
    folder.mkdir()
    (folder / "split.json").write_text(split_text)
    (folder / "float.keras").write_bytes(b"weights")
    record = {"split_sha256": sha256_of(folder / "split.json")}
    (folder / "training.json").write_text(json.dumps(record))
    return folder / "float.keras"


@pytest.mark.parametrize(
    ("split_text", "sentence"),
    [("one", None), ("another", "trained on another split")],
)
def test_a_teacher_must_not_have_seen_the_test_photographs(tmp_path, split_text, sentence):
    teacher = teacher_folder(tmp_path / "wide", "one")
    teacher_folder(tmp_path / "narrow", split_text)
    if sentence is None:
        check_teacher(teacher, Workspace(tmp_path / "narrow"))
        return
    with pytest.raises(ConfigError, match=sentence):
        check_teacher(teacher, Workspace(tmp_path / "narrow"))


def test_a_student_does_not_replace_its_teacher(tmp_path):
    teacher = teacher_folder(tmp_path / "wide", "one")
    with pytest.raises(ConfigError, match="replaced by the model that learns from it"):
        check_teacher(teacher, Workspace(tmp_path / "wide"))


def test_a_teacher_without_a_record_is_refused(tmp_path):
    teacher = teacher_folder(tmp_path / "wide", "one")
    (tmp_path / "wide" / "training.json").unlink()
    teacher_folder(tmp_path / "narrow", "one")
    with pytest.raises(ConfigError, match=r"training\.json"):
        check_teacher(teacher, Workspace(tmp_path / "narrow"))
