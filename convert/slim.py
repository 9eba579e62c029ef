"""A narrower MobileNetV2 cut out of a wide one, so that it need not start from noise.

Weights trained on ImageNet exist for some widths only. The narrow network is filled layer by layer, so that on a sample
of pictures each layer gives what the wide one gives, as nearly as its channels allow:

- The maps between two blocks are sums of linear layers and are read by linear layers only, so any basis will do for
  them. Theirs are the principal components of what the wide network has there, common to all blocks that an addition
  ties together (as Ashkboos et al., "SliceGPT", ICLR 2024, do for transformers).
- Inside a block there are activations between, and a channel can only stay or go. Those stay that move what is kept of
  the block's output most: their standard deviation times the norm of the weights that read them.
- What reads the remaining channels is found by least squares from what the narrow network itself has there (He et al.,
  "Channel Pruning for Accelerating Very Deep Neural Networks", ICCV 2017), which makes up for errors in front of it.
- Batch normalization does what the wide network's does, written for the statistics of the sample, so that a training
  which goes on with those of its batches starts from the same network.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convert.fold import producers
from edge.errors import ConfigError

__all__ = ["SAMPLE", "slim_into"]

SAMPLE = 192
"""Pictures that the narrow network is fitted on."""
ROWS = 16_384
"""At most about so many places of a map take part in a fit."""
RIDGE = 1e-5
"""Share of their mean that the squares of a fit's inputs are raised by, for channels that always go together."""
BATCH = 32
_Rows = npt.NDArray[np.float32]
_Kept = npt.NDArray[np.int64]


def slim_into(narrow: Any, wide: Any, sample: Callable[[], npt.NDArray[np.float32]]) -> None:
    """Fill `narrow` so that it computes nearly what `wide` computes.

    Args:
        narrow, wide: Keras MobileNetV2 bodies (as of `keras.applications`, without top), of any input size; `narrow` is
            changed.
        sample: gives pictures (N, side, side, 3) float32 -1..1, of the size that `narrow` takes; SAMPLE of them are
            plenty. Not called where both are of one width.
    Raises:
        ConfigError: if a layer of `narrow` has more channels than that of `wide`, or `wide` lacks it.
        ValueError: if there are no pictures.
    """
    _check(narrow, wide)
    if [value.shape for value in narrow.weights] == [value.shape for value in wide.weights]:
        narrow.set_weights(wide.get_weights())
        return
    pictures = sample()
    if not len(pictures):
        raise ValueError("no pictures to fit the narrow network on")
    feeds = producers(narrow)
    filling = _Filling(narrow, wide, pictures, feeds)
    waiting = {name: sum(name in sources for sources in feeds.values()) for name in feeds}
    maps: dict[str, _Rows] = {}
    for layer in narrow.layers:
        inputs = [maps[name] for name in feeds[layer.name]]
        if layer.weights:
            filling.fill(layer, inputs[0])
        maps[layer.name] = _apply(layer, inputs) if inputs else pictures
        filling.saw(layer.name, maps[layer.name])
        for name in feeds[layer.name]:
            waiting[name] -= 1
            if not waiting[name]:
                del maps[name]


