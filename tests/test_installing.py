"""That the package installs as the pages say: one version, a whole sdist, and files for containers, conda and CI."""

import importlib.util
import re
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.conftest import ROOT
from timesenclip_hf import __version__
from training.environments import BASE_TESTS, TOOLS, Outcome, read_outcome

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# Distributions that conda has under another name.
CONDA_NAMES = {"torch": "pytorch"}
NOT_OURS = {".git", ".venv", "build", "results", "runs"}


def read_yaml(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_stands_in_the_package_and_what_repeats_it_agrees():
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert read_yaml(ROOT / "CITATION.cff")["version"] == __version__
    assert read_yaml(ROOT / "conda" / "recipe.yaml")["context"]["version"] == __version__
    assert WheelBuilder(str(ROOT)).metadata.version == __version__


def test_the_sdist_has_no_tests_and_builds_the_wheel_of_the_checkout(tmp_path: Path):
    (sdist,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    shutil.unpack_archive(sdist, tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert {entry.name for entry in unpacked.iterdir()} == {
        *("src", "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "constraints.txt"),
        *("pyproject.toml", "PKG-INFO", ".gitignore"),
    }
    contents = []
    for root in (unpacked, ROOT):
        (wheel,) = WheelBuilder(str(root)).build(directory=str(tmp_path / root.name), versions=["standard"])
        with zipfile.ZipFile(wheel) as archive:
            contents.append({name: archive.read(name) for name in archive.namelist()})
    assert contents[0] == contents[1]


def test_nobody_is_sent_to_an_index_that_does_not_have_the_package():
    told = re.compile(r"pip install [^\n`]*\btimesenclip[_-]hf\b(?!\[extra)")
    pages = [file for kind in ("*.md", "*.ipynb", "*.html") for file in ROOT.rglob(kind)]
    pages = [file for file in pages if not NOT_OURS & set(file.relative_to(ROOT).parts)]
    wrong = [
        file.name for file in pages if "git+" not in (text := file.read_text(encoding="utf-8")) and told.search(text)
    ]
    assert wrong == []


def test_the_addresses_of_the_project_lie_in_its_repository():
    urls = PROJECT["urls"]
    repository = urls["Repository"]
    assert [url for name, url in urls.items() if "arxiv" not in url and not url.startswith(repository)] == []
    assert read_yaml(ROOT / "conda" / "recipe.yaml")["about"]["repository"] == repository


def test_the_recipe_of_conda_asks_for_what_the_base_install_asks_for():
    recipe = read_yaml(ROOT / "conda" / "recipe.yaml")
    needed = map(Requirement, PROJECT["dependencies"])
    wanted = {CONDA_NAMES.get(each.name, each.name).lower(): each.specifier for each in needed}
    wanted["python"] = SpecifierSet(PROJECT["requires-python"])
    asked = {
        name.lower(): SpecifierSet(bounds) for name, bounds in (line.split() for line in recipe["requirements"]["run"])
    }
    assert asked == wanted
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in PROJECT["scripts"].items()
    ]


def dockerfile() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    return [tuple(line.split(" ", 1)) for line in text.splitlines() if line and not line.startswith("#")]


def test_the_container_has_what_it_copies_and_runs_the_command_as_nobody_special():
    steps = dockerfile()
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = [part for kind, rest in steps if kind == "COPY" and "--from" not in rest for part in rest.split()[:-1]]
    assert set(copied) == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert {"pyproject.toml", "src", PROJECT["readme"], *PROJECT["license-files"]} <= set(copied)
    assert [rest for kind, rest in steps if kind == "USER"][-1] not in ("root", "0")
    extras = dict(rest.split("=", 1) for kind, rest in steps if kind == "ARG")["EXTRAS"].split(",")
    assert set(extras) <= PROJECT["optional-dependencies"].keys()
    bases = [re.search(r"python:([\d.]+)", rest)[1] for kind, rest in steps if kind == "FROM"]
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(base) for base in bases)
    assert steps[-2] == ("ENTRYPOINT", f'["{next(iter(PROJECT["scripts"]))}"]')


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_write_nothing_by_itself_and_runs_only_pinned_actions(file: Path):
    flow = read_yaml(file)
    assert flow["permissions"] == {"contents": "read"}
    assert [job for job, steps in flow["jobs"].items() if "timeout-minutes" not in steps] == []
    used = [step["uses"] for job in flow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name)] == []
    called = re.findall(r"make ([a-z-]+)", file.read_text(encoding="utf-8"))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(called) <= {*targets}


def test_the_workflows_try_each_python_that_the_classifiers_name_on_three_systems():
    matrix = read_yaml(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]["tests"]["strategy"]["matrix"]
    named = {found[1] for line in PROJECT["classifiers"] if (found := re.search(r"Python :: (3\.\d+)$", line))}
    assert {*matrix["python"], *(job["python"] for job in matrix["include"])} == named
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}


