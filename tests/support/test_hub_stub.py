"""The stand-in Hub through the client that the real one is used by."""

import pytest

from tests.support.hub_store import HubError


def test_files_of_both_kinds_come_back_as_they_were_uploaded_whole_and_in_ranges(hub, tmp_path):
    answer = hub.run(
        tmp_path,
        """
api = HfApi()
repo = api.create_repo("tester/places", repo_type="dataset", private=True).repo_id
content = bytes(range(256)) * 100
first = api.upload_file(path_or_fileobj=content, path_in_repo="data/a.parquet", repo_id=repo, repo_type="dataset")
second = api.upload_file(path_or_fileobj=b"# card", path_in_repo="README.md", repo_id=repo, repo_type="dataset")
again = api.upload_file(path_or_fileobj=b"# card", path_in_repo="README.md", repo_id=repo, repo_type="dataset")
with open(hf_hub_download(repo, "data/a.parquet", repo_type="dataset"), "rb") as file:
    same = file.read() == content
from huggingface_hub import HfFileSystem, get_hf_file_metadata, hf_hub_url
with HfFileSystem().open(f"datasets/{repo}/data/a.parquet", block_size=100) as file:
    file.seek(1000)
    middle = list(file.read(10))
metadata = get_hf_file_metadata(hf_hub_url(repo, "data/a.parquet", repo_type="dataset"))
print(json.dumps({
    "same": same, "middle": middle, "size": metadata.size, "private": api.dataset_info(repo).private,
    "unchanged": again.oid == second.oid, "listed": api.list_repo_files(repo, repo_type="dataset"),
    "tree": [[entry.path, type(entry).__name__] for entry in api.list_repo_tree(repo, repo_type="dataset")],
    "large": api.get_paths_info(repo, ["data/a.parquet", "data", "none"], repo_type="dataset")[0].lfs.size,
    "log": [commit.commit_id for commit in api.list_repo_commits(repo, repo_type="dataset")][:2],
    "wanted": [second.oid, first.oid],
}))
""",
    )
    assert answer["same"]
    assert answer["middle"] == [(1000 + index) % 256 for index in range(10)]
    assert (answer["size"], answer["large"], answer["private"], answer["unchanged"]) == (25_600, 25_600, True, True)
    assert answer["listed"] == ["README.md", "data/a.parquet"]
    assert answer["tree"] == [["data", "RepoFolder"], ["README.md", "RepoFile"]]
    assert answer["log"] == answer["wanted"]
    assert sorted(hub.files("datasets", "tester/places")) == ["README.md", "data/a.parquet"]


def test_branches_tags_deletions_and_requests_to_merge_behave_as_on_the_hub(hub, tmp_path):
    answer = hub.run(
        tmp_path,
        """
api = HfApi()
repo = api.create_repo("model").repo_id
api.upload_file(path_or_fileobj=b"1", path_in_repo="old/one.txt", repo_id=repo)
api.create_branch(repo, branch="trial")
api.create_tag(repo, tag="v1")
api.delete_folder("old", repo)
api.upload_file(path_or_fileobj=b"2", path_in_repo="two.txt", repo_id=repo, revision="trial")
offered = api.upload_file(path_or_fileobj=b"3", path_in_repo="three.txt", repo_id=repo, create_pr=True)
refs = api.list_repo_refs(repo, include_pull_requests=True)
states = {name: api.list_repo_files(repo, revision=name) for name in ("main", "trial", "v1", offered.pr_revision)}
api.delete_tag(repo, tag="v1")
api.delete_branch(repo, branch="trial")
left = [ref.name for ref in [*api.list_repo_refs(repo).branches, *api.list_repo_refs(repo).tags]]
listed = [model.id for model in api.list_models(author="tester")]
api.delete_repo(repo)
print(json.dumps({"states": states, "left": left, "tags": [tag.name for tag in refs.tags], "repo": repo,
                  "requests": len(refs.pull_requests), "listed": listed, "gone": not api.repo_exists(repo)}))
""",
    )
    assert answer["states"] == {
        "main": [],
        "trial": ["old/one.txt", "two.txt"],
        "v1": ["old/one.txt"],
        "refs/pr/1": ["three.txt"],
    }
    assert (answer["left"], answer["tags"], answer["requests"]) == (["main"], ["v1"], 1)
    assert (answer["listed"], answer["gone"]) == ([answer["repo"]], True)
    with pytest.raises(HubError, match="Repository not found"):
        hub.files("models", "tester/model")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("HfApi().model_info('tester/none')", "RepositoryNotFoundError"),
        ("HfApi().create_repo('m'); HfApi().model_info('tester/m', revision='none')", "RevisionNotFoundError"),
        ("HfApi().create_repo('m'); hf_hub_download('tester/m', 'none.txt')", "EntryNotFoundError"),
        ("HfApi().create_repo('m'); HfApi().create_repo('m')", "409"),
        (
            """
api = HfApi()
api.create_repo("m")
old = api.model_info("tester/m").sha
for content in (b"1", b"2"):
    api.upload_file(path_or_fileobj=content, path_in_repo="a.txt", repo_id="tester/m", parent_commit=old)
""",
            "412",
        ),
    ],
)
def test_what_is_not_there_or_in_the_way_gets_the_clients_own_exception(hub, tmp_path, code, error):
    with pytest.raises(RuntimeError, match=error):
        hub.run(tmp_path, code)


def test_without_a_token_one_may_read_and_not_write(hub, tmp_path):
    hub.run(tmp_path, "HfApi().create_repo('m')")
    assert hub.run(tmp_path, "print(json.dumps(HfApi().model_info('tester/m').id))", token=None) == "tester/m"
    with pytest.raises(RuntimeError, match="401"):
        hub.run(tmp_path, "HfApi().create_repo('other')", token=None)
    assert hub.changes() == ["POST /api/repos/create"] * 2
