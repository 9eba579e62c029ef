"""Temperature, energy limit, thresholds and frame noise, from the int8 model's logits on the validation part."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.frame_noise import frame_noise, log_odds_of
from convert.risk import LEVELS, RiskTarget, Sent, allowed_levels, choose_level, level_report
from convert.risk import describe as describe_risk
from convert.scores import device_routes, negative_log_likelihood, softmax
from edge.bundle import Frames, Thresholds

__all__ = [
    "BENT",
    "Evidence",
    "auroc",
    "calibrate",
    "describe",
    "energies",
    "energy_limit",
    "seen",
    "shares_sold",
    "temperature",
]

BENT = "bent photographs"
REJECTED_SHARE = 0.02
"""Largest share that the energy may reject of what the confidence alone would decide, of the photographs as they are
and of all waste together.

Not of bent photographs by themselves: the worst of them show nothing that anybody could name, and they would decide.
"""
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a bundle is calibrated by: real int8 logits of the validation part, each (N, labels).

    Attributes:
        photographs: as they are.
        targets: (N,) index of their true labels.
        waste: further waste that the energy must let pass where the model is sure of it, by sort: the photographs
            bent, in the same order, which the temperature is judged by as well, and simulated items.
        outliers: what is no waste, by kind. They are only reported on: no number is chosen by them.
        frames: (N, frames, labels), each photograph several times as a camera at rest would see it; may be empty.
    """

    photographs: _Floats
    targets: npt.NDArray[np.int64]
    waste: Mapping[str, _Floats]
    outliers: Mapping[str, _Floats]
    frames: _Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))


def calibrate(
    evidence: Evidence, labels: Sequence[str], residue: Sequence[str], target: RiskTarget
) -> tuple[float, Thresholds, dict[str, Any]]:
    """Temperature, then an energy limit for every level of confidence, then the level.

    The temperature is that of the photographs as they are and bent: the best epoch was chosen on the former, which
    makes a network look surer of them than it is of others, and a camera in the field sees the latter.

    A level's energy limit is that of the waste that the level would decide, for either bin. What is less sure is not
    decided anyway; if its energy counted, the limit would lie lower, keep nothing by it, and let strangers through.

    The level must keep to the target on the photographs as they are, and on the same photographs bent as a camera in
    the field may see them. Where the bent ones cannot show it, the level is no laxer than the one at which they show
    most; the report says so.

    With two routes the margin says the same as the confidence (2 c - 1); it is kept for bins with more.

    Returns: temperature, thresholds, and a report of what they do, ready for JSON.
    """
    bent = evidence.waste.get(BENT, np.zeros((0, evidence.photographs.shape[1])))
    shown, shown_targets = seen(evidence.photographs, bent, evidence.targets)
    at = temperature(shown, shown_targets)
    columns = [place for place, label in enumerate(labels) if label in residue]
    is_residue = np.isin(evidence.targets, columns)
    waste = {
        sort: logits for sort, logits in {"photographs": evidence.photographs, **evidence.waste}.items() if len(logits)
    }
    limits = _energy_limits([evidence.photographs, np.concatenate(list(waste.values()))], at, columns)

    def sent(logits: _Floats) -> Sent:
        recyclable, energy = _recyclable(logits, at, columns), energies(logits, at)
        return {level: (recyclable >= level) & (energy >= limits[level]) for level in LEVELS}

    among: Sequence[float] = LEVELS
    shown_by_both: list[float] = []
    if len(bent):
        shown_by_both = allowed_levels([sent(evidence.photographs), sent(bent)], is_residue, target)
        least, _ = choose_level(sent(bent), is_residue, target)
        among = shown_by_both or [level for level in LEVELS if level >= least]
    level, risk = choose_level(sent(evidence.photographs), is_residue, target, among)
    if len(bent):
        report_of_bent = level_report(sent(bent), is_residue, target, level)
        risk["bent"] = {"target_met": level in shown_by_both, **report_of_bent}
    frames = _frame_noise(evidence.frames, at, columns, target)
    thresholds = Thresholds(confidence=level, margin=round(2 * level - 1, 4), energy=limits[level], frames=frames)
    residue_alone = {"residue among the photographs": evidence.photographs[is_residue]} if is_residue.any() else {}
    report = {
        "on": "validation photographs, as they are and bent, int8" if len(bent) else "validation photographs, int8",
        "n": len(evidence.targets),
        "nll_before": round(negative_log_likelihood(shown, shown_targets, 1.0), 4),
        "nll_after": round(negative_log_likelihood(shown, shown_targets, at), 4),
        "risk": risk,
        "energy": {
            "limit": limits[level],
            "rejected": {
                sort: round(float((energies(logits, at) < limits[level]).mean()), 4)
                for sort, logits in {**waste, **residue_alone}.items()
            },
            "undecided": {
                sort: _undecided(logits, at, columns, thresholds) for sort, logits in {**waste, **residue_alone}.items()
            },
            **_outlier_report(evidence.outliers, evidence.photographs, at, columns, thresholds),
        },
    }
    return at, thresholds, report


