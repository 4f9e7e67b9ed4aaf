import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import model_index_to_eval_results
from PIL import Image

from timesenclip_hf.evaluation.report import EvaluatedSamples, model_index, write_report
from timesenclip_hf.evaluation.samples import Samples
from timesenclip_hf.simulator import simulate

EVIL = '<script>alert("1")</script>|`*$x$'
LABELS = ["maize", EVIL, "vineyard"]
PARTS = [
    "Retrieval",
    "Robustness",
    "Few-shot ladder",
    "Calibration",
    "Prompt selection",
    "Reliability",
    "Map of errors",
    "Sample series",
]


def metric(value):
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


def task(prompts="generic", composites=12, scores="raw", missing=None, value=0.75, name="land_cover"):
    return {
        "task": name,
        "prompts": prompts,
        "composites": composites,
        "missing": missing,
        "scores": scores,
        "labels": LABELS,
        "absent": ["vineyard"],
        "samples": 20,
        "metrics": {"accuracy": metric(value), "balanced_accuracy": metric(value + 0.01), "top_3_accuracy": None},
        "recall": {"maize": 0.9, EVIL: 0.6},
        "confusion": [[9, 1, 0], [2, 6, 2], [0, 0, 0]],
        "baselines": {
            "majority": {"accuracy": 0.5, "balanced_accuracy": 0.5},
            "nearest_mean": {"accuracy": metric(0.62)},
            "chance": 1 / 3,
        },
        "blocks": 7,
        "block_km": 50.0,
        "prompts_of": {"maize": ["a photo of maize."], EVIL: [EVIL]},
    }


@pytest.fixture
def results():
    return {
        "model": {
            "name": "tiny",
            "weights_hash": "0123456789abcdef",
            "encoder_type": "transformer",
            "parameters": 1_234,
        },
        "dataset": {"name": "points", "split": "test", "samples": 24},
        "tasks": [
            task("generic"),
            task("descriptive", value=0.99),
            task("generic", composites=1, value=0.3),
            task("generic", missing="winter", value=0.4),
            task("generic", scores="transductive (class_mean)", value=0.8125),
        ],
        "retrieval": {"series_to_photo": {"recall_at_1": {"value": 0.41, "chance": 0.1}}},
        "robustness": [
            {
                "perturbation": "noise",
                "level": level,
                "unit": "reflectance",
                "metrics": {"balanced_accuracy": 0.7 - level},
            }
            for level in (0, 0.1)
        ],
        "few_shot": [
            {"method": "zero_shot", "shots": 0, "metrics": {"balanced_accuracy": {"value": 0.7, "spread": None}}},
            {"method": "knn", "shots": 1, "metrics": {"balanced_accuracy": {"value": 0.3, "spread": 0.1}}},
            {"method": "knn", "shots": "all", "metrics": {"balanced_accuracy": {"value": 0.6, "spread": None}}},
        ],
        "calibration": {
            "temperature": 1.5,
            "expected_calibration_error": {"before": 0.1, "after": 0.02},
            "reject": None,
        },
        "prompt_selection": {
            "ground": {
                "top_k": 2,
                "samples": {"selection": 1_200, "held_out": 800},
                "scores": {choice: {"balanced_accuracy": metric(0.6)} for choice in ("all", "text", "image")},
                "gain": {choice: metric(0.0625) for choice in ("text", "image")},
                "random": {"balanced_accuracy": {"mean": 0.55, "spread": 0.01, "draws": 5}},
            }
        },
        "notes": ["What the labels are."],
        "versions": {"torch": "2.13.0"},
    }


@pytest.fixture
def tables(results):
    """The same without what is drawn, which takes its time."""
    tasks = [{**entry, "recall": {}, "confusion": []} for entry in results["tasks"]]
    return {**results, "tasks": tasks, "robustness": [], "few_shot": []}


@pytest.fixture(scope="module")
def samples():
    points = simulate(24, seed=5)
    held = Samples(
        "points",
        "test",
        points.series * 10_000,
        np.tile(np.arange(12.0), (24, 1)),
        [f"P{row}" for row in range(24)],
        longitude=points.longitude,
        latitude=points.latitude,
    )
    truth = np.arange(24) % 3 - 1
    photo = Image.new("RGB", (8, 8), "green")
    return EvaluatedSamples(
        held,
        "land_cover",
        LABELS,
        truth,
        np.zeros(24, dtype=int),
        np.full(24, 0.6),
        lambda row: [photo, np.asarray(photo)],
    )


