"""The drawing functions of MediaPipe's interface."""

import numpy as np
import pytest

from kerashand.compat import mediapipe as mp
from kerashand.compat.mediapipe.framework.formats import landmark_pb2

mp_hands, mp_drawing = mp.solutions.hands, mp.solutions.drawing_utils


def landmarks_at(*points):
    return landmark_pb2.NormalizedLandmarkList(
        landmark=[landmark_pb2.NormalizedLandmark(x=x, y=y) for x, y in points]
    )


def test_points_and_lines_are_drawn_where_they_lie():
    image = np.zeros((100, 200, 3), np.uint8)
    landmarks = landmarks_at((0.1, 0.5), (0.9, 0.5), (1.2, 0.5))
    line = mp_drawing.DrawingSpec(color=(1, 2, 3), thickness=1)
    mp_drawing.draw_landmarks(
        image, landmarks, [(0, 1), (1, 2)], mp_drawing.DrawingSpec((9, 8, 7), -1, 4), line
    )
    assert image[50, 100].tolist() == [1, 2, 3]
    assert image[50, 20].tolist() == image[50, 180].tolist() == [9, 8, 7]
    assert image[50, 25].tolist() == list(mp_drawing.WHITE_COLOR)
    assert not image[:40].any()
    assert not image[50, 190:].any()  # the third lies beyond the picture


def test_nothing_is_drawn_of_none_and_of_hidden_points():
    image = np.zeros((20, 20, 3), np.uint8)
    hidden = landmarks_at((0.5, 0.5))
    hidden.landmark[0].visibility = 0.2
    for landmarks, spec in ((None, mp_drawing.DrawingSpec()), (hidden, mp_drawing.DrawingSpec()),
                            (landmarks_at((0.5, 0.5)), None)):  # fmt: skip
        mp_drawing.draw_landmarks(image, landmarks, None, spec)
    assert not image.any()


def test_wrong_drawings_are_refused():
    landmarks = landmarks_at((0.5, 0.5))
    with pytest.raises(ValueError, match="three channel bgr data"):
        mp_drawing.draw_landmarks(np.zeros((8, 8), np.uint8), landmarks)
    with pytest.raises(ValueError, match="from landmark #0 to landmark #1"):
        mp_drawing.draw_landmarks(np.zeros((8, 8, 3), np.uint8), landmarks, [(0, 1)])


def test_a_plot_in_3d(monkeypatch):
    import matplotlib.pyplot as plt

    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    landmarks = landmarks_at(*np.random.default_rng(0).random((21, 2)))
    mp_drawing.plot_landmarks(landmarks, mp_hands.HAND_CONNECTIONS, azimuth=5)
    (figure,) = shown
    assert len(figure.axes[0].lines) == 21
    plt.close(figure)


def test_the_default_style_has_an_entry_for_everything():
    styles = mp.solutions.drawing_styles
    assert set(styles.get_default_hand_landmarks_style()) == set(range(21))
    assert set(styles.get_default_hand_connections_style()) == mp_hands.HAND_CONNECTIONS