def test_only_what_publishes_may_ask_for_a_token_of_the_index():
    jobs = read_yaml(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert [name for name, job in jobs.items() if job.get("permissions")] == ["publish"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["publish"]["needs"] == "try"


@pytest.fixture
def release(tmp_path: Path):
    """The check of a release, over a folder of built files."""
    spec = importlib.util.spec_from_file_location("check_release", ROOT / ".github" / "check_release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    checkout, dist = tmp_path / "checkout", tmp_path / "dist"
    (checkout / "src" / "timesenclip_hf").mkdir(parents=True)
    (checkout / "src" / "timesenclip_hf" / "__init__.py").write_text('__version__ = "1.2.3"\n')
    (checkout / "pyproject.toml").write_text('[project.urls]\nRepository = "https://example.org/a"\n')
    (checkout / "CHANGELOG.md").write_text("## [1.2.3] - 2026-12-01\n")
    dist.mkdir()
    for name in ("timesenclip_hf-1.2.3-py3-none-any.whl", "timesenclip_hf-1.2.3.tar.gz"):
        (dist / name).touch()
    return lambda tag, repository: module.find_faults(dist, tag, repository, checkout)


def test_a_release_that_fits_is_let_through(release):
    assert release("v1.2.3", "https://example.org/a") == []


@pytest.mark.parametrize(
    ("tag", "repository", "told"),
    [
        ("v1.2.4", "https://example.org/a", "The tag is v1.2.4, but the package is 1.2.3"),
        ("v1.2.3", "https://example.org/b", "pyproject.toml names https://example.org/a, but this is"),
    ],
)
def test_a_release_that_does_not_fit_is_refused_in_one_sentence(release, tag, repository, told):
    (fault,) = release(tag, repository)
    assert fault.startswith(told)


def test_a_release_without_its_changes_or_with_an_old_file_is_refused(release, tmp_path: Path):
    (tmp_path / "checkout" / "CHANGELOG.md").write_text("## [Unreleased]\n")
    (tmp_path / "dist" / "timesenclip_hf-1.2.2.tar.gz").touch()
    built, changes = release("v1.2.3", "https://example.org/a")
    assert "timesenclip_hf-1.2.2.tar.gz" in built
    assert changes == "CHANGELOG.md has no section [1.2.3]: say what is new."


def test_the_hooks_before_a_commit_are_commands_of_the_dev_extra():
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    names = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    brought = {"ruff": "ruff", "mypy": "mypy", "python": "pytest", "detect-secrets-hook": "detect-secrets"}
    assert names <= brought.keys()
    assert {brought[name] for name in names} <= {
        Requirement(line).name for line in PROJECT["optional-dependencies"]["dev"]
    }


@pytest.mark.parametrize(
    ("printed", "outcome"),
    [
        ("..\n3 passed, 2 skipped in 1.00s", (3, 0, 2)),
        ("1 failed, 3 passed, 2 errors in 1.00s", (3, 3, 0)),
        ("no tests ran in 0.01s", (0, 1, 0)),
        ("", (0, 1, 0)),
    ],
)
def test_the_outcome_of_a_run_is_read_from_its_last_line_and_none_is_a_failure(printed, outcome):
    found: Outcome = read_outcome(printed)
    assert (found.passed, found.failed, found.skipped) == outcome


def test_the_tests_of_the_base_install_and_its_tools_are_there():
    assert [path for path in BASE_TESTS if not (ROOT / path).exists()] == []
    assert set(TOOLS) <= {Requirement(line).name for line in PROJECT["optional-dependencies"]["dev"]}


def test_yaml_of_the_repository_host_is_well_formed():
    for file in (ROOT / ".github").rglob("*.yml"):
        assert isinstance(read_yaml(file), dict), file
    forms = [read_yaml(file) for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if file.stem != "config"]
    assert all({"name", "description", "body"} <= form.keys() for form in forms)
