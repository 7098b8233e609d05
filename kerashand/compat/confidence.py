"""The packaged models with MediaPipe's two bars for what counts as a hand."""

from __future__ import annotations

import dataclasses
import functools

from kerashand.runtime import Hand, HandPose
from kerashand.runtime.detector import Detection, Detector
from kerashand.runtime.estimates import logit, probability


class ConfidentPose(HandPose):
    """A `HandPose` that asks more or less of hands than its models say.

    At 0.5 the models' own bars hold, which were chosen on validation data. Another confidence
    moves them by its logit, because scores of the detector are lower than MediaPipe's.

    Args:
        pose: the loaded models, with a detector.
        detection: 0..1, least score of a new hand; it moves the models' bars too.
        tracking: 0..1, least score of a hand that is followed.
    """

    def __init__(self, pose: HandPose, *, detection: float, tracking: float):
        assert pose.detector is not None
        detector = Detector(pose.detector.backend)
        self.least_detection = _moved(detector.threshold, detection)
        detector.threshold = min(detector.threshold, self.least_detection)
        super().__init__(pose.backend, detector)
        self.least_presence = detection
        least_hand = _moved(self.recipe.least_hand, detection)
        self.recipe = dataclasses.replace(self.recipe, least_hand=least_hand, least_score=tracking)

    def is_hand(self, detection: Detection, hand: Hand) -> bool:
        """Whether a detection is a hand; those of followed hands need not pass the bar again."""
        return (
            detection.score >= self.least_detection
            and hand.score >= self.least_presence
            and super().is_hand(detection, hand)
        )


@functools.cache
def packaged_models() -> HandPose:
    """The packaged models, loaded once a process: programs make one `Hands` after the other."""
    return HandPose.load()


def _moved(bar: float, confidence: float) -> float:
    return probability(logit(bar) + logit(confidence))
