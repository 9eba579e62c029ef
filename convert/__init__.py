"""From class folders of photographs to a model bundle: split, train, quantize, evaluate, package.

Nothing here is needed on the device. TensorFlow and Keras are imported only inside the functions that train
and quantize.
"""
