from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import save_file

from tests.hub.conftest import CARD
from tests.support.hub_store import HubError, StoredFile
from tests.support.hub_stub import HubStub

REPO = "tester/thing"


@pytest.fixture
def publishing(script, logged_in):
    return script("publishing")


@pytest.fixture
def staged(publishing, tmp_path):
    """Stages a card and a file of weights."""

    def stage(value: float = 1.0, **others: str):
        folder = publishing.new_folder(tmp_path / "staged", REPO)
        (folder / "README.md").write_text(CARD)
        save_file({"weight": np.full(1_000, value, np.float32)}, folder / "model.safetensors")
        for name, content in others.items():
            (folder / f"{name}.json").write_text(content)
        return publishing.Staged(folder, replaced=("*.safetensors", "*.json"))

    return stage


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".staged"}


def somebody_publishes(hub: HubStub) -> None:
    repository = hub.repository("models", REPO)
    files = repository.at("main").files | {"theirs.txt": StoredFile(b"theirs", lfs=False)}
    repository.branches["main"] = repository.add(files, "theirs", repository.branches["main"]).oid


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_what_is_staged_is_there_in_one_commit_and_a_second_push_makes_none(publishing, staged, hub, kind):
    address = publishing.publish(
        staged(), publishing.find_destination(REPO, kind), sdk="gradio" if kind == "space" else None
    )
    log = hub.repository(f"{kind}s", REPO).log("main")
    assert address.endswith(f"{REPO}/commit/{log[0].oid}")
    assert hub.files(f"{kind}s", REPO) == contents(staged().folder)
    before = len(hub.changes())
    assert publishing.publish(staged(), publishing.find_destination(REPO, kind)) is None
    assert hub.repository(f"{kind}s", REPO).log("main") == log
    assert len(log) == 2
    assert not [asked for asked in hub.changes()[before:] if asked.startswith("PUT") or "/commit/" in asked]


def test_files_of_an_earlier_push_go_and_those_of_the_owner_stay(publishing, staged, hub):
    publishing.publish(staged(old="{}"), publishing.find_destination(REPO, "model"))
    somebody_publishes(hub)
    publishing.publish(staged(new="{}"), publishing.find_destination(REPO, "model"))
    assert sorted(hub.files("models", REPO)) == ["README.md", "model.safetensors", "new.json", "theirs.txt"]


@pytest.mark.parametrize(
    "moment", ["POST /api/models/.*/preupload/main", "PUT /lfs/.*", "POST /api/models/.*/commit/main"]
)
def test_a_revision_that_moved_meanwhile_is_not_overwritten(publishing, staged, hub, moment):
    publishing.publish(staged(), publishing.find_destination(REPO, "model"))
    hub.meanwhile[moment] = lambda: (hub.meanwhile.clear(), somebody_publishes(hub))
    with pytest.raises(OSError, match="tester/thing has moved since we looked"):
        publishing.publish(staged(2.0), publishing.find_destination(REPO, "model"))
    assert hub.repository("models", REPO).at("main").title == "theirs"
    assert hub.files("models", REPO)["model.safetensors"] == contents(staged().folder)["model.safetensors"]


def test_a_revision_that_moved_while_the_folder_was_staged_is_not_overwritten(publishing, staged, hub):
    publishing.publish(staged(), publishing.find_destination(REPO, "model"))
    seen = publishing.find_destination(REPO, "model")
    somebody_publishes(hub)
    with pytest.raises(OSError, match="has moved since we looked"):
        publishing.publish(staged(2.0), seen)


def cut() -> None:
    raise ConnectionResetError


def fail() -> None:
    raise HubError(HTTPStatus.INTERNAL_SERVER_ERROR, "", "Out of order.")


@pytest.mark.parametrize("act", [cut, fail])
@pytest.mark.parametrize(
    "moment", ["POST /api/models/.*/preupload/main", "PUT /lfs/.*", "POST /api/models/.*/commit/main"]
)
def test_an_upload_that_breaks_off_leaves_the_revision_before_and_the_next_one_mends_it(
    publishing, staged, hub, moment, act
):
    publishing.publish(staged(old="{}"), publishing.find_destination(REPO, "model"))
    before = hub.repository("models", REPO).at("main")
    hub.meanwhile[moment] = act
    with pytest.raises(OSError, match=r"The push to tester/thing broke off \(.+\): what was there before is there"):
        publishing.publish(staged(2.0, new="{}"), publishing.find_destination(REPO, "model"))
    assert hub.repository("models", REPO).at("main") == before
    hub.meanwhile.clear()
    publishing.publish(staged(2.0, new="{}"), publishing.find_destination(REPO, "model"))
    assert hub.files("models", REPO) == contents(staged(2.0, new="{}").folder)


