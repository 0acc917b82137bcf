"""What the user sees of a run: a progress bar on a terminal, none in a pipe, and the result on stdout."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ShowProgress = Callable[[str, float], None]


def print_result(text: str) -> None:
    """Print to stdout, if anyone listens: a reader that had enough (head, less) or a closed stdout is no failure."""
    if sys.stdout is not None:
        with suppress(BrokenPipeError):
            print(text, flush=True)


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[ShowProgress]:
    """Yield a function (what is being done, fraction of the whole) that draws on stderr if that is a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _doing, _fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<22}"), BarColumn(bar_width=32), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("Starting", total=1.0)
        yield lambda doing, fraction: progress.update(task, description=doing, completed=fraction)
