"""A window that shows pictures while they come, by Tk: OpenCV without windows has none."""

from __future__ import annotations

import numpy as np

from kerashand.errors import UserError

CLOSING_KEYS = ("q", "Escape")


class Window:
    """A context manager; `show` returns False once the user has closed it (q, Escape or the cross).

    Raises:
        UserError: If there is no screen.
    """

    def __init__(self, title: str):
        try:
            import tkinter

            self._tk = tkinter
            self._root = tkinter.Tk()
        except ImportError as error:
            raise UserError(
                "A window needs Tk, which this Python has not: install python3-tk, or leave out "
                "--show and write a video with --out."
            ) from error
        except tkinter.TclError as error:
            raise UserError(
                f"No window can be opened: {error}. Leave out --show; write a video with --out."
            ) from error
        self._root.title(title)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._open = True
        for key in CLOSING_KEYS:
            self._root.bind(f"<{key}>" if len(key) > 1 else key, self._close)
        self._root.protocol("WM_DELETE_WINDOW", self._close)

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_) -> None:
        self._root.destroy()

    def _close(self, *_) -> None:
        self._open = False

    def show(self, rgb: np.ndarray) -> bool:
        """Show a picture [H, W, 3] uint8 RGB; returns whether the window is still open."""
        # PPM is what Tk reads without a further package.
        height, width = rgb.shape[:2]
        content = b"P6 %d %d 255\n" % (width, height) + np.ascontiguousarray(rgb).tobytes()
        self._picture = self._tk.PhotoImage(data=content)  # Tk does not keep it alive
        self._label.configure(image=self._picture)
        self._root.update()
        return self._open
