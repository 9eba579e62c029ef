"""Thresholds that bound the contamination of the recyclable bin, whatever the model and the data are like.

Contamination is the share of residue among what is sent to the recyclable bin. Levels of confidence are tested one
after the other, from strict to lax, each by the exact binomial test of "contamination is above the target" on the
validation photographs, until one is not rejected; the last rejected is taken. Testing in an order that was fixed before
the data were seen needs no correction for the choice among levels (fixed-sequence testing in Learn then Test:
Angelopoulos, Bates, Candès, Jordan & Lei, "Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control",
arXiv:2110.01052, 2021). A level is rejected exactly where the upper limit of Clopper & Pearson ("The Use of Confidence
or Fiducial Limits", Biometrika 26, 1934) is at or below the target.

What the bound assumes, and where it ends:

- Items on the device are like the validation photographs, residue as frequent as among them. It rarely is: the report
  therefore also says what the contamination is bounded by at other shares of residue, from separate limits of the two
  rates at which residue and recyclables pass.
- The photographs are independent. Neighbouring ones show one object, and count as several here: the true confidence is
  lower than stated. Views of a photograph made by augmentation add no evidence and are not counted.
- Temperature and energy threshold, two numbers, are fitted on the same photographs.
- It holds for one picture an item; the device decides by the mean of several, which should do no worse.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError

__all__ = ["LEVELS", "RiskTarget", "binomial_cdf", "choose_level", "describe", "lower_limit", "upper_limit"]

LEVELS = tuple(round(0.99 - 0.01 * step, 2) for step in range(50))
"""Confidences that are tested, 0.99 to 0.50, in this order."""
LEAST_KEPT = 0.8
"""Where the target is not reached: share of the recyclables that must still be sent to their bin."""
BLIND_LEVEL = 0.8
"""Where there is no residue to learn from."""
SHARES = (0.05, 0.1, 0.2, 0.3)
"""Shares of residue in the field that the report speaks of."""
_Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RiskTarget:
    """How clean the recyclable bin shall be.

    Attributes:
        contamination: largest share of residue in it, 0..1, exclusive.
        confidence: probability, over draws of the validation photographs, that the chosen level keeps to it.
    Raises: ConfigError if a share is out of range.
    """

    contamination: float = 0.02
    confidence: float = 0.95

    def __post_init__(self) -> None:
        options = (("--contamination", self.contamination, 0.02), ("--risk-confidence", self.confidence, 0.95))
        for option, value, usual in options:
            if not 0 < value < 1:
                raise ConfigError(f"{option} is {value:g}, expected a share between 0 and 1; the default is {usual}")


def binomial_cdf(hits: int, n: int, p: float) -> float:
    """P(X <= hits) for X ~ Binomial(n, p), summed term by term from logarithms; 0 <= p <= 1."""
    if hits < 0:
        return 0.0
    if hits >= n or p <= 0.0:
        return 1.0
    if p >= 1.0:
        return 0.0
    log_p, log_q, log_all = math.log(p), math.log1p(-p), math.lgamma(n + 1)
    terms = (
        math.exp(log_all - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q)
        for k in range(hits + 1)
    )
    return min(1.0, math.fsum(terms))


def upper_limit(hits: int, n: int, confidence: float) -> float:
    """One-sided Clopper-Pearson limit: the rate at which `hits` or fewer of n have probability 1 - confidence."""
    if hits >= n:
        return 1.0
    low, high = hits / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_cdf(hits, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def lower_limit(hits: int, n: int, confidence: float) -> float:
    """The one-sided limit on the other side."""
    return 1.0 - upper_limit(n - hits, n, confidence)


def choose_level(
    recyclable: npt.NDArray[np.float64],
    is_residue: _Bools,
    is_waste: _Bools,
    target: RiskTarget,
    at_least: float = 0.0,
) -> tuple[float, dict[str, Any]]:
    """The laxest level of confidence that the sequence of tests allows.

    Where not even the strictest is allowed, the level with the smallest upper limit is taken, the laxest of equals,
    among those that send at least LEAST_KEPT of the recyclables to their bin; without residue, or without
    recyclables, among the photographs nothing is known and BLIND_LEVEL is taken. Both are told by `target_met`.

    Args:
        recyclable: (N,) calibrated probability that a photograph belongs in the recyclable bin.
        is_residue: (N,) the truth.
        is_waste: (N,) False where the energy rejects it, so that it goes to residue anyway.
        target: to be kept to.
        at_least: no laxer level is looked at.
    Returns: the level, and the report {target, confidence, target_met, level, sent, residue_sent, contamination,
        bound, recyclables_given_up, ...}, ready for JSON.
    """
    levels = [level for level in LEVELS if level >= at_least]
    rows = {level: _Counts.of((recyclable >= level) & is_waste, is_residue) for level in levels}
    allowed: list[float] = []
    refused: float | None = None
    is_known = 0 < int(is_residue.sum()) < len(is_residue)
    for level in levels if is_known else ():
        if rows[level].p_value(target) > 1 - target.confidence:
            refused = level
            break
        allowed.append(level)
    if allowed:
        chosen = allowed[-1]
    elif is_known:
        chosen = _least_bad(rows, target)
    else:
        chosen = max(BLIND_LEVEL, levels[-1])
    report = {
        "method": "Learn then Test, fixed sequence, exact binomial",
        "target": target.contamination,
        "confidence": target.confidence,
        "target_met": bool(allowed),
        **_row(chosen, rows[chosen], target),
        "residue": int(is_residue.sum()),
        "recyclables": int((~is_residue).sum()),
        "stopped_at": None if refused is None else _row(refused, rows[refused], target),
        "bound_at_residue_share": _at_other_shares(rows[chosen], target) if is_known else {},
    }
    return chosen, report


def describe(report: dict[str, Any]) -> str:
    """One sentence or two about a report of `choose_level`, for people."""
    wanted = f"{report['target']:.2%} at {report['confidence']:.0%} confidence"
    if not report["residue"] or not report["recyclables"]:
        return (
            f"The contamination of the recyclable bin is unknown: the validation photographs show no "
            f"{'recyclables' if report['residue'] else 'residue'}. The wanted {wanted} is not shown."
        )
    text = (
        f"Of {report['sent']} validation photographs sent to the recyclable bin {report['residue_sent']} are residue "
        f"({report['contamination']:.2%}; at most {report['bound']:.2%} by the limit of this level alone, not "
        f"corrected for its choice); {report['recyclables_given_up']:.1%} of the recyclables are given up."
    )
    if not report["target_met"]:
        return f"{text} **At most {wanted} is not shown by these photographs.**"
    text = f"{text} At most {wanted} holds, if residue is as frequent as there."
    bent = report.get("bent")
    if bent is None:
        return text
    counts = f"{bent['residue_sent']} of {bent['sent']} sent are residue, {bent['recyclables_given_up']:.1%} given up"
    verdict = "It holds for the same photographs bent as well" if bent["target_met"] else "Bent, they do not show it"
    return f"{text} {verdict} ({counts})."


@dataclass(frozen=True, slots=True)
class _Counts:
    """What a level does: photographs sent to the recyclable bin, residue among them, and how many there are."""

    sent: int
    residue_sent: int
    residue: int
    recyclables: int

    @classmethod
    def of(cls, is_sent: _Bools, is_residue: _Bools) -> "_Counts":
        residue = int(is_residue.sum())
        return cls(int(is_sent.sum()), int((is_sent & is_residue).sum()), residue, len(is_residue) - residue)

    @property
    def kept(self) -> float:
        """Share of the recyclables that reach their bin."""
        return (self.sent - self.residue_sent) / self.recyclables if self.recyclables else 0.0

    def p_value(self, target: RiskTarget) -> float:
        """Probability of so little residue if the contamination were just at the target."""
        return binomial_cdf(self.residue_sent, self.sent, target.contamination)

    def bound(self, target: RiskTarget) -> float:
        """Upper limit of the contamination; 1 where nothing is sent."""
        return upper_limit(self.residue_sent, self.sent, target.confidence)


def _least_bad(rows: dict[float, _Counts], target: RiskTarget) -> float:
    keeping = [level for level in rows if rows[level].kept >= LEAST_KEPT] or [list(rows)[-1]]
    return min(reversed(keeping), key=lambda level: rows[level].bound(target))


def _row(level: float, counts: _Counts, target: RiskTarget) -> dict[str, Any]:
    return {
        "level": level,
        "sent": counts.sent,
        "residue_sent": counts.residue_sent,
        "contamination": round(counts.residue_sent / counts.sent, 4) if counts.sent else 0.0,
        "bound": _up(counts.bound(target)),
        "recyclables_given_up": round(1 - counts.kept, 4),
    }


def _at_other_shares(counts: _Counts, target: RiskTarget) -> dict[str, float]:
    """Bound of the contamination at SHARES of residue: each of the two rates is limited at half the risk."""
    each = 1 - (1 - target.confidence) / 2
    residue_passes = upper_limit(counts.residue_sent, counts.residue, each)
    recyclables_pass = lower_limit(counts.sent - counts.residue_sent, counts.recyclables, each)
    return {f"{share:g}": _up(_contamination(share, residue_passes, recyclables_pass)) for share in SHARES}


def _contamination(share: float, residue_passes: float, recyclables_pass: float) -> float:
    wrong, right = share * residue_passes, (1 - share) * recyclables_pass
    return wrong / (wrong + right)


def _up(value: float) -> float:
    """To four places, never below the value: a bound must stay one."""
    return min(1.0, math.ceil(value * 1e4) / 1e4)
