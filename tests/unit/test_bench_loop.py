"""The bench of the loop measures something: samples of real rounds, not their size."""

import pytest

from edge.bench import label, loop
from edge.bench.frames import play_frames, still_frames
from edge.classifier import open_classifier
from edge.config import Config


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.model_validate({"model": {"threads": 1}})


@pytest.fixture(scope="module")
def opened(config: Config):
    return open_classifier(config)


def test_a_round_of_labels_has_every_stage(opened):
    found = label.measure_label(opened[1], still_frames(), 8)
    assert all(len(samples.cpu) == len(samples.wall) == 8 for samples in found.samples.values())
    assert min(found.us(name, "cpu") for name in found.samples) > 0
    parts = zip(*(found.samples[name].cpu for name in ("preprocess", "name", "overhead")), strict=True)
    assert all(preprocess + name == pytest.approx(overhead) for preprocess, name, overhead in parts)
    figures = label.figures_of([found])
    assert figures["label_ratio"].median == found.us("frame_to_label", "cpu") / found.us("bare", "cpu")
    assert set(label.stages_of([found], 0.0)) == set(label.TITLES)


def test_a_round_of_the_loop_sorts_the_item_every_time(config: Config, opened):
    bundle, classifier = opened
    with loop.open_loop(config, bundle, classifier, play_frames()) as rig:
        found = rig.play(3)
    samples = found.samples
    assert len(samples["decide"].cpu) == len(samples["gate_command"].cpu) == 3
    assert len(samples["turn_classified"].cpu) >= 2 * 3
    assert len(samples["presence"].cpu) == 3 * 150
    assert len(samples["turn_idle"].cpu) > 100
    figures = loop.figures_of([found], [1000.0])
    assert figures["turn_ratio"].rounds[0] == pytest.approx(found.us("turn_classified", "cpu") / 1000.0)
