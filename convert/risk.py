"""Thresholds that bound the contamination of the recyclable bin, whatever the model and the data are like.

Contamination is the share of residue among what is sent to the recyclable bin. Levels of confidence are tested one
after the other, from strict to lax, each by the exact binomial test of "contamination is above the target" on the
validation photographs; the laxest of those that pass is taken. The order stands before the data are seen, and the risk
of being wrong is dealt out over STARTS: a level that passes hands the risk that it was tested at on to the next one,
one that fails loses it (the fallback procedure of Wiens, Pharmaceutical Statistics 2, 2003). All levels that pass then
keep to the target together with the wanted confidence, whichever is chosen (Learn then Test: Angelopoulos, Bates,
Candès, Jordan & Lei, arXiv:2110.01052, 2021). A second start is there because the strictest level sends few
photographs, and may fail for want of them alone. Limits of single levels are those of Clopper & Pearson ("The Use of
Confidence or Fiducial Limits", Biometrika 26, 1934).

What the bound assumes, and where it ends:

- Items on the device are like the validation photographs, residue as frequent as among them. It rarely is: the report
  therefore also says what the contamination is bounded by at other shares of residue, from separate limits of the two
  rates at which residue and recyclables pass.
- The photographs are independent. Neighbouring ones show one object, and count as several here: the true confidence is
  lower than stated. Views of a photograph made by augmentation add no evidence and are not counted.
- The network is what it is. But its best epoch, the better of its int8 forms, its temperature and the energy threshold
  are chosen on the same photographs, and it looks a little better on them than on new ones.
- It holds for one picture an item; the device decides by the mean of several, which should do no worse.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge.errors import ConfigError

__all__ = [
    "LEVELS",
    "STARTS",
    "RiskTarget",
    "Sent",
    "allowed_levels",
    "binomial_cdf",
    "choose_level",
    "describe",
    "level_report",
    "lower_limit",
    "upper_limit",
]

LEVELS = tuple(round(0.99 - 0.01 * step, 2) for step in range(50))
"""Confidences that are tested, 0.99 to 0.50, in this order."""
STARTS = {0.99: 0.4, 0.95: 0.4, 0.9: 0.2}
"""Levels that a share of the risk is dealt to; all of it together."""
LEAST_KEPT = 0.8
"""Where the target is not reached: share of the recyclables that must still be sent to their bin."""
BLIND_LEVEL = 0.8
"""Where there is no residue to learn from."""
SHARES = (0.05, 0.1, 0.2, 0.3)
"""Shares of residue in the field that the report speaks of."""
_Bools = npt.NDArray[np.bool_]
Sent = Mapping[float, _Bools]
"""By level, for each of N photographs: would it be sent to the recyclable bin?"""


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


def allowed_levels(views: Sequence[Sent], is_residue: _Bools, target: RiskTarget) -> list[float]:
    """The levels that pass on all of several views, strict to lax; none without residue or without recyclables.

    Of each level the largest p-value counts, so that no view has to be corrected for the others (an intersection-union
    test, Berger, Technometrics 24, 1982).

    Args:
        views: of the same photographs.
    """
    return _allowed([_counts(view, is_residue) for view in views], target)


def choose_level(
    sent: Sent, is_residue: _Bools, target: RiskTarget, among: Collection[float] = LEVELS
) -> tuple[float, dict[str, Any]]:
    """The laxest level of confidence that passes.

    Where none does, the level with the smallest upper limit is taken, the laxest of equals, among those that send at
    least LEAST_KEPT of the recyclables to their bin; without residue, or without recyclables, among the photographs
    nothing is known and BLIND_LEVEL is taken. Both are told by `target_met`.

    Args:
        sent: what each of LEVELS sends to the recyclable bin. It may not have been decided with regard to the truth.
        is_residue: (N,) the truth.
        target: to be kept to.
        among: some of LEVELS; no other is chosen.
    Returns: the level, and the report {target, confidence, target_met, level, sent, residue_sent, contamination,
        bound, recyclables_given_up, ...}, ready for JSON.
    """
    rows = _counts(sent, is_residue)
    is_known = rows[LEVELS[0]].is_known
    allowed = _allowed([rows], target)
    possible = [level for level in allowed if level in among]
    if possible:
        chosen = possible[-1]
    elif is_known:
        chosen = _least_bad({level: counts for level, counts in rows.items() if level in among}, target)
    else:
        chosen = max(BLIND_LEVEL, min(among))
    refused = next((level for level in LEVELS if level not in allowed and (not allowed or level < allowed[-1])), None)
    report = {
        "method": "Learn then Test, fallback procedure, exact binomial",
        "target": target.contamination,
        "confidence": target.confidence,
        "target_met": bool(possible),
        **_row(chosen, rows[chosen], target),
        "residue": int(is_residue.sum()),
        "recyclables": int((~is_residue).sum()),
        "stopped_at": None if refused is None or not is_known else _row(refused, rows[refused], target),
        "bound_at_residue_share": _at_other_shares(rows[chosen], target) if is_known else {},
    }
    return chosen, report


def level_report(sent: Sent, is_residue: _Bools, target: RiskTarget, level: float) -> dict[str, Any]:
    """What a level does that is already chosen; arguments and fields as in `choose_level`, but for the verdict.

    A single limit below the target is no verdict: the level was chosen by the data.
    """
    return _row(level, _Counts.of(sent[level], is_residue), target)


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
    bent = report.get("bent")
    share = report["residue"] / (report["residue"] + report["recyclables"])
    if not report["target_met"]:
        verdict = f"**At most {wanted} is not shown by these photographs.**"
    elif bent is None or bent["target_met"]:
        verdict = f"At most {wanted} is shown for items like these, {share:.1%} of them residue"
        verdict += "." if bent is None else ", as they are and bent."
        verdict += " The best epoch was chosen on the same photographs: of new ones a little more may pass."
    else:
        verdict = f"**At most {wanted} is shown by the photographs as they are, but not by the same photographs bent.**"
    if bent is None:
        return f"{text} {verdict}"
    return (
        f"{text} Of the same photographs bent {bent['sent']} are sent, {bent['residue_sent']} of them residue, and "
        f"{bent['recyclables_given_up']:.1%} of the recyclables given up. {verdict}"
    )


def _counts(sent: Sent, is_residue: _Bools) -> "dict[float, _Counts]":
    return {level: _Counts.of(sent[level], is_residue) for level in LEVELS}


def _allowed(views: "Sequence[dict[float, _Counts]]", target: RiskTarget) -> list[float]:
    risk, allowed = 0.0, []
    for level in LEVELS if views[0][LEVELS[0]].is_known else ():
        risk += STARTS.get(level, 0.0) * (1 - target.confidence)
        if max(rows[level].p_value(target) for rows in views) <= risk:
            allowed.append(level)
        else:
            risk = 0.0
    return allowed


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
    def is_known(self) -> bool:
        """True if the photographs show residue and recyclables."""
        return self.residue > 0 and self.recyclables > 0

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
