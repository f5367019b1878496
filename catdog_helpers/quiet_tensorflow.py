"""TensorFlow and Keras without the noise of their import; every module takes them from here.

TensorFlow's libraries log to standard error while they load, before ``TF_CPP_MIN_LOG_LEVEL`` is
read (tensorflow/tensorflow #100442); those lines would stand in the first cell of every notebook.
Errors of the import are exceptions and stay visible.
"""

from catdog_helpers import muted_stderr

with muted_stderr():
    import keras
    import tensorflow as tf
    from keras import layers

__all__ = ["keras", "layers", "tf"]
