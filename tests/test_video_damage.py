"""Films that are damaged, trimmed, too large, or that name other files."""

from fractions import Fraction

import av
import numpy as np
import pytest
from film_files import write_film
from video_frames import frames_of, pictures, steady, write

from kerashand.errors import UserError
from kerashand.video import film, open_video


def test_a_film_whose_frames_change_their_size_says_so(tmp_path):
    parts = []
    for name, (width, height) in (("a.ts", (96, 64)), ("b.ts", (64, 48))):
        pictures = np.full((3, height, width, 3), 128, np.uint8)
        write_film(tmp_path / name, pictures, codec="mpeg2video", format="mpegts")
        parts.append((tmp_path / name).read_bytes())
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    film = open_video(tmp_path / "both.ts")
    sizes = [frame.rgb.shape[1::-1] for frame in film]
    assert sizes[0] == (96, 64)
    assert sizes[-1] == (64, 48)
    assert "The size of its frames changes: 96 x 64, 64 x 48 px" in film.complaint


def test_a_film_that_ends_early(tmp_path):
    write(tmp_path / "a.mp4", steady(50))
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    video = open_video(str(tmp_path / "a.mp4"))
    read = len(list(video))
    assert 5 < read < 45
    assert f"ends early: {read / 25:.1f} of 2.0 s could be read" in video.complaint


def test_damage_in_the_middle_is_passed_over(tmp_path):
    write(tmp_path / "a.mp4", steady(50))
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    for at in np.random.default_rng(1).integers(len(content) // 2, len(content), 60):
        content[at] ^= 0xFF
    (tmp_path / "a.mp4").write_bytes(bytes(content))
    video = open_video(str(tmp_path / "a.mp4"))
    times = [frame.time_s for frame in video]
    assert 10 < len(times) < 50
    places = np.array(times) * 25  # those left keep theirs
    np.testing.assert_allclose(places, places.round(), atol=0.01)
    assert (np.diff(places) > 0.5).all()
    assert "is damaged in" in video.complaint


def test_a_trimmed_film_is_whole(tmp_path):
    """Phones trim by an edit list: what lies before the beginning is in the file, unseen."""
    write_film(tmp_path / "a.mp4", pictures(30))
    with (
        av.open(str(tmp_path / "a.mp4")) as plain,
        av.open(str(tmp_path / "b.mp4"), "w", options={"avoid_negative_ts": "disabled"}) as out,
    ):
        shown = out.add_stream_from_template(plain.streams.video[0])
        for packet in plain.demux(video=0):
            if packet.dts is not None:
                packet.pts -= round(0.4 / packet.time_base)
                packet.dts -= round(0.4 / packet.time_base)
                packet.stream = shown
                out.mux(packet)
    video = open_video(str(tmp_path / "b.mp4"))
    assert [frame.time_s for frame in video] == pytest.approx(np.arange(20) / 25, abs=0.002)
    assert video.complaint is None


LISTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.mp4\n#EXT-X-ENDLIST\n",
    "concat": b"ffconcat version 1.0\nfile 'other.mp4'\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
    "session": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    b"m=video 9999 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
}


@pytest.mark.parametrize("kind", LISTS)
def test_a_film_opens_no_other_file(tmp_path, kind):
    write_film(tmp_path / "other.mp4", pictures(2))
    for name in ("list.mp4", "list.m3u8"):
        (tmp_path / name).write_bytes(LISTS[kind])
        with pytest.raises(UserError, match="cannot be opened: it is not a video"):
            open_video(str(tmp_path / name))


def test_a_list_would_open_another_file_without_our_limits(tmp_path):
    """What the test above holds back: else it might pass for another reason."""
    write_film(tmp_path / "other.mp4", pictures(2))
    (tmp_path / "list.mp4").write_bytes(LISTS["concat"])
    with open(tmp_path / "list.mp4", "rb") as file, av.open(file) as opened:
        assert opened.format.name == "concat"
        assert len(list(opened.decode(video=0))) == 2


def test_too_many_pixels(tmp_path, monkeypatch):
    write_film(tmp_path / "a.mp4", pictures(2), sample_aspect=Fraction(2))
    monkeypatch.setattr(film, "MOST_FRAME_PIXELS", 96 * 64 - 1)
    with pytest.raises(UserError, match="says that it has 96 x 64 pixels, which no video has"):
        open_video(str(tmp_path / "a.mp4"))
    monkeypatch.setattr(film, "MOST_FRAME_PIXELS", 150 * 64)
    with pytest.raises(UserError, match="A frame claims 192 x 64 pixels"):
        frames_of(tmp_path / "a.mp4")