def describe(report: dict[str, Any]) -> str:
    """A few sentences about a report of `calibrate`, for people."""
    energy = report["energy"]
    undecided = energy.get("undecided", {})
    rejected = ", ".join(
        f"{share:.1%} of the {sort}" + (f" ({undecided[sort]:.1%} were sure)" if sort in undecided else "")
        for sort, share in energy["rejected"].items()
    )
    text = f"{describe_risk(report['risk'])} Energy below {energy['limit']:g} rejects {rejected}"
    if "outliers" not in energy:
        return f"{text}."
    found = energy["outliers"]["all"]
    return (
        f"{text}, and {found['rejected']:.1%} of {found['n']} drawn pictures of no waste (AUROC {found['auroc']:.3f}); "
        f"{found['sold']:.1%} of them still count as recyclable, {found['sold_without_limit']:.1%} without it."
    )


def seen(photographs: _Floats, bent: _Floats, targets: npt.NDArray[np.int64]) -> tuple[_Floats, npt.NDArray[np.int64]]:
    """What a temperature is fitted to: the logits of the photographs as they are and bent, and the labels of both.

    Args:
        photographs: (N, labels).
        bent: (N, labels) in the same order, or none.
        targets: (N,) index of the true label.
    """
    return np.concatenate([photographs, bent]), np.concatenate([targets, targets[: len(bent)]])


def temperature(logits: _Floats, targets: npt.NDArray[Any]) -> float:
    """The temperature, 0.25..4, at which the probabilities are least surprised (Guo et al. 2017).

    Args:
        logits: (N, labels) real logits, dequantized.
        targets: (N,) index of the true label.
    """
    low, high = np.log(0.25), np.log(4.0)
    for _ in range(4):
        steps = np.linspace(low, high, 25)
        losses = [negative_log_likelihood(logits, targets, float(np.exp(step))) for step in steps]
        best = int(np.argmin(losses))
        low, high = steps[max(0, best - 1)], steps[min(len(steps) - 1, best + 1)]
    return round(float(np.exp((low + high) / 2)), 4)


def energies(logits: _Floats, at: float) -> _Floats:
    """How far the log-sum-exp of (N, labels) logits lies above their mean, (N,): low for what is no waste.

    The negative free energy of Liu, Wang, Owens & Li, "Energy-based Out-of-distribution Detection", NeurIPS 2020, less
    the mean logit: the loss does not fix what is added to all logits alike. What is left is, but for the temperature,
    the cross-entropy from the uniform distribution, which training with outliers makes small for them (Hendrycks,
    Mazeika & Dietterich, "Deep Anomaly Detection with Outlier Exposure", ICLR 2019). The same number as the device's
    `Prediction.energy`.
    """
    top = logits.max(axis=1)
    free = top + at * np.log(np.exp((logits - top[:, None]) / at).sum(axis=1))
    return np.asarray(free - logits.mean(axis=1), dtype=np.float64)


def energy_limit(sets: Sequence[_Floats]) -> float:
    """The highest limit below which at most REJECTED_SHARE of each set of energies lies, the next picture included.

    Of n energies the floor(share x (n + 1))-th smallest, which a further exchangeable one undercuts with at most that
    probability (split conformal prediction: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World",
    2005). With fewer than 49 in a set the share cannot be promised; the smallest of all is then taken.
    """
    limits = []
    for found in sets:
        rank = int(REJECTED_SHARE * (len(found) + 1))
        limits.append(float(np.sort(found)[max(0, rank - 1)]))
    return math.floor(min(limits) * 1e4) / 1e4