class _Filling:
    """Finds the weights of one layer after the other, in the order of the network."""

    def __init__(self, narrow: Any, wide: Any, pictures: npt.NDArray[np.float32], feeds: dict[str, list[str]]) -> None:
        self._wide, self._feeds = wide, feeds
        self._blocks = _blocks(narrow)
        self._seen = _rows_of(_of_size(wide, narrow), pictures)
        self._bases = self._streams(narrow)
        self._kept: dict[str, _Kept] = {}
        for block in self._blocks:
            size = narrow.get_layer(block.inner).kernel.shape[-1]
            self._kept[block.inner] = np.sort(np.argsort(-self._importance(block), kind="stable")[:size])
        self._offsets: dict[str, _Rows] = {}
        self._entries: dict[str, _Rows] = {}

    def saw(self, name: str, maps: _Rows) -> None:
        """Remember what enters a block with a shortcut."""
        for block in self._blocks:
            if block.has_shortcut and block.entry == name:
                self._entries[block.entry] = _sampled(maps)

    def fill(self, layer: Any, inputs: _Rows) -> None:
        """Set the weights of a layer, by what it will be given."""
        kind, name = type(layer).__name__, layer.name
        if kind == "BatchNormalization":
            self._normalize(layer, inputs)
        elif kind == "DepthwiseConv2D":
            block = next(one for one in self._blocks if one.depthwise == name)
            layer.set_weights([self._weights(name)[0][:, :, self._kept[block.inner]]])
        elif name == "Conv1":
            layer.set_weights([self._weights(name)[0][..., self._kept[name]]])
        else:
            targets = self._targets(name)
            kernel, offset = _least_squares(_sampled(inputs), targets)
            layer.set_weights([kernel[None, None]])
            self._offsets[name] = offset

    def _targets(self, name: str) -> _Rows:
        """(rows, channels): what a convolution of one pixel shall give."""
        block = next((one for one in self._blocks if one.project == name), None)
        if block is None:
            found = self._seen.pop(name)
            return found[:, self._kept[name]] if name in self._kept else found
        mean, axes = self._bases[block.stage]
        wanted = (self._seen.pop(block.project) - mean) @ axes
        return wanted - self._entries[block.entry] if block.has_shortcut else wanted

    def _normalize(self, layer: Any, inputs: _Rows) -> None:
        """Scale and offset that do what the wide network's normalization does, for statistics of these inputs."""
        mean, variance = _moments(inputs)
        deviation = np.sqrt(variance + layer.epsilon)
        offset = self._offsets.get(self._feeds[layer.name][0], np.zeros(1))
        if any(layer.name == block.project_norm for block in self._blocks):
            gamma, beta = deviation, mean + offset
        else:
            gamma_w, beta_w, mean_w, variance_w = (value.astype(np.float64) for value in self._weights(layer.name))
            owner = next((one for one in self._blocks if layer.name in one.inner_norms), None)
            kept = slice(None) if owner is None else self._kept[owner.inner]
            slope = (gamma_w / np.sqrt(variance_w + self._wide.get_layer(layer.name).epsilon))[kept]
            gamma, beta = slope * deviation, beta_w[kept] + slope * (mean + offset - mean_w[kept])
        layer.set_weights([value.astype(np.float32) for value in (gamma, beta, mean, variance)])

    def _streams(self, narrow: Any) -> dict[str, tuple[_Rows, _Rows]]:
        """For each stage the mean (wide,) and the first principal axes (wide, narrow) of what its blocks give."""
        found: dict[str, tuple[_Rows, _Rows]] = {}
        for stage in dict.fromkeys(block.stage for block in self._blocks):
            members = [block for block in self._blocks if block.stage == stage]
            rows = np.concatenate([self._seen[block.project] for block in members])
            _, axes = np.linalg.eigh(np.cov(rows, rowvar=False, dtype=np.float64))
            size = narrow.get_layer(members[0].project).kernel.shape[-1]
            mean = rows.mean(axis=0, dtype=np.float64)
            found[stage] = (mean.astype(np.float32), axes[:, ::-1][:, :size].astype(np.float32))
        return found

    def _importance(self, block: "_Block") -> npt.NDArray[np.float64]:
        """(channels,): how much of the block's output a channel inside it makes up."""
        kernel = np.asarray(self._weights(block.project)[0][0, 0], np.float64)
        gamma, _, _, variance = (np.asarray(value, np.float64) for value in self._weights(block.project_norm))
        slope = gamma / np.sqrt(variance + self._wide.get_layer(block.project_norm).epsilon)
        _, axes = self._bases[block.stage]
        read = np.linalg.norm((kernel * slope) @ axes, axis=1)
        return np.asarray(self._seen.pop(block.depthwise_relu).std(axis=0, dtype=np.float64) * read, np.float64)

    def _weights(self, name: str) -> list[npt.NDArray[Any]]:
        return [np.asarray(value) for value in self._wide.get_layer(name).get_weights()]


class _Block:
    """Names of the layers of one inverted residual, by what they do.

    Attributes:
        inner: the convolution whose channels are the block's own; for the first block that is `Conv1`.
        inner_norms: normalizations of these channels.
        leaves: the layer that the next block reads.
        entry: the layer that the block reads.
        stage: name of the first block that an addition ties this one to.
    """

    def __init__(self, name: str, before: "_Block | None", *, has_shortcut: bool) -> None:
        is_first = before is None
        self.inner = "Conv1" if is_first else f"{name}_expand"
        self.depthwise, self.depthwise_relu = f"{name}_depthwise", f"{name}_depthwise_relu"
        self.inner_norms = ("bn_Conv1" if is_first else f"{name}_expand_BN", f"{name}_depthwise_BN")
        self.project, self.project_norm = f"{name}_project", f"{name}_project_BN"
        self.has_shortcut = has_shortcut
        self.leaves = f"{name}_add" if has_shortcut else self.project_norm
        self.entry = "Conv1_relu" if before is None else before.leaves
        self.stage = before.stage if before is not None and has_shortcut else name


def _blocks(model: Any) -> list[_Block]:
    names = {layer.name for layer in model.layers}
    found: list[_Block] = []
    for layer in model.layers:
        if layer.name.endswith("_project"):
            name = layer.name.removesuffix("_project")
            found.append(_Block(name, found[-1] if found else None, has_shortcut=f"{name}_add" in names))
    return found


