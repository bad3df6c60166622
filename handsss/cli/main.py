"""``handsss``: the command and its subcommands."""

from __future__ import annotations

import errno
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from handsss.cli import app as form
from handsss.cli import demo, doctor, evaluate, export, info, paper, preprocess, reconstruct, synthesize, train
from handsss.version import __version__

app = typer.Typer(
    name="handsss",
    help="Textured 3D hand meshes from single photos, and self-supervised training of the networks (S2HAND).",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # a bug shows Python's own traceback, whole
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Help on one command: [bold]handsss reconstruct --help[/bold]",
)

# A further subcommand is one module of this package with a function of its name, and one line here. Modules import
# torch and the like inside their functions, so that --help answers at once.
app.command("reconstruct", epilog=reconstruct.EPILOG)(reconstruct.reconstruct)
app.add_typer(preprocess.app, name="preprocess")
app.command("evaluate", epilog=evaluate.EPILOG)(evaluate.evaluate)
app.add_typer(paper.app, name="paper")
app.command("train", epilog=train.EPILOG)(train.train)
app.add_typer(export.app, name="export")
app.add_typer(info.app, name="info")
app.command("synthesize", epilog=synthesize.EPILOG)(synthesize.synthesize)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.command("app", epilog=form.EPILOG)(form.app)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"handsss {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    # Options of the program itself; subcommands do the work.
    pass


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """The whole program. Exit codes: 0 done, 1 an input failed or an output could not be written, 2 usage, 3 nothing
    found, 130 interrupted.

    Args:
        arguments: instead of the command line's.
    """
    from handsss.cli.console import INPUT_FAILED, INTERRUPTED, USAGE, flag, show_error, tell_torchrun
    from handsss.cli.output_stream import install, lost_output
    from handsss.cli.usage import ParserError, usage_message
    from handsss.errors import UserError
    from handsss.io.atomic import is_full, write_error

    install()
    code: str | int | None = 0
    try:
        end = app(args=None if arguments is None else list(arguments), prog_name="handsss", standalone_mode=False)
        code = end if isinstance(end, int) else 0  # the code of typer.Exit; commands return nothing
    except ParserError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            show_error(usage_message(error))
        sys.exit(USAGE)
    except UserError as error:
        show_error(error.text(flag))
        tell_torchrun(error.text(flag))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        show_error("interrupted.")
        sys.exit(INTERRUPTED)
    except OSError as error:  # of a library that writes files of its own
        if error.errno == errno.ENAMETOOLONG:
            show_error(f"{str(error.filename)[:60]}...: the name is too long for a file. Give a shorter one.")
            sys.exit(USAGE)
        if not is_full(error):
            raise
        place = Path(str(error.filename)) if error.filename else Path(tempfile.gettempdir())
        show_error(write_error(place, error).text(flag))
        sys.exit(INPUT_FAILED)
    except SystemExit as end:
        code = end.code
    if reason := lost_output():
        show_error(f"standard output cannot be written ({reason}). Files are complete; make room and print again.")
        code = code or INPUT_FAILED
    sys.exit(code)
