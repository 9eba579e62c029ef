"""MediaPipe Tasks' ImageClassifier. It resizes, normalizes and reads the labels from the model's metadata itself.

It takes no int8 pictures (1.2.2: "Requested one of these types: uint8/float32, got INT8"), so `network` is the bundle's
model with uint8 ends. How many threads it uses is its own choice.
"""

from importlib.metadata import version

import cv2
from _child import Argument, Classify, Facts, Image, serve


def open_peer(argument: Argument) -> tuple[Classify, Facts]:
    """See `_child.serve`."""
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    cv2.setNumThreads(argument["threads"])
    options = vision.ImageClassifierOptions(BaseOptions(model_asset_path=argument["network"]), max_results=1)
    classifier = vision.ImageClassifier.create_from_options(options)

    def classify(frame: Image) -> str:
        rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
        result = classifier.classify(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=rgb))
        return str(result.classifications[0].categories[0].category_name)

    facts = {"library": f"mediapipe {version('mediapipe')}", "precision": "int8", "threads": "the library's choice"}
    return classify, facts


if __name__ == "__main__":
    serve(open_peer)