def _check(narrow: Any, wide: Any) -> None:
    """Raises: ConfigError unless every layer of `narrow` can be had from `wide`."""
    known = {layer.name: layer for layer in wide.layers}
    for layer in narrow.layers:
        if not layer.weights:
            continue
        if layer.name not in known or len(known[layer.name].weights) != len(layer.weights):
            raise ConfigError(f"the wide network has no layer {layer.name!r}; is it a MobileNetV2?")
        size, given = (max(one.weights[0].shape[-2:]) for one in (layer, known[layer.name]))
        if given < size:
            raise ConfigError(f"layer {layer.name} has {size} channels, the wide network {given}; take it wider")
    last, given = (model.get_layer("Conv_1").filters for model in (narrow, wide))
    if last != given:
        raise ConfigError(f"layer Conv_1 has {last} channels, the wide network {given}; take one of width 1 or less")


def _of_size(wide: Any, narrow: Any) -> Any:
    """A copy of `wide` that takes pictures of the size that `narrow` takes."""
    import keras

    def clone(layer: Any) -> Any:
        # The padding in front of a stride depends on the size.
        source = narrow.get_layer(layer.name) if type(layer).__name__ == "ZeroPadding2D" else layer
        return type(layer).from_config(source.get_config())

    copy = keras.models.clone_model(wide, input_tensors=keras.Input(narrow.input_shape[1:]), clone_function=clone)
    copy.set_weights(wide.get_weights())
    return copy


def _rows_of(model: Any, pictures: npt.NDArray[np.float32]) -> dict[str, _Rows]:
    """What the layers give that a fit asks for, by name: (rows, channels), as `_sampled`.

    What a block leaves stands under the name of its projection, for a shortcut may be in one of the networks only.
    """
    import keras

    places = {"Conv_1": "Conv_1"}
    for block in _blocks(model):
        places |= {block.inner: block.inner, block.depthwise_relu: block.depthwise_relu, block.project: block.leaves}
    del places["Conv1"]  # its kernels are taken as they are
    several = keras.Model(model.input, [model.get_layer(layer).output for layer in places.values()])
    parts: dict[str, list[_Rows]] = {name: [] for name in places}
    for start in range(0, len(pictures), BATCH):
        found = several(pictures[start : start + BATCH], training=False)
        for name, maps in zip(places, found, strict=True):
            parts[name].append(_sampled(keras.ops.convert_to_numpy(maps), len(pictures)))
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def _sampled(maps: _Rows, of: int | None = None) -> _Rows:
    """(N, h, w, channels) to (N * places, channels): the same places in every map of that size.

    Args:
        of: number of all pictures, where these are the maps of some of them.
    """
    number, height, width, channels = maps.shape
    places = min(height * width, max(1, ROWS // (of or number)))
    chosen = np.random.default_rng([height, width]).permutation(height * width)[:places]
    return maps.reshape(number, height * width, channels)[:, chosen].reshape(-1, channels)


def _least_squares(inputs: _Rows, targets: _Rows) -> tuple[_Rows, _Rows]:
    """Kernel (in, out) and offset (out,) that come nearest to the targets (rows, out)."""
    rows, wanted = inputs.astype(np.float64), targets.astype(np.float64)
    middle, height = rows.mean(axis=0), wanted.mean(axis=0)
    rows -= middle
    squares = rows.T @ rows
    ridge = RIDGE * max(float(np.trace(squares)) / len(squares), 1e-12)
    kernel = np.linalg.solve(squares + ridge * np.eye(len(squares)), rows.T @ (wanted - height))
    return kernel.astype(np.float32), (height - middle @ kernel).astype(np.float32)


def _moments(maps: _Rows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean and variance of each channel, in steps: the maps of a layer may fill a good part of the memory."""
    parts = [maps[start : start + BATCH] for start in range(0, len(maps), BATCH)]
    places = maps.size / maps.shape[-1]
    mean = sum(part.sum(axis=(0, 1, 2), dtype=np.float64) for part in parts) / places
    variance = sum(np.square(part - mean.astype(np.float32)).sum(axis=(0, 1, 2), dtype=np.float64) for part in parts)
    return mean, variance / places


def _apply(layer: Any, inputs: Sequence[_Rows]) -> _Rows:
    import keras

    maps = np.empty((len(inputs[0]), *layer.output.shape[1:]), np.float32)
    options = {"training": False} if type(layer).__name__ == "BatchNormalization" else {}
    for start in range(0, len(maps), BATCH):
        given = [one[start : start + BATCH] for one in inputs]
        found = layer(given if len(given) > 1 else given[0], **options)
        maps[start : start + BATCH] = keras.ops.convert_to_numpy(found)
    return maps
