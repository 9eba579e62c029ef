"""Which limits of the vote hold: the config's, or where it is silent the bundle's."""

import math

import pytest

from edge.bundle import Bundle, load_bundle
from edge.classifier import vote_policy
from edge.config import Config
from edge.policy import FrameNoise
from tests.rigs import edit_manifest


@pytest.fixture
def calibrated(bundle_dir) -> Bundle:
    thresholds = {"confidence": 0.9, "margin": 0.8, "energy": 1.5}
    edit_manifest(bundle_dir, lambda manifest: manifest.update(thresholds=thresholds))
    return load_bundle(bundle_dir)


def test_a_silent_config_takes_the_calibrated_limits(calibrated: Bundle):
    policy = vote_policy(Config(), calibrated)
    assert (policy.min_confidence, policy.min_margin, policy.min_energy) == (0.9, 0.8, 1.5)


def test_the_config_overrules_the_bundle(calibrated: Bundle):
    vote = {"min_confidence": 0.7, "min_margin": 0.0, "min_energy": -1000.0}
    policy = vote_policy(Config.model_validate({"vote": vote}), calibrated)
    assert (policy.min_confidence, policy.min_margin, policy.min_energy) == (0.7, 0.0, -1000.0)


def test_a_bundle_without_a_limit_of_the_energy_rejects_nothing(bundle_dir):
    edit_manifest(bundle_dir, lambda manifest: manifest["thresholds"].pop("energy", None))
    assert vote_policy(Config(), load_bundle(bundle_dir)).min_energy == -math.inf


@pytest.mark.parametrize(
    ("vote", "expected"),
    [({}, 3), ({"min_frames": 5}, 5), ({"max_frames": 2}, 2), ({"max_frames": 1, "min_frames": 1}, 1)],
    ids=str,
)
def test_without_a_measured_noise_three_frames_must_agree(calibrated: Bundle, vote: dict[str, int], expected: int):
    policy = vote_policy(Config.model_validate({"vote": vote}), calibrated)
    assert policy.noise is None
    assert policy.min_frames == expected


def test_a_measured_noise_is_passed_on(bundle_dir):
    frames = {"log_odds_sd": 0.3, "energy_sd": 0.1, "alpha": 0.02, "beta": 0.03}
    edit_manifest(bundle_dir, lambda manifest: manifest["thresholds"].update(frames=frames))
    policy = vote_policy(Config(), load_bundle(bundle_dir))
    assert policy.noise == FrameNoise(**frames)
    assert policy.min_frames == 2
