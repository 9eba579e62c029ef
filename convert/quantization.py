"""The int8 model of a trained network, and the account of what that costs: formats, layers, graph.

Post-training quantization comes first, of the network as it is and with its channels equalized. Where the nearer
one to the float network loses too much on the validation photographs, the network is tuned for int8; the nearest of
all is taken.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from convert import formats, layer_errors
from convert.dataset import Split, class_root
from convert.equalize import equalize
from convert.files import replacing, write_text
from convert.fold import fold_batch_norm
from convert.formats import FORMATS, FormatScore, Runner, compare_formats, convert_format
from convert.graph import leftovers, operators, read_tree, undelegated
from convert.layer_errors import LayerError
from convert.network import to_real
from convert.pictures import chunks, plain, training_pass
from convert.quantize import quantize, representative_pictures
from convert.scores import softmax
from convert.settings import Settings
from edge.errors import BundleError

__all__ = ["LOSS_LIMIT_POINTS", "Account", "Quantized", "account_of", "best_int8", "check_graph", "write_account"]

LOSS_LIMIT_POINTS = 0.3
"""Loss of accuracy by quantization, in percentage points, above which the network is tuned for int8."""
DIVERGENCE_LIMIT = 0.01
"""The same for the divergence from the float network, in nats."""
TINY = 1e-12
LAYER_PICTURES = 16
"""Validation photographs that the layers are compared on."""
QAT_PASS = 1000
"""Number of the pass that tuning learns from, one that the training did not show."""
CHUNK = 64
Say = Callable[[str], None]
QatMode = Literal["auto", "on", "off"]
_Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Checks:
    """Validation photographs as the device resizes them.

    Attributes:
        pictures: (N, side, side, 3) uint8 RGB.
        targets: (N,) index of the true label.
        float_logits: (N, labels) of the float Keras model.
    """

    pictures: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.int64]
    float_logits: _Logits

    def accuracy(self, logits: _Logits) -> float:
        """Share of right labels."""
        return float((logits.argmax(axis=1) == self.targets).mean())

    def divergence(self, logits: _Logits) -> float:
        """How far an int8 model's answers are from the float one's: mean Kullback-Leibler divergence, in nats.

        It decides between two int8 models. Of a few hundred photographs a handful change sides at random, whatever is
        rounded, so that the share of right labels says little about it.
        """
        wanted = np.maximum(softmax(self.float_logits, 1.0), TINY)
        found = np.maximum(softmax(logits, 1.0), TINY)
        return float((wanted * (np.log(wanted) - np.log(found))).sum(axis=1).mean())


@dataclass(frozen=True, slots=True)
class Quantized:
    """The int8 model that was chosen.

    Attributes:
        model: TFLite file without metadata.
        source: the float Keras model that it was converted from, tuned or not.
        checks: what it was chosen on.
        record: how it was made, ready for JSON.
    """

    model: bytes
    source: Any
    checks: Checks
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """What quantization cost.

    Attributes:
        models: TFLite files by number format.
        fields: what `quantization.json` holds.
        text: what `quantization.md` holds.
    """

    models: dict[str, bytes]
    fields: dict[str, Any]
    text: str


def best_int8(
    float_model: Any,
    data: Path,
    split: Split,
    settings: Settings,
    qat: QatMode,
    say: Say,
    *,
    allow_undelegated: bool = False,
) -> Quantized:
    """Quantize after training; tune for int8 if that loses too much, and keep what is nearest to the float network.

    Args:
        float_model: Keras, (N, side, side, 3) float32 -1..1 to logits.
        qat: "auto": tune if LOSS_LIMIT_POINTS or DIVERGENCE_LIMIT is exceeded; "on": in any case; or "off".
        allow_undelegated: take a graph that XNNPACK does not run as a whole.
    Raises: BundleError if XNNPACK does not take the whole graph.
    """
    representative = representative_pictures(data, split, settings)
    checks = _checks(float_model, class_root(data), split, settings)
    fold = fold_batch_norm(float_model)
    if fold.kept:
        say(f"batch normalization that cannot be folded: {', '.join(fold.kept)}")
    equalized = equalize(fold.model, representative)
    tried = [
        _tried("post-training", float_model, representative, checks, say),
        _tried("equalized", equalized, representative, checks, say),
    ]
    best = min(tried, key=lambda one: one.divergence)
    float_accuracy = checks.accuracy(checks.float_logits)
    loss_points = 100 * (float_accuracy - best.accuracy)
    is_lossy = loss_points > LOSS_LIMIT_POINTS + 1e-9 or best.divergence > DIVERGENCE_LIMIT
    if qat == "on" or (qat == "auto" and is_lossy):
        tuned = _tuned(equalized, data, split, settings, representative, say)
        tried.append(_tried("quantization-aware", tuned, representative, checks, say))
        best = min(tried, key=lambda one: one.divergence)
    say(f"taken: {best.method}; float has {float_accuracy:.1%} of {len(checks.targets)} validation photographs right")
    loss_points = 100 * (float_accuracy - best.accuracy)
    if loss_points > LOSS_LIMIT_POINTS + 1e-9:
        say(f"int8 loses {loss_points:.3g} points on them, more than the {LOSS_LIMIT_POINTS} that were aimed for")
    record: dict[str, Any] = {
        "method": best.method,
        "qat_mode": qat,
        "n": len(checks.targets),
        "accuracy_float": round(float_accuracy, 4),
        "tried": {
            one.method: {"accuracy": round(one.accuracy, 4), "divergence": round(one.divergence, 4)} for one in tried
        },
        "loss_points": round(loss_points, 2),
        "graph": check_graph(best.model, say, allow_undelegated=allow_undelegated),
    }
    return Quantized(best.model, best.source, checks, record)


@dataclass(frozen=True, slots=True)
class _Tried:
    """One way to an int8 model, and how it does on the validation photographs."""

    method: str
    source: Any
    model: bytes
    accuracy: float
    divergence: float


def _tried(method: str, source: Any, representative: npt.NDArray[np.uint8], checks: Checks, say: Say) -> _Tried:
    model = quantize(source, representative)
    logits = Runner(model).logits(checks.pictures)
    found = _Tried(method, source, model, checks.accuracy(logits), checks.divergence(logits))
    say(f"int8, {method}: {found.accuracy:.1%} right, {found.divergence:.4f} nats from the float network")
    return found


def check_graph(model: bytes, say: Say, *, allow_undelegated: bool) -> dict[str, Any]:
    """Look into an int8 file: are normalizations folded, and does XNNPACK run everything?

    Returns: number of each operator, what should not be there, and why the graph is split, if it is; for JSON.
    Raises: BundleError if the graph is split, unless that is allowed.
    """
    tree = read_tree(model)
    unfolded, split_why = leftovers(tree), undelegated(model)
    if unfolded:
        say(f"not folded into a convolution: {', '.join(unfolded)}; inference pays for each of them")
    if split_why is not None and not allow_undelegated:
        raise BundleError(
            f"XNNPACK does not take the whole int8 graph: {split_why}; inference on a device would be slow; change the "
            "network, or pass --allow-undelegated"
        )
    if split_why is not None:
        say(f"XNNPACK does not take the whole int8 graph: {split_why}; inference on a device will be slow")
    kinds = Counter(operator.kind for operator in operators(tree))
    return {"operators": dict(sorted(kinds.items())), "unfolded": unfolded, "undelegated": split_why}


def account_of(chosen: Quantized, float_model: Any, split: Split, settings: Settings, say: Say) -> Account:
    """Compare int8 with the other formats, and find the layers that lose most. Writes nothing.

    Args:
        float_model: the trained Keras model, for the formats that int8 is compared with.
    """
    checks = chosen.checks
    models = {"int8": chosen.model, **{name: convert_format(float_model, name) for name in FORMATS}}
    rows = compare_formats(models, checks.float_logits, checks.pictures, checks.targets, split.labels, settings.residue)
    twin = models["float32"] if chosen.source is float_model else convert_format(chosen.source, "float32")
    step = max(1, len(checks.pictures) // LAYER_PICTURES)
    layers = layer_errors.layer_errors(twin, chosen.model, checks.pictures[::step][:LAYER_PICTURES])
    fields = {
        **chosen.record,
        "formats": formats.as_json(rows),
        "layers_n": len(checks.pictures[::step][:LAYER_PICTURES]),
        "layers": layer_errors.as_json(layers),
    }
    worst = ", ".join(f"{entry.layer} {entry.logits_db:.0f} dB" for entry in layers[:3])
    say(f"layers that lose most: {worst} (signal to noise of the logits with that layer alone in int8)")
    return Account(models, fields, _markdown(fields, rows, layers))


def write_account(account: Account, folder: Path, candidate_sha256: str) -> None:
    """Write `variants/*.tflite`, `quantization.json` and `quantization.md` into the work folder.

    Args:
        candidate_sha256: of the bundle's model that it is about; variants/int8.tflite is the same without metadata.
    """
    for name, model in account.models.items():
        with replacing(folder / "variants" / f"{name}.tflite") as partial:
            partial.write_bytes(model)
    write_text(
        folder / "quantization.json",
        json.dumps({"candidate_sha256": candidate_sha256, **account.fields}, indent=1) + "\n",
    )
    write_text(folder / "quantization.md", account.text)


def _checks(float_model: Any, root: Path, split: Split, settings: Settings) -> Checks:
    examples = plain(root, split.part("val"))
    pictures = np.concatenate(list(chunks(examples, settings.side_px)))
    logits = [
        np.asarray(float_model.predict_on_batch(to_real(pictures[start : start + CHUNK])), dtype=np.float64)
        for start in range(0, len(pictures), CHUNK)
    ]
    targets = np.array([split.labels.index(example.label) for example in examples])
    return Checks(pictures, targets, np.concatenate(logits))


def _tuned(
    equalized: Any, data: Path, split: Split, settings: Settings, representative: npt.NDArray[np.uint8], say: Say
) -> Any:
    from convert.qat import QatSettings, fine_tune

    chosen = QatSettings(seed=settings.seed)
    examples = training_pass(class_root(data), split, settings, QAT_PASS)
    order = np.random.default_rng([settings.seed, 5]).permutation(len(examples))[: chosen.pictures]
    pictures = np.concatenate(list(chunks([examples[place] for place in order], settings.side_px)))
    return fine_tune(equalized, pictures, representative, chosen, say)


def _markdown(account: dict[str, Any], rows: list[FormatScore], layers: list[LayerError]) -> str:
    graph = account["graph"]
    kinds = ", ".join(f"{kind} {number}" for kind, number in graph["operators"].items())
    lines = [
        f"Labels right on {account['n']} validation photographs, float Keras {account['accuracy_float']:.1%}. Taken is "
        "the int8 model whose answers are nearest to the float one's:",
        "",
        "| int8 | labels right | divergence from float, nats |",
        "| --- | --- | --- |",
        *(
            f"| {method}{' (taken)' if method == account['method'] else ''} | {one['accuracy']:.1%} "
            f"| {one['divergence']:.4f} |"
            for method, one in account["tried"].items()
        ),
        "",
        f"Operators of the int8 graph: {kinds}. Left unfolded: {', '.join(graph['unfolded']) or 'none'}. XNNPACK: "
        f"{graph['undelegated'] or 'takes the whole graph'}.",
        "",
        "Number formats, one thread of the machine that converted, the models in turn picture by picture:",
        "",
        formats.markdown(rows),
        f"Layers, those that hurt most first, on {account['layers_n']} of these photographs. Figures are signal to "
        "quantization noise: 20 dB is an error of 10 %, 40 dB of 1 %.",
        "",
        layer_errors.markdown(layers),
    ]
    return "\n".join(lines)
