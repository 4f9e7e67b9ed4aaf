"""Define a task: a column of labels, the label set that its classes are named by, and the prompts to score them with.

Labels are matched by name or code, never by index, so that a column cannot be scored with another one's classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.schema import CLASS_TAXONOMIES, UNKNOWN
from ..labelling.label_set_files import LABEL_SET_SUFFIX, read_label_set
from ..models.timesenclip.label_set_timesenclip import LabelSet
from ..models.timesenclip.zero_shot_timesenclip import expand_prompts, read_labels
from ..taxonomies import Label, Taxonomy, load_taxonomy
from .samples import Samples

# Classes that were fitted to examples have no prompts to choose among, and this in their place.
FITTED = "fitted"
# What the text tower reads of a class: its name, or its generic phrases, in the templates of the checkpoint; its bare
# name; five descriptions of it on the ground and five from above, or one of the two.
PROMPTS = ("generic", "class_name", "descriptive", "ground", "aerial")
_VIEWS = {"descriptive": ("ground", "aerial"), "ground": ("ground",), "aerial": ("aerial",)}
# Columns of text of the schema that are no task unless they are asked for: `land_cover` and its like say the same.
_DETAILS = {"lc1": "lucas_lc1", "lu1": "lucas_lu1"}
_DEFAULT_TAXONOMIES = {**CLASS_TAXONOMIES, **_DETAILS, "country": "countries"}


@dataclass(frozen=True)
class Task:
    """Say what is asked of the samples, by a name: the classes of a label column, which a taxonomy names.

    With a label set its class vectors are scored, in place of what the taxonomy's words become.
    """

    name: str
    column: str
    taxonomy: Taxonomy
    label_set: LabelSet | None = None

    @property
    def is_fitted(self) -> bool:
        """Tell whether the classes were fitted to examples."""
        return self.label_set is not None and self.label_set.is_fitted

    @property
    def labels(self) -> list[str]:
        """Return the names of the candidates."""
        return self.taxonomy.class_names

    @property
    def views(self) -> tuple[str, ...]:
        """Return those of `PROMPTS` that every class has; of a label set, what stands in their place."""
        if self.label_set is not None:
            return (FITTED if self.is_fitted else "generic",)
        return tuple(prompts for prompts in PROMPTS if self._class_without(prompts) is None)

    def _class_without(self, prompts: str) -> str | None:
        views = _VIEWS.get(prompts, ())
        lacking = (label.name for label in self.taxonomy.labels if not all(label.prompts.get(view) for view in views))
        return next(lacking, None)

    def truth(self, samples: Samples) -> np.ndarray:
        """Return the index of each sample's class among the candidates, int64, -1 where it is not known.

        A column without a known label, or with one that is no class of the label set, is a ValueError.
        """
        _check_column(self.column, samples)
        indices, names = samples.labels[self.column], samples.class_names[self.column]
        occurring = np.unique(indices[indices != UNKNOWN]).tolist()
        if not occurring:
            raise ValueError(
                f"No label of the column {self.column!r} is known in the split {samples.split!r} of {samples.name}: "
                "there is nothing to evaluate."
            )
        # One entry more than there are classes, so that the index -1 finds "not known".
        candidate_of = np.full(len(names) + 1, UNKNOWN, dtype=np.int64)
        for index in occurring:
            if not 0 <= index < len(names):
                raise ValueError(
                    f"The column {self.column!r} of {samples.name} has {len(names)} classes and the label {index}: "
                    "labels count from 0, and -1 is not known."
                )
            name = names[index]
            try:
                code = None if name in self.labels else self.taxonomy.find(name).code
            except ValueError:
                raise ValueError(
                    f"The label {name!r} of the column {self.column!r} is no class of {self.taxonomy.name!r}: score "
                    f"{samples.name} with the label set of its own labels."
                ) from None
            candidate_of[index] = self.labels.index(name) if code is None else self.taxonomy.indices[code]
        return np.asarray(candidate_of[indices])

    def prompts(self, prompts: str, templates: str | Sequence[str]) -> dict[str, list[str]]:
        """Return what the text tower reads of each candidate, for one of `PROMPTS`; "generic" is for templates."""
        if self.label_set is not None and prompts in self.views:
            return dict(self.label_set.phrases)
        if prompts not in PROMPTS:
            raise ValueError(f"Prompts are {', '.join(PROMPTS)}, got {prompts!r}.")
        if prompts == "class_name":
            return {name: [name] for name in self.labels}
        if prompts == "generic":
            return expand_prompts(self.taxonomy.prompts, templates)
        if lacking := self._class_without(prompts):
            raise ValueError(
                f"The class {lacking!r} of {self.taxonomy.name!r} has no {prompts} prompts: use "
                f"{', '.join(self.views)}, or add them to the label set."
            )
        return self.taxonomy.prompts_of(*_VIEWS[prompts])


def tasks_of(
    samples: Samples, columns: Sequence[str] | None = None, taxonomies: Mapping[str, str] | None = None
) -> list[Task]:
    """List the tasks that the labels of a data set allow.

    Label columns are all with a known label where none are named, but the LUCAS codes, countries last. The label set of
    a column goes by the name or path that [`load_taxonomy`] takes, or by the path of a `.labels` file; the schema's is
    taken for its own columns, and the class names themselves for any other, where none is given. That there is nothing
    to evaluate is a ValueError.
    """
    named = dict(taxonomies or {})
    for column in (*(columns or ()), *named):
        _check_column(column, samples)
    if columns is None:
        known = [column for column, indices in samples.labels.items() if (indices != UNKNOWN).any()]
        columns = [column for column in known if column in named or column not in _DETAILS]
        columns.sort(key=lambda column: column == "country")  # the other suites take the first, which a country is not
    if not columns:
        raise ValueError(
            f"No label of {samples.name} is known in the split {samples.split!r}: nothing to evaluate; "
            f"{_others(samples)}."
        )
    label_sets, tasks = _DEFAULT_TAXONOMIES | named, []
    for column in columns:
        title, names = f"the column {column!r}", samples.class_names[column]
        label_set = label_sets.get(column)
        if label_set is not None and label_set.endswith(LABEL_SET_SUFFIX):
            tasks.append(_task_of_label_set(column, label_set))
            continue
        taxonomy = load_taxonomy(label_set) if label_set else named_taxonomy(title, samples.name, names)
        tasks.append(Task(column, column, taxonomy))
    return tasks


def _task_of_label_set(column: str, path: str) -> Task:
    """Make the task of a column whose classes are those of a label set in a file."""
    label_set = read_label_set(path)
    if label_set.reads_values:
        raise ValueError(f"{path} reads monthly values, which an evaluation does not hand on: give a set without them.")
    taxonomy = named_taxonomy(f"the label set {Path(path).name}", path, label_set.labels)
    return Task(column, column, taxonomy, label_set)


def named_taxonomy(title: str, source: str, class_names: Sequence[str], licence: str = "") -> Taxonomy:
    """Make a label set of class names alone, each of which is given once."""
    return Taxonomy(title, source, licence, tuple(Label(name, name) for name in read_labels(class_names)))


def _check_column(column: str, samples: Samples) -> None:
    if column not in samples.labels:
        raise ValueError(
            f"{samples.name} has no label column {column!r}: its label columns are "
            f"{', '.join(samples.labels) or 'none'}; {_others(samples)}."
        )


def _others(samples: Samples) -> str:
    """Say which columns might be labels."""
    listed = ", ".join(samples.other_columns)
    return f"name the one with labels, of {listed}, by --task (`columns`)" if listed else "no other column is of text"
