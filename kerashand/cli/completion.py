"""`kerashand completion`: a script with which bash and zsh complete the commands.

It is made from the parsers of the commands, once, so that a press of Tab starts no Python. A
library for this would be a dependency more, and would need one tree of all parsers, which the
commands do without: they are imported one by one.
"""

import argparse
import importlib
from collections.abc import Iterator, Mapping, Sequence

from kerashand.cli import main as front
from kerashand.cli.arguments import exit_code

SHELLS = ("bash", "zsh")
ZSH = """(( $+functions[compdef] )) || { autoload -U +X compinit && compinit }
autoload -U +X bashcompinit && bashcompinit
"""
"""zsh runs completions that were written for bash."""
SCRIPT = r"""# Completion of kerashand; made by `kerashand completion`.
_kerashand() {
    local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"
    local place="${COMP_WORDS[0]##*/}" prefix= number words=
    COMPREPLY=()
    if [ "$current" = "=" ]; then  # --option=VALUE comes as three words
        current=
    elif [ "$before" = "=" ]; then
        before="${COMP_WORDS[COMP_CWORD-2]}"
    elif [[ "$current" == --*=* ]]; then  # as one in zsh
        before="${current%%=*}"
        prefix="$before="
        current="${current#*=}"
    fi
    place="${place/#kerashand-/kerashand }"
    for ((number = 1; number < COMP_CWORD; number++)); do
        case "$place ${COMP_WORDS[number]}" in
            @COMMANDS@) place="$place ${COMP_WORDS[number]}" ;;
        esac
    done
    case "$place $before" in
@VALUES@
        @TAKING@) return ;;
        *)
            case "$place" in
@PLACES@
            esac ;;
    esac
    if [[ "$words" == *" -- "* ]]; then  # operands, then options
        if [[ "$current" == -* ]]; then words="${words#* -- }"; else words="${words%% -- *}"; fi
    fi
    COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$current"))
}
complete -o default -F _kerashand @PROGRAMS@
"""
"""An empty answer lets the shell complete names of files."""


def build_parser(prog: str = "kerashand completion") -> argparse.ArgumentParser:
    """The command's arguments; `prog` is its name in the usage."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description='Prints a completion script. bash: put `eval "$(kerashand completion bash)"` '
        "into ~/.bashrc; zsh: the same with zsh into ~/.zshrc.",
        allow_abbrev=False,
    )
    parser.add_argument("shell", choices=SHELLS)
    return parser


def main(argv: Sequence[str] | None = None, *, prog: str = "kerashand completion") -> int:
    """Runs the command, called `prog`; returns its exit code."""
    arguments = build_parser(prog).parse_args(argv)
    return exit_code(prog, lambda: print(script(arguments.shell), end=""))


def script(shell: str) -> str:
    """The script for a shell."""
    parsers = dict(_parsers())
    values, taking, places = [], [], []
    for place, parser in parsers.items():
        operands: list[str] = []
        options: list[str] = []
        for action in parser._actions:
            options += action.option_strings
            names = [f'"{place} {option}"' for option in action.option_strings]
            if not names:
                operands += map(str, action.choices or ())
            elif action.choices:
                choices = " ".join(map(str, action.choices))
                values.append(f'        {"|".join(names)}) words="{choices}" ;;')
            elif action.nargs != 0:
                taking += names
        words = f"{' '.join(operands)} -- {' '.join(sorted(options))}"
        places.append(f'                "{place}") words="{words}" ;;')
    parts = {
        "@COMMANDS@": "|".join(f'"{place}"' for place in parsers if " " in place),
        "@VALUES@": "\n".join(values),
        "@TAKING@": "|".join(taking),
        "@PLACES@": "\n".join(places),
        "@PROGRAMS@": " ".join([front.PROG, *(f"{front.PROG}-{name}" for name in front.SCRIPTS)]),
    }
    text = SCRIPT
    for name, part in parts.items():
        text = text.replace(name, part)
    return (ZSH if shell == "zsh" else "") + text


def _parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command and the commands in it, by the words that lead to it."""
    yield front.PROG, front.build_parser()
    for name in front.COMMANDS:
        parser = importlib.import_module(f"kerashand.cli.{name}").build_parser()
        yield from _with_inner(f"{front.PROG} {name}", parser)


def _with_inner(
    place: str, parser: argparse.ArgumentParser
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    yield place, parser
    for action in parser._actions:
        if isinstance(action.choices, Mapping):
            for name, inner in action.choices.items():
                if isinstance(inner, argparse.ArgumentParser):
                    yield from _with_inner(f"{place} {name}", inner)


if __name__ == "__main__":
    raise SystemExit(main())
