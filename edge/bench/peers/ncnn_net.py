"""ncnn on the processor, with the network as `to_ncnn.py` wrote it, in int8 or float."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
from _child import Argument, Classify, Facts, Image, input_side, labels, serve

MEAN, STD = 127.5, 127.5


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = argument["threads"]
    folder = Path(argument["network"])
    net.load_param(str(folder / "net.param"))
    net.load_model(str(folder / "net.bin"))
    names: list[str] = labels(argument)
    width, height = input_side(argument)
    order = ncnn.Mat.PixelType.PIXEL_BGR2RGB

    def classify(frame: Image) -> str:
        rows, columns, _ = frame.shape
        image = ncnn.Mat.from_pixels_resize(frame, order, columns, rows, width, height)
        image.substract_mean_normalize([MEAN] * 3, [1 / STD] * 3)
        with net.create_extractor() as extractor:
            extractor.input("image", image)
            _, logits = extractor.extract("logits")
        return names[int(np.argmax(np.array(logits)))]

    return classify, {"library": f"ncnn {version('ncnn')}", "precision": argument["precision"]}


if __name__ == "__main__":
    serve(open_peer)
