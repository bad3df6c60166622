"""``handsss app``: a form in the browser, on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

EPILOG = """[bold]Examples[/bold]

  handsss app

  handsss app --port 8000 --no-open

[bold]Exit codes[/bold]: 0 ended by Ctrl-C, 2 usage.
"""


def app(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65535, help="Default: the first free one from 7860 on.")
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote",
            help="Allow an address that other machines reach. The form asks for no password.",
        ),
    ] = False,
    max_upload: Annotated[
        int, typer.Option("--max-upload", metavar="MB", min=1, help="Largest photo or film that is accepted.")
    ] = 50,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME|PATH", help="Hand model: open, open-detail, mano, or a file.")
    ] = "open",
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the form in the browser.")] = True,
) -> None:
    """Open a form in the browser: photo, webcam or film in, hands in 3D and files out. Nothing leaves the machine."""
    from handsss.app.serve import check_host, serve
    from handsss.cli.console import error_console, output_console, plain, waiting

    check_host(host, allow_remote=allow_remote)
    console = output_console()
    with waiting(error_console(), "loading gradio", shown=True):
        form = serve(host, port, allow_remote=allow_remote, max_upload=max_upload, model=model, open_browser=browser)
    try:
        told = f"handsss app: {form.address} (Ctrl-C ends it; uploads and results are removed then)"
        console.print(plain(told), soft_wrap=True)
        form.wait()
    finally:
        form.close()
