import io
import logging
import sys

from kerashand import progress as module
from kerashand.progress import progress


def test_lines_where_there_is_no_terminal(monkeypatch, caplog, capsys):
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO), progress("preparing hands", 20, "images") as advance:
        advance(5)
        advance(15)
    first, second = caplog.messages
    assert first.startswith("preparing hands: 5 of 20, ")
    assert "images/s" in first
    assert second.startswith("preparing hands: 20 of 20, ")
    assert second.endswith("0.0 min left")
    assert capsys.readouterr() == ("", "")


def test_no_line_for_what_is_short(caplog):
    with caplog.at_level(logging.INFO), progress("preparing hands", 2, "images") as advance:
        advance(1)
        advance(1)
    assert caplog.messages == []


def test_a_bar_in_a_terminal(monkeypatch, caplog, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with caplog.at_level(logging.INFO), progress("preparing hands", 4, "images") as advance:
        advance(4)
    assert "preparing hands" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()
    assert caplog.messages == []
    assert capsys.readouterr().out == ""