def test_a_first_push_that_breaks_off_leaves_an_empty_repository(publishing, staged, hub):
    hub.meanwhile["PUT /lfs/.*"] = cut
    with pytest.raises(OSError, match="broke off"):
        publishing.publish(staged(), publishing.find_destination(REPO, "model"))
    assert hub.files("models", REPO) == {}


@pytest.mark.parametrize("exists", [True, False])
def test_what_belongs_to_somebody_else_is_left_alone_and_it_is_said_whose_it_is(publishing, staged, hub, exists):
    if exists:
        hub.create({"name": "thing", "organization": "somebody"})
    destination = publishing.find_destination("somebody/thing", "model")
    with pytest.raises(PermissionError, match="somebody/thing belongs to somebody, and the token of tester may not"):
        publishing.publish(staged(), destination)
    assert [name for _, name in hub.repositories] == ["somebody/thing"] * exists
    assert not hub.large


def test_without_a_token_nothing_is_asked_that_changes_anything(publishing, hub, logged_in, monkeypatch, tmp_path):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    logged_in(None)
    with pytest.raises(PermissionError, match=r"no token that the Hub knows.*run `hf auth login`, or set HF_TOKEN"):
        publishing.find_destination(REPO, "model")
    assert not hub.requests


def test_a_token_that_the_hub_does_not_know_is_as_none(publishing, hub):
    def unknown() -> None:
        raise HubError(HTTPStatus.UNAUTHORIZED, "", "Invalid username or password.")

    hub.meanwhile["GET /api/whoami-v2"] = unknown
    with pytest.raises(PermissionError, match="no token that the Hub knows"):
        publishing.find_destination(REPO, "model")
    assert not hub.changes()


def deliver(publishing, stage, **options):
    publishing.deliver({REPO: stage}, "model", publishing.PushOptions(really_push=True, **options))


def test_what_must_not_leave_is_refused_before_anything_does(publishing, staged, hub):
    def pickled():
        ready = staged()
        (ready.folder / "optimizer.bin").write_bytes(b"")
        return ready

    for stage, sentence in (
        (lambda: staged(config="hf_" + "a" * 34), r"config\.json holds a token of Hugging Face"),
        (pickled, r"optimizer\.bin is a pickle"),
    ):
        with pytest.raises(ValueError, match=sentence):
            deliver(publishing, stage)
    with pytest.raises(ValueError, match="save it in parts"):
        deliver(publishing, staged, limit_gb=1e-6)
    with pytest.raises(ValueError, match="must be user/name, got 'thing'"):
        publishing.deliver({"thing": staged}, "model", publishing.PushOptions(really_push=True))
    assert not hub.changes()


def test_a_dry_run_asks_nothing_and_says_what_it_would_push(publishing, staged, hub, capsys):
    publishing.deliver({REPO: staged}, "model", publishing.PushOptions())
    printed = capsys.readouterr().out
    assert "model.safetensors  0.00 MB" in printed
    assert "dry run: nothing was pushed" in printed
    assert not hub.requests


def test_of_several_none_is_pushed_unless_all_may_be(publishing, staged, hub):
    stages = {REPO: staged, "tester/other": lambda: staged(config="-----BEGIN " + "PRIVATE KEY-----")}
    with pytest.raises(ValueError, match="a private key"):
        publishing.deliver(stages, "model", publishing.PushOptions(really_push=True))
    assert not hub.changes()


def test_a_folder_with_files_of_ones_own_is_never_emptied(publishing, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="holds files that are not of an earlier push"):
        publishing.new_folder(tmp_path, REPO)
    assert (tmp_path / "thesis.tex").exists()


def test_what_was_added_to_a_staged_folder_or_changed_in_it_is_not_thrown_away(publishing, staged):
    publishing.deliver({REPO: staged}, "model", publishing.PushOptions())
    publishing.deliver({REPO: staged}, "model", publishing.PushOptions())
    folder = staged().folder
    publishing.deliver({REPO: staged}, "model", publishing.PushOptions())
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds notes\.txt, which was put or changed there since the last push"):
        staged()
    assert (folder / "notes.txt").read_text() == "mine"
