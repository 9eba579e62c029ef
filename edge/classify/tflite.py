"""Classifier on a TFLite interpreter: LiteRT, or tflite-runtime where asked for."""

import logging
import math
import time
from typing import Any, Literal

import numpy as np

from edge.bundle import Bundle
from edge.classify.first_layer import with_swapped_channels
from edge.classify.interpreters import has_delegate, open_interpreter, resolve_runtime
from edge.errors import BundleError, SorterError
from edge.picture_file import PictureError, decode_picture
from edge.preprocess import Preprocessor
from edge.records import BgrImage, ModelId, Prediction, Prepared

__all__ = ["TfliteClassifier"]

_log = logging.getLogger(__name__)
_UINT8 = np.dtype(np.uint8)


class TfliteClassifier:
    """Names an image with the model of a bundle. One image at a time; not for use from several threads.

    Opening it checks that the model has the tensors that the manifest promises and gives the golden outputs.

    Args:
        bundle: checked by `load_bundle`.
        runtime: `auto` takes LiteRT where it is installed.
        threads: processor threads of one inference.
    Raises: BundleError, which names the check that failed; ConfigError if the runtime is not installed.
    """

    def __init__(
        self, bundle: Bundle, runtime: Literal["auto", "litert", "tflite_runtime"] = "auto", threads: int = 1
    ) -> None:
        self._bundle = bundle
        self._labels = bundle.labels
        self.runtime = resolve_runtime(runtime)
        turned = with_swapped_channels(bundle.model)
        self._interpreter = open_interpreter(self.runtime, bundle.model if turned is None else turned, threads)
        input_index = _check_tensor(bundle, "input", self._interpreter.get_input_details())
        output_index = _check_tensor(bundle, "output", self._interpreter.get_output_details())
        self._input = self._interpreter.tensor(input_index)
        self._output = self._interpreter.tensor(output_index)
        self.invoke = self._interpreter.invoke
        """The bare inference, the yardstick of every measurement. Whoever measures may put a clock around it."""
        spec, keeps_bgr = bundle.manifest.input.spec(), turned is not None
        self._fill = Preprocessor(spec, keeps_bgr=keeps_bgr).fill
        # For the camera's thread: buffers of its own.
        self._prepare_ahead = Preprocessor(spec, keeps_bgr=keeps_bgr)
        output, self._temperature = bundle.manifest.output, bundle.manifest.temperature
        self._weights = _softmax_table(output.scale, self._temperature)
        self._scale = output.scale
        self.is_delegated = has_delegate(self._interpreter)
        if not self.is_delegated:
            _log.warning("no delegate took the graph of %s: inference is many times slower", bundle.id.name)
        self._check_golden()
        self._bundle = bundle.without_model()

    @property
    def labels(self) -> tuple[str, ...]:
        return self._labels

    @property
    def model(self) -> ModelId:
        return self._bundle.id

    def logits(self, image: BgrImage) -> list[int]:
        """The raw output: one quantized logit a label.

        Args:
            image: (H, W, 3) uint8 BGR of any size.
        Raises: SourceError if the image is not (H, W, 3) uint8; BundleError if the inference fails.
        """
        # The input is written where the interpreter reads it. No view of a tensor may be alive during `invoke`.
        self._fill(image, self._input()[0].view(_UINT8))
        self._infer()
        values: list[int] = self._output()[0].tolist()
        return values

    def prepare(self, image: BgrImage, out: Prepared | None = None) -> Prepared:
        """See `ports.Classifier`."""
        source = self._bundle.manifest.input
        return self._prepare_ahead(image, np.empty(source.shape, source.dtype) if out is None else out)

    def classify(self, image: BgrImage, t_s: float = 0.0, prepared: Prepared | None = None) -> Prediction:
        """Classify one (H, W, 3) uint8 BGR image of any size; see `ports.Classifier`."""
        start_s = time.perf_counter()
        if prepared is None:
            self._fill(image, self._input()[0].view(_UINT8))
        else:
            np.copyto(self._input(), prepared)
        self._infer()
        return self.name(self._output()[0].tolist(), t_s, start_s)

    def name(self, logits: list[int], t_s: float, start_s: float) -> Prediction:
        """What a raw output says.

        Args:
            start_s: when the frame was begun, of the performance counter.
        """
        known = self._weights
        top = max(logits)
        weights = [known[top - logit] for logit in logits]
        total = sum(weights)
        # The weights are relative to the top logit, so that the log-sum-exp is the top logit and the log of their sum.
        energy = (top - sum(logits) / len(logits)) * self._scale + self._temperature * math.log(total)
        probabilities = tuple([weight / total for weight in weights])
        return Prediction(t_s, self._labels, probabilities, time.perf_counter() - start_s, energy)

    def close(self) -> None:
        """Nothing is held but memory."""

    def _infer(self) -> None:
        try:
            self.invoke()
        except RuntimeError as exc:
            raise BundleError(
                f"model {self._bundle.id.name} failed in an inference ({exc}); install the bundle again"
            ) from exc

    def _check_golden(self) -> None:
        manifest = self._bundle.manifest
        for golden in manifest.golden:
            path = self._bundle.folder / golden.file
            encoded = self._bundle.golden_image(golden)
            try:
                image = decode_picture(encoded) if encoded else None
            except PictureError as exc:
                raise BundleError(f"golden image {path} cannot be decoded; install the bundle again ({exc})") from exc
            if image is None:
                raise BundleError(f"golden image {path} cannot be decoded; install the bundle again")
            try:
                found = self.logits(np.asarray(image, dtype=np.uint8))
            except SorterError as exc:
                raise BundleError(f"golden image {path} cannot be classified ({exc}); package it again") from exc
            expected = list(golden.output)
            if self.runtime == manifest.golden_runtime and self.is_delegated:
                if found != expected:
                    raise BundleError(
                        f"golden image {path} gives {found}, the manifest promises {expected}: this model does not "
                        "compute here what it computed when it was packaged; install the bundle again"
                    )
            elif found.index(max(found)) != expected.index(max(expected)):
                # Other kernels round differently: the label must hold, single steps need not.
                raise BundleError(
                    f"golden image {path} is {self.labels[found.index(max(found))]} with {self.runtime}, the manifest "
                    f"promises {self.labels[expected.index(max(expected))]}; use runtime {manifest.golden_runtime}"
                )


def _softmax_table(scale: float, temperature: float) -> list[float]:
    """exp(-steps * scale / temperature) for every distance from the top logit, so that a softmax is six look-ups."""
    return [math.exp(-steps * scale / temperature) for steps in range(256)]


def _check_tensor(bundle: Bundle, which: Literal["input", "output"], details: list[dict[str, Any]]) -> int:
    promised = bundle.manifest.input if which == "input" else bundle.manifest.output
    if len(details) != 1:
        raise BundleError(f"{bundle.folder}: the model has {len(details)} {which}s, expected one; package it again")
    found = details[0]
    shape = tuple(int(side) for side in found["shape"])
    dtype = np.dtype(found["dtype"]).name
    scale, zero_point = found["quantization"]
    holds = (shape, dtype, zero_point) == (promised.shape, promised.dtype, promised.zero_point)
    if not holds or not math.isclose(scale, promised.scale, rel_tol=1e-6):
        raise BundleError(
            f"{bundle.folder}: the model's {which} is {dtype}{list(shape)} scale {scale:.8g} zero {zero_point}, "
            f"the manifest promises {promised.dtype}{list(promised.shape)} scale {promised.scale:.8g} "
            f"zero {promised.zero_point}; package the bundle again"
        )
    return int(found["index"])
