"""Tray videos are measured with the vote that a device takes by default."""

import math

from convert.scenes import _policy
from edge.bundle import load_bundle
from edge.config import Config
from tests.rigs import SHIPPED_BUNDLE


def test_the_vote_is_that_of_the_default_configuration() -> None:
    config, bundle = Config(), load_bundle(SHIPPED_BUNDLE)
    policy = _policy(bundle, ("trash",))
    assert policy.bins == config.bins
    assert policy.uncertain_route == config.uncertain_route
    assert dict(policy.routes) == dict(config.routes)
    vote = config.vote
    assert (policy.max_frames, policy.min_frames, policy.agreement) == (
        vote.max_frames,
        vote.min_frames,
        vote.agreement,
    )
    assert vote.min_confidence is None, "the policy takes the bundle's threshold"
    assert vote.min_margin is None, "the policy takes the bundle's threshold"
    thresholds = bundle.manifest.thresholds
    assert (policy.min_confidence, policy.min_margin) == (thresholds.confidence, thresholds.margin)
    assert policy.min_energy == (-math.inf if thresholds.energy is None else thresholds.energy)
