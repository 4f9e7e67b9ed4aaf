"""Keep what the stand-in Hub holds: files, commits, and the names that point to them."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus


class HubError(Exception):
    """Answer without success; `code` is the header by which the client tells its exceptions apart."""

    def __init__(self, status: HTTPStatus, code: str, message: str, commit: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.commit = status, code, commit


@dataclass(frozen=True)
class StoredFile:
    """Hold one version of a file."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def pointer(self) -> bytes:
        """Return what git itself keeps."""
        if not self.lfs:
            return self.content
        return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
            self.sha256.encode(),
            len(self.content),
        )

    @property
    def oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.pointer) + self.pointer).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Commit:
    """Hold a state of a repository."""

    oid: str
    title: str
    parent: str | None
    date: str
    files: dict[str, StoredFile]


@dataclass
class Repository:
    """Hold commits and the names that point to them."""

    kind: str
    name: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    pull_requests: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.branches["main"] = self.add({}, "initial commit", None).oid

    def add(self, files: dict[str, StoredFile], title: str, parent: str | None) -> Commit:
        tree = "".join(f"{path}\0{files[path].oid}\n" for path in sorted(files))
        oid = hashlib.sha1(f"{self.kind}/{self.name}\n{parent}\n{len(self.commits)}\n{title}\n{tree}".encode())
        commit = Commit(oid.hexdigest(), title, parent, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"), files)
        self.commits[commit.oid] = commit
        return commit

    def at(self, revision: str) -> Commit:
        """Find the commit of a branch, tag, pull request or hash."""
        for names in (self.branches, self.tags, self.pull_requests):
            if revision in names:
                return self.commits[names[revision]]
        if revision in self.commits:
            return self.commits[revision]
        raise HubError(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {revision}")

    def log(self, revision: str) -> list[Commit]:
        """List the commits up to a revision, the newest first."""
        commits = [self.at(revision)]
        while commits[-1].parent is not None:
            commits.append(self.commits[commits[-1].parent])
        return commits

    def apply(self, revision: str, body: bytes, large: Mapping[str, bytes], pull_request: bool) -> tuple[Commit, int]:
        """Apply the lines of a commit, all or none; return the commit, and the number of its pull request or 0."""
        parent = self.at(revision)
        files, title = dict(parent.files), ""
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            match entry["key"]:
                case "header":
                    title = value["summary"]
                    if value.get("parentCommit") not in (None, parent.oid):
                        raise HubError(HTTPStatus.PRECONDITION_FAILED, "", "A commit has happened since.")
                case "file":
                    files[value["path"]] = StoredFile(base64.b64decode(value["content"]), lfs=False)
                case "lfsFile":
                    if value["oid"] not in large:
                        raise HubError(HTTPStatus.BAD_REQUEST, "", f"{value['path']} was never uploaded.")
                    files[value["path"]] = StoredFile(large[value["oid"]], lfs=True)
                case "deletedFile":
                    if files.pop(value["path"], None) is None:
                        raise HubError(HTTPStatus.NOT_FOUND, "EntryNotFound", f"No file {value['path']}.")
                case "deletedFolder":
                    folder = value["path"].rstrip("/") + "/"
                    files = {path: file for path, file in files.items() if not path.startswith(folder)}
                case unknown:
                    raise HubError(HTTPStatus.BAD_REQUEST, "", f"Unknown operation {unknown}.")
        names = next((names for names in (self.branches, self.pull_requests) if revision in names), None)
        if names is None and not pull_request:
            raise HubError(HTTPStatus.BAD_REQUEST, "", f"{revision} is no branch.")
        commit = self.add(files, title, parent.oid)
        if names is None or pull_request:
            number = len(self.pull_requests) + 1
            self.pull_requests[f"refs/pr/{number}"] = commit.oid
            return commit, number
        names[revision] = commit.oid
        return commit, 0
