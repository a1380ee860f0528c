"""Commands about files: bring one, list those of an execution, take one out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from finops_core.commands.acting import Json, acting, tell
from finops_core.commands.asking import Number, Target, look, require_new, write

PIECE_BYTES = 256 * 1024


def upload(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: Json = False) -> None:
    """Bring a file; it is sealed as it is read."""
    from finops_core import files
    from finops_core.answers import verbs
    from finops_core.commands import words
    from finops_core.security import Scope

    with acting(as_json=as_json) as caller:
        sealed = files.take_in(caller.desk, caller.actor, file.name, _pieces(file))
        with caller.work(Scope.RUN, Scope.FILES) as work:
            told = verbs.keep(work, sealed)
        tell(told, words.file, as_json=as_json)


def files(number: Number, as_json: Json = False) -> None:
    """Its input and its result files."""
    from finops_core.answers import verbs
    from finops_core.commands import words

    look(lambda reading: verbs.files_of(reading, number), words.files, as_json=as_json)


def download(
    file: Annotated[str, typer.Argument(help="The id of a file.")],
    to: Target,
    as_json: Json = False,
) -> None:
    """Take a file out, its hash checked; the download stands in the log."""
    from finops_core import files as stored
    from finops_core.security import Scope

    require_new(to)
    with acting(as_json=as_json) as caller:
        with caller.work(Scope.RUN, Scope.FILES) as work:
            found = stored.download(work, file)
        write(to, found.content)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece
