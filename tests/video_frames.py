"""Frames that are written and read through `kerashand.video`, for its tests."""

from film_files import picture

from kerashand.video import Frame, open_video
from kerashand.video.writing import film_writer


def frames_of(path):
    return list(open_video(str(path)))


def times_of(path):
    return [frame.time_s for frame in frames_of(path)]


def pictures(count=6, **options):
    return [picture(number=number, **options) for number in range(count)]


def steady(count, fps=25.0, **options):
    return [Frame(rgb, n / fps, 1 / fps) for n, rgb in enumerate(pictures(count, **options))]


def write(path, frames, fps=25.0):
    with film_writer(path, size_px=frames[0].rgb.shape[1::-1], fps=fps) as add:
        for frame in frames:
            add(frame)
