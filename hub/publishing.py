"""Publish on the Hub: everything is vetted here first, then goes in one commit, or not at all.

A script stages a folder and hands it to [`deliver`]. The commit names the revision that it follows, so that whoever
published meanwhile is not overwritten. `HfApi.upload_folder` is not used: where hf_xet is installed it commits a large
folder in parts, and an upload that breaks off would leave half of them.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import LocalTokenNotFoundError, RepositoryNotFoundError
from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]  # imported there for its users

from hub.vetting import FILE_LIMIT, check_card, check_file
from timesenclip_hf.files import first_line
from timesenclip_hf.files.locks import FULL, is_full
from timesenclip_hf.files.outputs import OwnFiles, check_run_folder, is_empty
from timesenclip_hf.words import as_sentence

STAGING = Path("runs") / "push"
# In a folder that a script staged, and may empty again.
MARK = ".staged"
Push = Annotated[bool, typer.Option("--push/--dry-run", help="Push; without it nothing leaves this machine.")]
Staging = Annotated[Path | None, typer.Option(help="Folder for what is pushed; runs/push/NAME if left out.")]
Private = Annotated[bool, typer.Option(help="Only you can see it.")]
LimitGb = Annotated[float, typer.Option(help="Gigabytes that no file may exceed.")]
LIMIT_GB = FILE_LIMIT / 1e9


@dataclass(frozen=True)
class PushOptions:
    """Options of every command that pushes."""

    really_push: Push = False
    private: Private = False
    limit_gb: LimitGb = LIMIT_GB

    @property
    def limit(self) -> int:
        """Count the bytes that no file may exceed."""
        return int(self.limit_gb * 1e9)


@dataclass(frozen=True)
class Staged:
    """Describe a folder that is ready to be published.

    Attributes:
        folder: with README.md, the card; from [`new_folder`].
        summary: what people are shown beside the list of files.
        replaced: patterns of files of an earlier push that go where this one does not have them.
    """

    folder: Path
    summary: str = ""
    replaced: tuple[str, ...] = ()

    def files(self) -> list[str]:
        """List the paths of what is published, within the folder."""
        present = (path.relative_to(self.folder).as_posix() for path in self.folder.rglob("*") if path.is_file())
        return sorted(name for name in present if name != MARK)


@dataclass(frozen=True)
class Destination:
    """Describe a repository of the Hub as it was when it was asked for.

    Attributes:
        repo_id: user/name.
        kind: "model", "dataset" or "space".
        parent: commit that it stood at; None where there is no such repository.
        user: whose token we have.
    """

    repo_id: str
    kind: str
    parent: str | None
    user: str


def new_folder(staging: Path | None, repo_id: str) -> Path:
    """Make an empty folder to stage in; what an earlier call staged in it is taken away.

    Args:
        staging: the folder; `runs/push/NAME` when left out.
        repo_id: where it goes, user/name.

    Raises:
        OSError: it cannot be written.
        ValueError: it holds files that were not staged, or that were changed since.
    """
    folder = staging or STAGING / repo_id.split("/")[-1]
    check_run_folder(folder)
    folder = folder.resolve()
    if folder.is_dir() and not is_empty(folder):
        if not (folder / MARK).exists():
            raise ValueError(f"{folder} holds files that are not of an earlier push: name another folder to stage in.")
        # Nothing is noted where the staging itself was ended; then all is of that.
        if (folder / MARK).stat().st_size:
            staged = OwnFiles(folder / MARK)
            strange = [name for name in Staged(folder).files() if folder / name not in staged]
            if strange:
                raise ValueError(
                    f"{folder} holds {strange[0]}, which was put or changed there since the last push: move it away, "
                    "or name another folder to stage in."
                )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


def check(staged: Staged, limit: int = FILE_LIMIT) -> None:
    """Vet everything that would leave this machine.

    Args:
        staged: the folder.
        limit: bytes that no file may exceed.

    Raises:
        ValueError: an empty slot in the card, no licence, a secret, a pickle, or a file over the limit.
    """
    check_card(staged.folder / "README.md")
    for name in staged.files():
        check_file(staged.folder / name, name, limit)


def find_destination(repo_id: str, kind: str) -> Destination:
    """Ask the Hub who we are, and where the repository stands.

    Args:
        repo_id: user/name.
        kind: "model", "dataset" or "space".

    Raises:
        PermissionError: there is no token that the Hub knows.
        OSError: the Hub cannot be asked.
    """
    with _in_one_sentence(repo_id):
        api = HfApi()
        user = api.whoami()["name"]
        try:
            return Destination(repo_id, kind, api.repo_info(repo_id, repo_type=kind).sha, user)
        except RepositoryNotFoundError:
            return Destination(repo_id, kind, None, user)


def publish(staged: Staged, destination: Destination, *, private: bool = False, sdk: str | None = None) -> str | None:
    """Upload a staged folder in one commit; return its address, or None where the repository has it all.

    Args:
        staged: as [`check`] let it pass.
        destination: of [`find_destination`], asked before the folder was staged.
        private: of a repository that is made now.
        sdk: of a Space that is made now.

    Raises:
        PermissionError: the repository is somebody else's.
        OSError: the repository has moved since, or the upload broke off; what was there before is there still.
    """
    api, repo_id, kind = HfApi(), destination.repo_id, destination.kind
    with _in_one_sentence(repo_id, destination.user):
        if destination.parent is None:
            api.create_repo(repo_id, repo_type=kind, private=private, space_sdk=sdk)
        parent = destination.parent or str(api.repo_info(repo_id, repo_type=kind).sha)
        names = staged.files()
        published = api.list_repo_files(repo_id, repo_type=kind, revision=parent)
        old = filter_repo_objects(published, allow_patterns=list(staged.replaced), ignore_patterns=[".gitattributes"])
        commit = api.create_commit(
            repo_id,
            [CommitOperationDelete(name) for name in old if staged.replaced and name not in names]
            + [CommitOperationAdd(name, staged.folder / name) for name in names],
            commit_message=f"Publish the {kind} with its card",
            repo_type=kind,
            parent_commit=parent,
        )
    return None if commit.oid == parent else str(commit.commit_url)


def deliver(
    stages: Mapping[str, Callable[[], Staged]], kind: str, options: PushOptions, *, sdk: str | None = None
) -> None:
    """Stage, vet and show; and push if it is wanted, once all of them have passed.

    Args:
        stages: by the name on the Hub, user/name, what stages its folder.
        kind: "model", "dataset" or "space".
        options: of the command.
        sdk: of Spaces that are made now.

    Raises:
        ValueError: as [`check`], or a name that is not user/name.
        OSError: as [`find_destination`] and [`publish`].
    """
    for repo_id in stages:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo_id):
            raise ValueError(f"The place on the Hub must be user/name, got {repo_id!r}.")
    destinations = [find_destination(repo_id, kind) for repo_id in stages] if options.really_push else []
    ready = [stage() for stage in stages.values()]
    for staged in ready:
        OwnFiles(staged.folder / MARK).note({staged.folder / name: staged.folder / name for name in staged.files()})
    for staged in ready:
        check(staged, options.limit)
        sizes = [(name, (staged.folder / name).stat().st_size) for name in staged.files()]
        typer.echo("\n".join([*staged.summary.splitlines(), *(f"{name}  {size / 1e6:.2f} MB" for name, size in sizes)]))
        if not options.really_push:
            typer.echo(f"dry run: nothing was pushed; read {staged.folder / 'README.md'}, then add --push")
    for staged, destination in zip(ready, destinations, strict=bool(destinations)):
        address = publish(staged, destination, private=options.private, sdk=sdk)
        known = f"nothing to push: {destination.repo_id} has it all, at {destination.parent}"
        typer.echo(f"pushed: {address}" if address else known)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the command with one line that says what is wrong."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        typer.echo(f"error: {as_sentence(FULL if is_full(error) else error)}", err=True)
        raise typer.Exit(1) from None


@contextmanager
def _in_one_sentence(repo_id: str, user: str = "") -> Iterator[None]:
    try:
        yield
    # The client lets the errors of its HTTP library through, and wraps those of an upload.
    except Exception as error:
        raise _refusal(error, repo_id, user) from None


def _refusal(error: BaseException, repo_id: str, user: str) -> OSError:
    status = _status(error)
    if isinstance(error, LocalTokenNotFoundError) or status == 401:
        return PermissionError(
            f"There is no token that the Hub knows, so nothing can be pushed to {repo_id}: run `hf auth login`, or set "
            "HF_TOKEN."
        )
    if status == 403:
        return PermissionError(
            f"{repo_id} belongs to {repo_id.split('/')[0]}, and the token of {user} may not write there: use a token "
            "that may, or a name of your own."
        )
    if status == 412:
        return OSError(
            f"{repo_id} has moved since we looked, somebody else published meanwhile: see what is there now, then "
            "push again."
        )
    return OSError(
        f"The push to {repo_id} broke off ({first_line(error)}): what was there before is there still; push again."
    )


def _status(error: BaseException | None) -> int | None:
    """Read the status of the HTTP answer behind an error, however it was wrapped."""
    while error is not None:
        response: Any = getattr(error, "response", None)
        if response is not None:
            return int(response.status_code)
        error = error.__cause__ or error.__context__
    return None
