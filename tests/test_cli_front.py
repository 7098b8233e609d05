"""`kerashand` in front of the commands, its completion in a real bash, and `kerashand doctor`."""

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import kerashand
from kerashand import extras
from kerashand.cli import completion, doctor, main
from kerashand.runtime import hand_pose

# ------------------------------------------------------------------------------- the front door


def module_of(name):
    return importlib.import_module(f"kerashand.cli.{name}")


@pytest.mark.parametrize("name", main.SCRIPTS)
def test_a_command_is_the_same_under_both_names(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")  # the same lines whatever the length of the name
    told = []
    for run, prog in (
        (lambda: main.main([name, "--help"]), f"kerashand {name}"),
        (lambda: module_of(name).main(["--help"]), f"kerashand-{name}"),
    ):
        with pytest.raises(SystemExit) as stop:
            run()
        assert stop.value.code == 0
        out = capsys.readouterr().out
        assert out.startswith(f"usage: {prog} ")
        told.append(out.replace(prog, "PROG"))
    assert told[0] == told[1]


def test_a_mistake_is_told_under_the_name_that_was_called(capsys):
    assert main.main(["predict", "none.jpg"]) == 2
    assert capsys.readouterr().err == "kerashand predict: none.jpg does not exist.\n"
    with pytest.raises(SystemExit):
        main.main(["data", "sheet"])
    assert capsys.readouterr().err.startswith("usage: kerashand data sheet ")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--version"], 0, f"kerashand {kerashand.__version__}\n"),
        (["--help"], 0, "  doctor      say what is installed"),
        (["predct", "a.jpg"], 2, "there is no command 'predct'. Did you mean `predict`?"),
        (["--all", "predict"], 2, "--all"),
    ],
)
def test_what_stands_before_a_command(arguments, code, text, capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(arguments)
    assert stop.value.code == code
    assert text in "".join(capsys.readouterr())


def test_without_a_command_they_are_listed(capsys):
    assert main.main([]) == 2
    error = capsys.readouterr().err
    assert all(f"\n  {name} " in error for name in main.COMMANDS)


def test_a_package_that_a_command_needs_to_start_is_named(capsys, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError("No module named 'yaml'", name="yaml")

    monkeypatch.setattr(importlib, "import_module", absent)
    assert main.main(["train", "--help"]) == 2
    assert "kerashand train needs PyYAML, which is not installed" in capsys.readouterr().err


LIGHT = """
import runpy, sys
sys.argv = ["kerashand", *sys.argv[1:]]
try:
    runpy.run_module("kerashand", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
heavy = {"tensorflow", "keras", "cv2", "numpy", "matplotlib", "PIL", "yaml"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("arguments", [["--help"], ["predict", "--help"], ["doctor", "--help"]])
def test_help_is_light(arguments):
    subprocess.run([sys.executable, "-c", LIGHT, *arguments], check=True, capture_output=True)


# ---------------------------------------------------------------------------------- completion


@pytest.fixture(scope="module")
def script_file(tmp_path_factory):
    """The script for bash, as a file."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    file = tmp_path_factory.mktemp("completion") / "kerashand.bash"
    file.write_text(completion.script("bash"), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def completed(script_file):
    """A function: the words with which a real bash completes a line, split as Readline does."""

    def complete(*words):
        line = " ".join(f"'{word}'" for word in words)
        program = (
            f"source {script_file} || exit 2; "
            f"complete -p {os.path.basename(words[0])} >/dev/null || exit 3; "
            f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _kerashand; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-uc", program], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout.split()

    return complete


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["kerashand", ""], list(main.COMMANDS)),
        (["kerashand", "pre"], ["predict"]),
        (["kerashand", "--v"], ["--version"]),
        (["kerashand", "data", "s"], ["sheet", "shards", "simulate"]),
        (["kerashand", "data", "sheet", "--do"], ["--domain"]),
        (["kerashand", "data", "sheet", "--domain", "v"], ["varied"]),
        (["kerashand", "predict", "--max"], ["--max-hands"]),
        (["kerashand", "predict", "a.jpg", "--handedness", ""], ["left", "right", "auto"]),
        (["kerashand", "predict", "--handedness", "=", "l"], ["left"]),
        (["kerashand", "predict", "--handedness", "="], ["left", "right", "auto"]),
        (["kerashand-predict", "--max"], ["--max-hands"]),
        (["/usr/bin/kerashand-export", "--format", "on"], ["onnx"]),
        (["kerashand-data", "la"], ["label"]),
        (["kerashand-data", "check", "--kind", "r"], ["rhd", "rgbd"]),
        (["kerashand", "completion", "z"], ["zsh"]),
        # zsh gives an option and its value as one word.
        (["kerashand", "predict", "--handedness=l"], ["--handedness=left"]),
        (["kerashand", "doctor", "--"], ["--devices", "--help"]),
        # Nothing of ours: the shell completes names of files.
        (["kerashand", "predict", "pho"], []),
        (["kerashand", "predict", "--json", "ha"], []),
        (["kerashand", "predict", "--json", "--b"], []),
        (["kerashand", "nothing", "pre"], ["predict"]),
    ],
)
def test_bash_completes(completed, words, expected):
    assert completed(*words) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="needs a terminal of Linux")
def test_tab_in_a_terminal(script_file, tmp_path):
    """What Readline makes of the answers: a space after a word, names of files."""
    import pty

    (tmp_path / "photo.jpg").touch()
    control, terminal = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"], stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True, cwd=tmp_path, env=os.environ | {"TERM": "dumb", "PS1": "> "},
    )  # fmt: skip
    os.close(terminal)
    typed = (
        f"source {script_file}; kerashand() {{ printf '<%s>' \"$@\"; echo; }}\n"
        "kerashand pre\tpho\t--max\t3 --handedness=l\t --tiles au\t\nexit\n"
    )
    timer = threading.Timer(30, shell.kill)
    timer.start()
    os.write(control, typed.encode())
    shown = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the shell has ended
        while part := os.read(control, 65536):
            shown += part
    timer.cancel()
    assert shell.wait(timeout=20) == 0
    os.close(control)
    told = "<predict><photo.jpg><--max-hands><3><--handedness=left><--tiles><au>"
    assert told in shown.decode(errors="replace")


def test_every_option_of_every_command_is_completed(completed):
    for place, parser in completion._parsers():
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(completed(*place.split(), "-")) == options


def test_the_command_prints_the_script(capsys):
    assert main.main(["completion", "bash"]) == 0
    bash = capsys.readouterr().out
    assert bash == completion.script("bash")
    assert "@" not in bash.replace('"${COMP_WORDS[@]', "").replace("[@]", "")
    assert main.main(["completion", "zsh"]) == 0
    assert capsys.readouterr().out == completion.ZSH + bash


def test_programs_of_their_own_are_those_of_setup_cfg():
    text = (Path(__file__).parents[1] / "setup.cfg").read_text(encoding="utf-8")
    lines = text.partition("console_scripts =\n")[2].split("\n\n")[0].splitlines()
    scripts = {line.split(" = ")[0].strip() for line in lines if line.strip()}
    assert scripts == {"kerashand", *(f"kerashand-{name}" for name in main.SCRIPTS)}


# -------------------------------------------------------------------------------------- doctor


def run_doctor(folder, **modules):
    """The command where modules of these names, with these contents, come before the real ones."""
    for name, content in modules.items():
        (folder / f"{name}.py").write_text(content)
    paths = os.pathsep.join([str(folder), str(Path(kerashand.__file__).parents[1])])
    return subprocess.run(
        [sys.executable, "-m", "kerashand", "doctor"], capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": paths}, cwd=folder,
    )  # fmt: skip


BROKEN = "print('imported'); raise RuntimeError('libcudart is not what it was')\n"


def test_doctor_says_what_is_there_and_does_not_import_tensorflow(tmp_path):
    done = run_doctor(tmp_path, tensorflow=BROKEN)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert f"kerashand {kerashand.__version__} in " in done.stdout
    assert done.stdout.count("whole: its checksum is right") == 3
    assert "  prediction                 works" in done.stdout
    assert "  numpy                      2." in done.stdout
    assert "libcudart" not in done.stdout


def test_doctor_asks_tensorflow_for_its_devices(monkeypatch, capsys):
    told = {doctor.PREDICTION: (True, ""), doctor.TENSORFLOW: (False, "RuntimeError: broken")}
    monkeypatch.setattr(doctor, "_answer", lambda program: told[program])
    assert main.main(["doctor", "--devices"]) == 0
    assert "devices                    RuntimeError: broken" in capsys.readouterr().out


def test_doctor_without_numpy(tmp_path):
    done = run_doctor(tmp_path, numpy="raise ImportError('numpy is broken')")
    assert done.returncode == 2
    assert "not looked at              ImportError: numpy is broken" in done.stdout
    assert "kerashand doctor: prediction does not work: ImportError: numpy is broken" in done.stderr


@pytest.fixture
def works(monkeypatch):
    """No other processes: prediction works."""
    monkeypatch.setattr(doctor, "_answer", lambda program: (True, ""))


def test_doctor_names_what_is_missing_for_what(works, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert 'needs tf2onnx, onnx: pip install "kerashand[export]"' in out


def test_every_purpose_has_its_packages_and_extra():
    text = (Path(__file__).parents[1] / "setup.cfg").read_text(encoding="utf-8")
    for purpose, (packages, extra) in extras.PURPOSES.items():
        assert packages, purpose
        assert set(packages) <= set(extras.PACKAGES), purpose
        assert not extra or f"\n{extra} =\n" in text, purpose


def test_doctor_finds_a_damaged_model(works, capsys, monkeypatch, tmp_path):
    whole = hand_pose.packaged_model(hand_pose.POSE_FILE).read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 1
    (tmp_path / hand_pose.POSE_FILE).write_bytes(damaged)
    monkeypatch.setattr(hand_pose, "packaged_model", lambda name: tmp_path / name)
    told = dict(doctor.models())[hand_pose.POSE_FILE]
    assert "is damaged: it does not have the checksum that the export wrote" in told
    assert "does not exist" in dict(doctor.models())[hand_pose.DETECTOR_FILE]


def test_doctor_measures_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERASHAND_CACHE", str(tmp_path / "none" / "cache"))
    rows = dict(doctor.cache())
    assert rows["size"] == "not made yet"
    assert rows["free"].endswith("B")
    (tmp_path / "none" / "cache" / "sub").mkdir(parents=True)
    (tmp_path / "none" / "cache" / "sub" / "a").write_bytes(bytes(2_500_000))
    assert dict(doctor.cache())["size"] == "2.5 MB"


@pytest.mark.parametrize(
    ("program", "works", "told"),
    [
        ("print('CPU', 'GPU')", True, "CPU GPU"),
        ("raise ValueError('no\\n\\nlast')", False, "last"),
        ("raise SystemExit(5)", False, "it ended with 5"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", False, "ended by signal 9"),
        ("import time; time.sleep(60)", False, "did not end in 1 s"),
    ],
)
def test_other_programs_cannot_harm_doctor(monkeypatch, program, works, told):
    monkeypatch.setattr(doctor, "LIMIT_S", 1 if "sleep" in program else 60)
    worked, text = doctor._answer(program)
    assert worked == works
    assert told in text
