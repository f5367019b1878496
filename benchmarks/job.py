"""What a way of doing a stage gets, a `Job`, and what it yields, the `Work` that it did.

A way is a generator function of a job. What comes before its first ``yield`` gets ready and is
not measured; what comes after is, until it yields its work.
"""

from dataclasses import dataclass
from pathlib import Path

EPOCHS = 20  # in the blog post and in the chapters; the tutorial has 10


@dataclass(frozen=True)
class Job:
    """What every way works on.

    Attributes
    ----------
    photos : Path
        A folder in the official layout.
    weights : str
        Path of a weights file of MobileNetV2 (width 1.0) without its top, or ``"imagenet"``.
    """

    photos: Path
    weights: str

    def files(self, split):
        """Return the sorted paths of the files in the folder ``train`` or ``validation``."""
        return sorted((self.photos / split).glob("*/*"))


@dataclass(frozen=True)
class Work:
    """What a way did between its two yields.

    Attributes
    ----------
    images : int
        The number of images that were worked on.
    added : float
        Seconds to add to those between the yields: for epochs that were not run, or that the
        way timed itself.
    """

    images: int = 0
    added: float = 0.0
