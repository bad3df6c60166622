"""Serves the form: to this machine alone, unless told otherwise."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Any

from handsss.errors import MissingDependencyError, UserError

# A browser asks the form's own address alone: gradio's page names fonts and scripts of others.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)


def check_host(host: str, *, allow_remote: bool) -> None:
    """Raises UserError for an address that others reach, unless that is allowed."""
    if allow_remote or _is_local(host):
        return
    raise UserError(
        f"{{host}} {host}: others could reach the form there, and it asks for no password. Expected 127.0.0.1 or "
        "localhost. Say {allow_remote} if that is what you want.",
        options=("host", "allow_remote"),
    )


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RunningForm:
    """A form that is served, until it is closed."""

    def __init__(self, form: Any, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._form, self._folder = form, folder
        self.address: str = form.local_url
        self.folder = Path(folder.name)  # of uploads and results

    def wait(self) -> None:
        """Until Ctrl-C."""
        self._form.block_thread()

    def close(self) -> None:
        """End the server; uploads and results are removed."""
        self._form.close(verbose=False)
        self._folder.cleanup()


def serve(
    host: str = "127.0.0.1",
    port: int | None = None,
    *,
    allow_remote: bool = False,
    max_upload: int = 50,
    model: str = "open",
    open_browser: bool = False,
) -> RunningForm:
    """Start the form.

    Args:
        host: address to listen on.
        port: None: the first free one from 7860 on.
        allow_remote: listen on other addresses than this machine's own.
        max_upload: MB of a file that is accepted.
        model: name or path of the hand model.
        open_browser: open it.

    Raises:
        UserError: an address that is not allowed, or that cannot be had.
        MissingDependencyError: gradio is not installed.
    """
    check_host(host, allow_remote=allow_remote)
    folder = tempfile.TemporaryDirectory(prefix="handsss-app-", ignore_cleanup_errors=True)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # gradio reads them when it is imported
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(Path(folder.name) / "uploads")
    try:
        form = _launched(host, port, Path(folder.name), allow_remote, max_upload, model, open_browser)
        return RunningForm(form, folder)
    except BaseException:
        folder.cleanup()
        raise


def _launched(
    host: str, port: int | None, folder: Path, allow_remote: bool, max_upload: int, model: str, open_browser: bool
) -> Any:
    try:
        import gradio
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
    except ImportError:
        raise MissingDependencyError("gradio", "handsss app", "pip install 'handsss[app]'") from None
    from handsss.app.backend import Backend
    from handsss.app.form import make_form

    form = make_form(gradio, Backend(folder / "results", model))
    middleware = [Middleware(_Policy)]
    if not allow_remote:  # a page elsewhere may not reach the form under a name of its own
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", host]))
    try:
        form.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=open_browser,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            max_file_size=f"{max_upload}mb",
            ssr_mode=False,
            footer_links=["api", "gradio"],
            app_kwargs={"middleware": middleware},
            theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        )
    except OSError as error:
        raise UserError(
            f"{{host}} {host}, {{port}} {port or '7860 and following'}: cannot listen there ({error}). Choose another.",
            options=("host", "port"),
        ) from None
    return form


class _Policy:
    """Adds the Content-Security-Policy to every answer."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self.app(scope, receive, send_with_policy)
