"""Stand in for the Hugging Face Hub on loopback, for tests and evidence that must not reach the network.

It speaks the protocol of `huggingface_hub` over plain LFS: repositories of all kinds, commits, branches, tags, pull
requests, and files with ranges. It keeps everything in memory, wants any token for what changes something, lets that
token write under its user's name only, and lists every request, so that a test can say what was not asked.

    with HubStub() as hub:
        sha = hub.run(tmp_path, "print(json.dumps(HfApi().model_info('tester/model').sha))")

`run` starts a client at its first call, a process beside this one, as `hub_client` says, which lives as long as the
server.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.hub_client import HubClient
from tests.support.hub_store import Commit, HubError, Repository, StoredFile

USER = "tester"
TOKEN = "hf_standin"
# As on the Hub: text stays in git, these and whatever is larger go to LFS.
LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".png", ".jpg", ".jpeg", ".arrow", ".npz", ".h5", ".tif", ".zip")
LARGEST_REGULAR_FILE = 10_000_000


class HubStub:
    """Serve repositories; use it as a context manager."""

    def __init__(self) -> None:
        self.empty()
        self._client: HubClient | None = None
        self.lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def empty(self) -> None:
        """Forget every repository and request."""
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []
        # What happens before a request, "METHOD /path", that a pattern names, is answered: somebody else's commit, an
        # error, or a `ConnectionError`, which cuts the line.
        self.meanwhile: dict[str, Callable[[], None]] = {}

    @property
    def url(self) -> str:
        """Give the address that takes the place of https://huggingface.co."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._client is not None:
            self._client.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def environment(self, home: Path, *, token: str | None = TOKEN) -> dict[str, str]:
        """Return variables under which a new process takes this for the Hub."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            # There is no negotiation: with xet the client would not even try LFS.
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            # `evaluate` counts its loads elsewhere.
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0" if token else "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def run(self, home: Path, code: str, *, token: str | None = TOKEN) -> Any:
        """Run Python that knows this Hub alone, and read the JSON of the last line it prints.

        Args:
            home: folder of its cache.
            code: with `json`, `HfApi` and `hf_hub_download` imported.
            token: None for somebody who is not logged in.

        Raises:
            RuntimeError: the code failed; with what it wrote to stderr.
        """
        imports = "import json\nfrom huggingface_hub import HfApi, hf_hub_download\n"
        if self._client is None:
            self._client = HubClient(self.environment(home))
        printed = self._client.run(home, imports + code, token)
        return json.loads(printed.splitlines()[-1]) if printed.strip() else None

    def changes(self) -> list[str]:
        """List the requests that would have changed something."""
        return [request for request in self.requests if not request.startswith(("GET", "HEAD"))]

    def files(self, kind: str, name: str, revision: str = "main") -> dict[str, bytes]:
        """Read what a repository holds; `kind` is "models", "datasets" or "spaces"."""
        return {path: file.content for path, file in self.repository(kind, name).at(revision).files.items()}

    def repository(self, kind: str, name: str) -> Repository:
        try:
            return self.repositories[kind, name]
        except KeyError:
            raise HubError(HTTPStatus.NOT_FOUND, "RepoNotFound", "Repository not found") from None

    def create(self, request: dict[str, Any]) -> dict[str, Any]:
        kind, name = _kind_and_name(request)
        url = f"{self.url}/{'' if kind == 'models' else f'{kind}/'}{name}"
        if (kind, name) in self.repositories:
            return {"_status": HTTPStatus.CONFLICT, "url": url, "error": "You already created this repo"}
        private = bool(request.get("private")) or request.get("visibility") == "private"
        self.repositories[kind, name] = Repository(kind, name, private)
        return {"url": url, "name": name}

    def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        kind, name = _kind_and_name(request)
        self.repository(kind, name)
        del self.repositories[kind, name]
        return {}

    def commit(self, repository: Repository, revision: str, body: bytes, pull_request: bool) -> dict[str, Any]:
        address = f"{self.url}/{'' if repository.kind == 'models' else f'{repository.kind}/'}{repository.name}"
        commit, number = repository.apply(revision, body, self.large, pull_request)
        return {
            "success": True,
            "commitOid": commit.oid,
            "commitUrl": f"{address}/commit/{commit.oid}",
            "pullRequestUrl": f"{address}/discussions/{number}" if number else None,
            "hookOutput": "",
        }


def _kind_and_name(request: dict[str, Any]) -> tuple[str, str]:
    return f"{request.get('type') or 'model'}s", f"{request.get('organization') or USER}/{request['name']}"


def _entry(path: str, file: StoredFile) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(file.content), "oid": file.oid}
    if file.lfs:
        entry["lfs"] = {"oid": file.sha256, "size": len(file.content), "pointerSize": len(file.pointer)}
    return entry


def _tree(files: dict[str, StoredFile], folder: str, recursive: bool) -> list[dict[str, Any]]:
    prefix = f"{folder}/" if folder else ""
    inside = {path: file for path, file in files.items() if path.startswith(prefix)}
    entries, folders = [], set()
    for path, file in sorted(inside.items()):
        parts = path[len(prefix) :].split("/")
        folders |= {prefix + "/".join(parts[:depth]) for depth in range(1, len(parts) if recursive else 2)} - {path}
        if recursive or len(parts) == 1:
            entries.append(_entry(path, file))
    return [_folder_entry(name) for name in sorted(folders)] + entries


def _folder_entry(path: str) -> dict[str, Any]:
    return {"type": "directory", "path": path, "size": 0, "oid": hashlib.sha1(path.encode()).hexdigest()}


class _Handler(BaseHTTPRequestHandler):
    """Answer one request: find its route, send JSON or a file."""

    hub: HubStub
    protocol_version = "HTTP/1.1"
    # Head and body go in two pieces, of which the second would wait 40 ms for an answer to the first.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Print nothing; `HubStub.requests` has it all."""

    def _serve(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        self.query = parse_qs(address.query)
        try:
            for pattern, happen in list(self.hub.meanwhile.items()):
                if re.fullmatch(pattern, f"{self.command} {address.path}"):
                    happen()
            with self.hub.lock:
                self.hub.requests.append(f"{self.command} {address.path}")
                answer = self._answer(address.path)
        except ConnectionError:
            self.close_connection = True
            return
        except HubError as error:
            answer = error
        if isinstance(answer, HubError):
            headers = {"X-Error-Code": answer.code, "X-Error-Message": str(answer)}
            headers |= {"X-Repo-Commit": answer.commit} if answer.commit else {}
            self._send(answer.status, json.dumps({"error": str(answer)}).encode(), headers)
        elif isinstance(answer, tuple):
            self._send(*answer)
        else:
            status = answer.pop("_status", HTTPStatus.OK) if isinstance(answer, dict) else HTTPStatus.OK
            self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _answer(self, path: str) -> Any:
        for methods, pattern, act in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in methods.split():
                self._check_token(path)
                # Segments are decoded one by one: a revision may contain a slash.
                return act(self, *(unquote(part or "") for part in match.groups()))
        raise HubError(HTTPStatus.NOT_FOUND, "", f"No route for {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

    def _send(self, status: HTTPStatus, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _check_token(self, path: str) -> None:
        reads = self.command in ("GET", "HEAD") or path.endswith("/paths-info") or path == "/api/validate-yaml"
        if path == "/api/whoami-v2" or not (reads or path.startswith("/lfs/")):
            authorization = self.headers.get("Authorization", "")
            if not authorization.startswith(("Bearer ", "Basic ")):
                raise HubError(HTTPStatus.UNAUTHORIZED, "", "Invalid username or password.")

    def _check_owner(self, name: str) -> None:
        if name.split("/")[0] != USER:
            raise HubError(HTTPStatus.FORBIDDEN, "", f"You don't have the rights to write to {name}.")

    def _json(self) -> dict[str, Any]:
        return json.loads(self.body or b"{}")

    def whoami(self) -> dict[str, Any]:
        return {"type": "user", "name": USER, "fullname": USER, "orgs": [], "auth": {"type": "access_token"}}

    def create(self) -> dict[str, Any]:
        self._check_owner(_kind_and_name(self._json())[1])
        return self.hub.create(self._json())

    def delete(self) -> dict[str, Any]:
        self._check_owner(_kind_and_name(self._json())[1])
        return self.hub.delete(self._json())

    def validate(self) -> dict[str, Any]:
        return {"errors": [], "warnings": []}

    def preupload(self, kind: str, name: str, revision: str) -> dict[str, Any]:
        present = self.hub.repository(kind, name).at(revision).files
        self._check_owner(name)
        answers = []
        for entry in self._json()["files"]:
            path = entry["path"]
            large = path.lower().endswith(LFS_SUFFIXES) or entry["size"] > LARGEST_REGULAR_FILE
            known = present.get(path)
            oid = known.etag if known is not None and known.lfs == large else None
            mode = "lfs" if large else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": answers}

    def lfs_batch(self, kind: str, name: str) -> dict[str, Any]:
        self.hub.repository(kind or "models", name)
        self._check_owner(name)
        objects = []
        for entry in self._json()["objects"]:
            known = {} if entry["oid"] in self.hub.large else {"actions": {"upload": self._upload(entry["oid"])}}
            objects.append({"oid": entry["oid"], "size": entry["size"], **known})
        return {"transfer": "basic", "objects": objects}

    def _upload(self, oid: str) -> dict[str, Any]:
        return {"href": f"{self.hub.url}/lfs/{oid}", "header": {}}

    def lfs_put(self, oid: str) -> dict[str, Any]:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise HubError(HTTPStatus.BAD_REQUEST, "", "The content does not have this hash.")
        self.hub.large[oid] = self.body
        return {}

    def commit(self, kind: str, name: str, revision: str) -> dict[str, Any]:
        repository = self.hub.repository(kind, name)
        self._check_owner(name)
        return self.hub.commit(repository, revision, self.body, "create_pr" in self.query)

    def info(self, kind: str, name: str, revision: str) -> dict[str, Any]:
        repository = self.hub.repository(kind, name)
        commit = repository.at(revision or "main")
        return {
            "_id": hashlib.sha1(name.encode()).hexdigest()[:24],
            "id": name,
            "modelId": name,
            "author": name.split("/")[0],
            "sha": commit.oid,
            "lastModified": commit.date,
            "createdAt": repository.log("main")[-1].date,
            "private": repository.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [{"rfilename": path, "size": len(file.content)} for path, file in sorted(commit.files.items())],
        }

    def listing(self, kind: str) -> list[dict[str, Any]]:
        wanted = "".join(self.query.get("author", [""])), "".join(self.query.get("search", [""]))
        names = [name for known, name in self.hub.repositories if known == kind]
        return [self.info(kind, name, "") for name in names if name.startswith(wanted[0]) and wanted[1] in name]

    def tree(self, kind: str, name: str, revision: str, folder: str) -> list[dict[str, Any]]:
        commit = self.hub.repository(kind, name).at(revision)
        entries = _tree(commit.files, folder, self.query.get("recursive", ["false"])[0].lower() == "true")
        if folder and not entries:
            raise HubError(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{folder} does not exist", commit.oid)
        return entries

    def paths_info(self, kind: str, name: str, revision: str) -> list[dict[str, Any]]:
        files = self.hub.repository(kind, name).at(revision).files
        paths = parse_qs(self.body.decode()).get("paths", [])
        folders = [path for path in paths if any(known.startswith(f"{path}/") for known in files)]
        return [_entry(path, files[path]) for path in paths if path in files] + [_folder_entry(p) for p in folders]

    def refs(self, kind: str, name: str) -> dict[str, Any]:
        repository = self.hub.repository(kind, name)

        def listed(names: dict[str, str], prefix: str) -> list[dict[str, str]]:
            return [{"name": ref, "ref": prefix + ref, "targetCommit": oid} for ref, oid in names.items()]

        return {
            "branches": listed(repository.branches, "refs/heads/"),
            "tags": listed(repository.tags, "refs/tags/"),
            "pullRequests": listed(repository.pull_requests, ""),
            "converts": [],
        }

    def commits(self, kind: str, name: str, revision: str) -> list[dict[str, Any]]:
        return [
            {"id": commit.oid, "title": commit.title, "message": "", "date": commit.date, "authors": [{"user": USER}]}
            for commit in self.hub.repository(kind, name).log(revision)
        ]

    def settings(self, kind: str, name: str) -> dict[str, Any]:
        request = self._json()
        private = bool(request.get("private")) or request.get("visibility") == "private"
        self.hub.repository(kind, name).private = private
        return {"private": private}

    def branch(self, kind: str, name: str, branch: str) -> dict[str, Any]:
        repository = self.hub.repository(kind, name)
        return _point(repository.branches, branch, repository.at(self._json().get("startingPoint") or "main"))

    def tag(self, kind: str, name: str, revision: str) -> dict[str, Any]:
        repository = self.hub.repository(kind, name)
        return _point(repository.tags, self._json()["tag"], repository.at(revision))

    def unbranch(self, kind: str, name: str, branch: str) -> dict[str, Any]:
        return _forget(self.hub.repository(kind, name).branches, branch)

    def untag(self, kind: str, name: str, tag: str) -> dict[str, Any]:
        return _forget(self.hub.repository(kind, name).tags, tag)

    def resolve(self, kind: str, name: str, revision: str, path: str) -> tuple[HTTPStatus, bytes, dict[str, str]]:
        commit = self.hub.repository(kind or "models", name).at(revision)
        if path not in commit.files:
            raise HubError(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{path} does not exist", commit.oid)
        file = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(len(file.content))}
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            return HTTPStatus.OK, file.content, headers
        total, (first, last) = len(file.content), wanted.groups()
        start = int(first) if first else max(0, total - int(last))
        stop = min(total, int(last) + 1) if first and last else total
        if start >= max(stop, 1):
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{total}"}
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{total}"
        return HTTPStatus.PARTIAL_CONTENT, file.content[start:stop], headers


def _point(names: dict[str, str], name: str, commit: Commit) -> dict[str, Any]:
    if name in names:
        raise HubError(HTTPStatus.CONFLICT, "", f"Reference already exists: {name}")
    names[name] = commit.oid
    return {}


def _forget(names: dict[str, str], name: str) -> dict[str, Any]:
    if names.pop(name, None) is None:
        raise HubError(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {name}")
    return {}


_REPO = r"/api/(models|datasets|spaces)/([^/]+/[^/]+)"
_PLACE = r"/(?:(datasets|spaces)/)?([^/]+/[^/]+?)"
_ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/api/whoami-v2", _Handler.whoami),
    ("POST", "/api/repos/create", _Handler.create),
    ("DELETE", "/api/repos/delete", _Handler.delete),
    ("POST", "/api/validate-yaml", _Handler.validate),
    ("GET", "/api/(models|datasets|spaces)", _Handler.listing),
    ("GET", rf"{_REPO}(?:/revision/([^/]+))?", _Handler.info),
    ("GET", rf"{_REPO}/tree/([^/]+)(?:/(.+))?", _Handler.tree),
    ("GET", rf"{_REPO}/refs", _Handler.refs),
    ("GET", rf"{_REPO}/commits/([^/]+)", _Handler.commits),
    ("POST", rf"{_REPO}/paths-info/([^/]+)", _Handler.paths_info),
    ("POST", rf"{_REPO}/preupload/([^/]+)", _Handler.preupload),
    ("POST", rf"{_REPO}/commit/([^/]+)", _Handler.commit),
    ("PUT", rf"{_REPO}/settings", _Handler.settings),
    ("POST", rf"{_REPO}/branch/([^/]+)", _Handler.branch),
    ("DELETE", rf"{_REPO}/branch/([^/]+)", _Handler.unbranch),
    ("POST", rf"{_REPO}/tag/([^/]+)", _Handler.tag),
    ("DELETE", rf"{_REPO}/tag/([^/]+)", _Handler.untag),
    ("POST", rf"{_PLACE}\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("PUT", r"/lfs/([0-9a-f]{64})", _Handler.lfs_put),
    ("GET HEAD", rf"{_PLACE}/resolve/([^/]+)/(.+)", _Handler.resolve),
]