def _energy_limits(sets: Sequence[_Floats], at: float, residue_columns: Sequence[int]) -> dict[float, float]:
    """`energy_limit` of what each level would decide, no stricter for a laxer one.

    Levels too strict to decide anything have the limit of the strictest that does.

    Args:
        sets: (N, labels) logits each.
    """
    pairs = [(_confidence(logits, at, residue_columns), energies(logits, at)) for logits in sets]
    limits: dict[float, float] = {}
    least = math.inf
    for level in LEVELS:
        decided = [energy[confidence >= level] for confidence, energy in pairs]
        if any(len(found) for found in decided):
            least = min(least, energy_limit([found for found in decided if len(found)]))
        limits[level] = least
    known = [limit for limit in limits.values() if limit < math.inf]
    strictest = known[0] if known else energy_limit([energy for _, energy in pairs])
    return {level: min(limit, strictest) for level, limit in limits.items()}


def auroc(waste: _Floats, outliers: _Floats) -> float:
    """Probability that a picture of waste has more energy than one of no waste; a tie counts half."""
    ordered = np.sort(waste)
    below, not_above = np.searchsorted(ordered, outliers, "left"), np.searchsorted(ordered, outliers, "right")
    return float(1 - ((below + not_above) / 2).mean() / len(ordered))


def shares_sold(logits: _Floats, at: float, residue_columns: Sequence[int], thresholds: Thresholds) -> dict[str, float]:
    """What becomes of pictures, of no waste above all: shares that the energy rejects, and that are sold as recyclable.

    Args:
        logits: (N, labels) real logits, N at least 1.
        at: temperature.
        residue_columns: places of the labels that are residue.
    Returns: `rejected`, `sold_without_limit` (by the confidence alone) and `sold`, each 0..1.
    """
    energy, mass = energies(logits, at), 1 - _recyclable(logits, at, residue_columns)
    limit = -math.inf if thresholds.energy is None else thresholds.energy
    return {
        "rejected": round(float((energy < limit).mean()), 4),
        "sold_without_limit": round(float((~device_routes(mass, thresholds)[0]).mean()), 4),
        "sold": round(float((~device_routes(mass, thresholds, energy)[0]).mean()), 4),
    }


def _confidence(logits: _Floats, at: float, residue_columns: Sequence[int]) -> _Floats:
    """(N,) probability of the likelier bin."""
    recyclable = _recyclable(logits, at, residue_columns)
    return np.maximum(recyclable, 1 - recyclable)


def _frame_noise(frames: _Floats, at: float, residue_columns: Sequence[int], target: RiskTarget) -> Frames | None:
    if frames.size == 0:
        return None
    flat = frames.reshape(-1, frames.shape[2])
    log_odds = log_odds_of(_recyclable(flat, at, residue_columns)).reshape(frames.shape[:2])
    return frame_noise(log_odds, energies(flat, at).reshape(frames.shape[:2]), target)


def _undecided(logits: _Floats, at: float, residue_columns: Sequence[int], thresholds: Thresholds) -> float:
    """Share of pictures that the confidence alone would decide, and the energy rejects."""
    is_sure = _confidence(logits, at, residue_columns) >= thresholds.confidence
    return round(float((is_sure & (energies(logits, at) < (thresholds.energy or -math.inf))).mean()), 4)


def _recyclable(logits: _Floats, at: float, residue_columns: Sequence[int]) -> _Floats:
    """(N,) probability of the recyclable bin: of all labels that are not residue."""
    return np.asarray(1 - softmax(logits, at)[:, list(residue_columns)].sum(axis=1), dtype=np.float64)


def _outlier_report(
    outliers: Mapping[str, _Floats],
    photographs: _Floats,
    at: float,
    residue_columns: Sequence[int],
    thresholds: Thresholds,
) -> dict[str, Any]:
    """AUROC against the photographs, shares that the energy rejects and that are sold as recyclable none the less."""
    kinds = {kind: logits for kind, logits in outliers.items() if len(logits)}
    if not kinds:
        return {}

    known = energies(photographs, at)

    def row(logits: _Floats) -> dict[str, Any]:
        found = {"n": len(logits), "auroc": round(auroc(known, energies(logits, at)), 4)}
        return {**found, **shares_sold(logits, at, residue_columns, thresholds)}

    everything = row(np.concatenate(list(kinds.values())))
    return {"outliers": {"all": everything, **{kind: row(logits) for kind, logits in kinds.items()}}}