class Page(HTMLParser):
    """Tags, the text, what is fetched, and headings of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.sources = set(), "", []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text += data


def read(folder):
    return Page((folder / "report.html").read_text()), (folder / "report.md").read_text()


def section(text, heading):
    return re.split(r"^#{1,3} ", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_a_full_report_has_every_part_and_stands_by_itself(results, samples, tmp_path):
    assert write_report(results, tmp_path, [samples]) == tmp_path / "report.html"
    page, markdown = read(tmp_path)
    assert page.tags.isdisjoint({"script", "link", "iframe"})
    assert page.sources
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert "Not run" not in page.text
    assert len(page.sources) == 12
    for said in (
        "0123456789abcdef",
        "1,234",
        "torch 2.13.0",
        "What the labels are.",
        "1 of 3: vineyard",
        "ground: 2 prompts a class, chosen on 1,200 samples without labels, judged on 800 others.",
        "temperature",
    ):
        assert said in page.text
        assert said in markdown
    pictures = re.findall(r"\(figures/(.+?)\.png\)", markdown)
    assert sorted(pictures) == sorted(file.stem for file in (tmp_path / "figures").iterdir())
    assert len(pictures) == 12  # two of the task, two curves, reliability, map, six samples


def test_labels_are_escaped_on_the_page_and_keep_the_tables_of_markdown_whole(tables, tmp_path):
    write_report(tables, tmp_path)
    page, markdown = read(tmp_path)
    assert EVIL in page.text
    assert "<script" not in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_raw_and_transductive_scores_stand_in_tables_of_their_own(tables, tmp_path):
    write_report(tables, tmp_path)
    markdown = read(tmp_path)[1]
    raw, centred = section(markdown, "### Raw scores"), section(markdown, "### Transductive scores")
    assert raw.count("| land cover |") == 4
    assert "0.750 (0.700–0.800)" in raw
    assert "0.812" not in raw
    assert centred.count("| land cover |") == 1
    assert "class_mean" in centred
    assert "0.812 (0.762–0.863)" in centred
    assert "0.812" not in section(markdown, "## Summary")


def test_what_is_drawn_is_the_first_full_raw_entry_and_not_the_best(tables, tmp_path):
    tables["tasks"] = tables["tasks"][::-1]
    write_report(tables, tmp_path)
    summary = section(read(tmp_path)[1], "## Summary")
    assert "0.990" in summary  # now the first with all months
    tables["tasks"] = tables["tasks"][::-1]
    write_report(tables, tmp_path, overwrite=True)
    assert "0.750" in section(read(tmp_path)[1], "## Summary")


def test_baselines_stand_below_the_checkpoint(tables, tmp_path):
    write_report(tables, tmp_path)
    beside = section(read(tmp_path)[1], "### Beside it")
    assert re.findall(r"^\| land cover \| (.+?) \|", beside, flags=re.MULTILINE) == [
        "this checkpoint, generic",
        "majority",
        "nearest mean",
        "blind guess",
    ]


def test_our_figures_stand_in_the_papers_table_with_their_classes_and_samples(tables, tmp_path):
    write_report(tables, tmp_path)
    papers = section(read(tmp_path)[1], "### TimeSenCLIP, top-1 accuracy in per cent")
    assert "| TimeSenCLIP (ten bands, one pixel, twelve months) | 62.4 / 61.4 / 66.5 |" in papers
    assert "| this checkpoint on points, test | – / 75.0 / 99.0 (2 of 3 classes, n = 20) | – |" in papers
    assert "drawn at random" in papers
    assert "this checkpoint | not run" in section(read(tmp_path)[1], "per cent (ViT-B/32)")


def test_an_empty_result_says_of_every_part_that_it_was_not_run(tmp_path):
    write_report({}, tmp_path)
    page, markdown = read(tmp_path)
    assert re.findall("^- (.+)$", section(markdown, "### Not run on this data set"), flags=re.MULTILINE) == PARTS
    assert "Not run on this data set" in page.text
    assert section(markdown, "### Raw scores").strip() == "Not run."
    assert "this checkpoint | not run" in markdown
    assert not list((tmp_path / "figures").iterdir())
    assert json.loads((tmp_path / "results.json").read_text()) == {}


def test_why_a_part_was_not_run_is_said_beside_it(tmp_path):
    write_report({"not_run": {"few_shot": "there is one class only"}}, tmp_path)
    markdown = read(tmp_path)[1]
    assert "- Few-shot ladder: there is one class only\n- Calibration\n" in markdown


def test_a_baseline_that_reads_the_prompts_stands_once_for_each_and_the_others_once(tables, tmp_path):
    generic, descriptive = tables["tasks"][:2]
    for entry, value in ((generic, 0.2), (descriptive, 0.3)):
        entry["baselines"] = {"majority": {"accuracy": 0.5}, "clip": {"accuracy": value}}
    tables["tasks"][2]["baselines"] = {"majority": {"accuracy": 0.9}}  # another number of composites, other samples
    write_report(tables, tmp_path)
    beside = section(read(tmp_path)[1], "### Beside it")
    assert re.findall(r"^\| land cover \| (.+?) \| – \| (.+?) \|", beside, flags=re.MULTILINE) == [
        ("majority", "0.500"),
        ("clip, generic", "0.200"),
        ("clip, descriptive", "0.300"),
    ]


def test_retrieval_by_class_is_listed_and_the_rest_stands_in_a_table(tmp_path):
    found = {
        "queries": 3,
        "recall@1": {"value": 0.5, "chance": 0.25},
        "average_precision": {"maize": 0.75},
        "absent": ["vineyard"],
    }
    write_report({"retrieval": {"text_to_series": found}}, tmp_path)
    shown = section(read(tmp_path)[1], "### Retrieval")
    assert "| text to series | queries | 3 | – |" in shown
    assert "| text to series | recall@1 | 0.500 | 0.250 |" in shown
    assert "- maize: 0.75" in shown
    assert "text to series: absent: vineyard." in shown


def test_a_calibration_error_stands_beside_its_floor(tables, tmp_path):
    tables["tasks"][0]["metrics"]["expected_calibration_error"] = metric(0.25) | {"floor": 0.125}
    write_report(tables, tmp_path)
    assert "0.250 (0.200–0.300), floor 0.125" in section(read(tmp_path)[1], "### Raw scores")


def test_an_entry_with_nothing_but_a_figure_is_shown(tmp_path):
    write_report({"tasks": [{"task": "crop", "scores": "raw", "metrics": {"accuracy": 0.5}}]}, tmp_path)
    assert "| crop | – | – | 0.500 | – | – |" in read(tmp_path)[1]


def test_several_runs_have_a_chapter_each_and_what_was_left_out_is_said(tables, tmp_path):
    other = {"dataset": {"name": "France"}, "tasks": [task(name="crop")]}
    write_report({"runs": [tables, other], "left_out": {"cubes": "no labels"}}, tmp_path)
    markdown = read(tmp_path)[1]
    assert markdown.count("### Raw scores") == 2
    assert "## France\n" in markdown
    assert "- cubes: no labels" in markdown


def test_results_are_kept_as_plain_json_whatever_they_were_made_of(results, tmp_path):
    results["tasks"][0]["confusion"] = np.array(results["tasks"][0]["confusion"])
    results["tasks"][0]["metrics"]["accuracy"] = np.float32(0.5)
    results["tasks"][0]["metrics"]["macro_f1"] = float("nan")
    write_report(results, tmp_path)
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["tasks"][0]["confusion"] == [[9, 1, 0], [2, 6, 2], [0, 0, 0]]
    assert kept["tasks"][0]["metrics"]["macro_f1"] is None
    assert kept["tasks"][1] == json.loads(json.dumps(results["tasks"][1]))


def test_large_matrices_come_with_their_largest_confusions(tables, tmp_path):
    number = 20
    labels = [f"class {place}" for place in range(number)]
    confusion = np.eye(number, dtype=int) * 8
    confusion[3, 4], confusion[5, 6] = 8, 2
    tables["tasks"] = [task() | {"labels": labels, "confusion": confusion, "absent": [], "recall": {}}]
    write_report(tables, tmp_path)
    markdown = read(tmp_path)[1]
    shown = re.findall(r"^\| (class \d+) \| (class \d+) \| (\d+%) \| (\d+) \|", markdown, flags=re.MULTILINE)
    assert shown == [("class 3", "class 4", "50%", "8"), ("class 5", "class 6", "20%", "2")]


def test_a_map_without_places_says_so(tables, samples, tmp_path):
    unplaced = Samples("points", "test", samples.samples.series, samples.samples.months, samples.samples.point_ids)
    write_report(tables, tmp_path, [EvaluatedSamples(unplaced, "land_cover", LABELS, samples.truth, samples.predicted)])
    assert "- Map of errors: the samples have no places\n" in read(tmp_path)[1]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ([], "Results are a dictionary"),
        ({"runs": 3}, "Results are a dictionary"),
        ({"tasks": [{"task": "crop"}]}, "'crop' must say how it was scored, `raw` or `transductive"),
        ({"tasks": [{"task": "crop", "scores": "best"}]}, "got 'best'"),
        ({"tasks": [{"scores": "raw"}]}, "must name its `task`, got one with scores"),
        ({"tasks": [task() | {"confusion": [[1]]}]}, "must be 3 x 3, one row and column a label, got 1 x 1"),
    ],
)
def test_what_is_no_result_is_refused(broken, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        write_report(broken, tmp_path)


def test_samples_of_no_run_are_refused(samples, tmp_path):
    with pytest.raises(ValueError, match="no run on 'points' for these samples: the runs are on France"):
        write_report({"dataset": {"name": "France"}}, tmp_path, [samples])


def test_the_model_index_is_valid_metadata_of_raw_scores_alone(results):
    index = model_index(results)
    name, found = model_index_to_eval_results(index["model-index"])
    assert name == "tiny"
    assert {(result.metric_type, result.metric_value) for result in found} == {
        ("accuracy", 0.75),
        ("balanced_accuracy", 0.76),
    }
    assert found[0].dataset_type == "points"
    assert found[0].dataset_split == "test"
    assert found[0].metric_name == "accuracy (95 % interval 0.700 to 0.800)"
    assert "transductive" not in json.dumps(index)


def test_a_card_with_the_model_index_is_read_back_by_the_hub_client(results):
    other = {"dataset": {"name": "France 2023"}, "tasks": [task(name="crop", value=np.float32(0.5))]}
    index = model_index({"runs": [results, other]})
    _, found = model_index_to_eval_results(index["model-index"])
    data = ModelCardData(model_name="tiny", eval_results=found)
    card = ModelCard(f"---\n{data.to_yaml()}\n---\nA card.\n")
    assert len(card.data.eval_results) == 4
    assert card.data.eval_results[-1].dataset_name == "France 2023"


def test_nothing_to_show_is_no_model_index():
    assert model_index({}) == {}
    assert model_index({"tasks": [task(scores="transductive (series_mean)")]}) == {}


def test_small_pictures_shrink_and_large_ones_scroll(tables, tmp_path):
    """A matrix of three classes fits a telephone, one of thirty does not."""
    for number in (3, 30):
        labels = [f"class {index}" for index in range(number)]
        sized = {"labels": labels, "confusion": np.eye(number, dtype=int), "absent": [], "recall": {}}
        write_report({**tables, "tasks": [task() | sized]}, tmp_path / str(number))
    small, large = ((tmp_path / number / "report.html").read_text() for number in ("3", "30"))
    assert re.search(r'style="width:(\d+)px;min-width:\1px"', large)
    assert 'style="width:' in small
    assert "min-width:" not in small.split("</style>")[1]


def test_folded_points_and_tables_are_written_both_ways(tmp_path):
    write_report({"versions": {"a": "1|2", "b": "<3>"}, "calibration": {"x|y": "1|2"}}, tmp_path)
    page, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    assert "<details><summary>Versions</summary>\n\n- a 1\\|2\n- b &lt;3&gt;\n\n</details>\n\n## " in markdown
    assert "|  | value |\n| --- | --- |\n| x\\|y | 1\\|2 |\n\n" in markdown
    assert "<li>a 1|2</li><li>b &lt;3&gt;</li></ul>" in page
    assert '<th scope="row">x|y</th><td>1|2</td>' in page


def test_samples_that_were_not_scored_are_drawn_as_none(tables, samples, tmp_path):
    unscored = EvaluatedSamples(samples.samples, "land_cover", LABELS, np.full(24, -1), samples.predicted)
    write_report(tables, tmp_path, [unscored])
    assert "up to 3 series named right and 3 named wrong" in section(read(tmp_path)[1], "### Sample series")
