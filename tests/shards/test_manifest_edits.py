"""Every edit of manifest.json is one line or harmless, for whatever reads a data set."""

import contextlib
import json
import os
import random
import shutil
import warnings
from pathlib import Path

import pytest
from damaged_copies import LIMIT_S, SIZES, VALUES, Generation, edited, places, time_limit

from lightning_sciml.errors import InputError
from lightning_sciml.shards.description import describe
from lightning_sciml.shards.figures import coefficients_figure
from lightning_sciml.shards.manifest import Manifest
from lightning_sciml.shards.verification import verify_dataset
from lightning_sciml.streaming.datamodule import PDEDataModule

NAME = "helmholtz_1_10"  # an equation with a parameter


@pytest.fixture(scope="module")
def original(generate, tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest") / NAME
    generate(NAME, folder, **SIZES)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / NAME)


def use(folder: Path, generation: Generation) -> None:
    """Do all that reads a data set; each may reject it in one line."""

    def fit():
        data = PDEDataModule([str(folder)], batch_size=4, num_prefetch=0)
        data.setup("fit")
        return list(data.train_dataloader())

    def plot():
        manifest = Manifest.load(folder)
        if manifest.histograms:
            with warnings.catch_warnings():  # an axis to 1e300 overflows, harmlessly
                warnings.simplefilter("ignore", RuntimeWarning)
                coefficients_figure(manifest)

    for verb in (
        *(lambda: describe(folder), lambda: verify_dataset(folder), fit, plot),
        generation.begin,
    ):
        with contextlib.suppress(InputError), time_limit(LIMIT_S):
            verb()


def check_edits(folder: Path, choose) -> int:
    generation = Generation(folder, NAME, SIZES)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    plan = {k: v for k, v in content.items() if k in vars(generation.folder.plan)}
    number = 0
    for whole in (content, plan):
        for place in places(whole):
            for value in choose(place):
                path.write_text(json.dumps(edited(whole, place, value)))
                try:
                    use(folder, generation)
                except Exception as error:
                    raise AssertionError(f"{place} set to {value!r}: {error!r}") from error
                number += 1
    return number


def test_an_edit_of_any_key_is_one_line_or_harmless(folder):
    generator = random.Random(0)
    assert check_edits(folder, lambda _: generator.sample(VALUES, 1)) >= 100


@pytest.mark.parametrize("key", ["config", "equation_parameters", "statistics", "shards", "new"])
def test_deep_nesting_is_one_line_or_harmless(folder, key):
    generation, path = Generation(folder, NAME, SIZES), folder / "manifest.json"
    content = {**json.loads(path.read_text()), key: "here"}
    for depth in (100, 900, 200_000):
        for opening, closing in (('{"a":', "}"), ("[", "]")):
            nested = opening * depth + "1" + closing * depth
            path.write_text(json.dumps(content).replace('"here"', nested))
            use(folder, generation)


@pytest.mark.parametrize("change", [{"edges": []}, {"counts": []}, {"edges": [1.0, 0.0]}])
def test_a_histogram_that_is_none_is_named(folder, change):
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["histograms"]["omega"] |= {"counts": [17], "edges": [0.5, 1.5]} | change
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="the histogram of omega must have sorted edges"):
        Manifest.load(folder)


def test_a_manifest_that_is_no_file_or_no_json_is_named(folder):
    generation, path = Generation(folder, NAME, SIZES), folder / "manifest.json"
    content = path.read_bytes()
    places = [
        *(path.mkdir, lambda: os.mkfifo(path), lambda: path.symlink_to("/dev/zero")),
        *(lambda: path.write_bytes(b"\xff"), lambda: path.write_bytes(b"\0" * 99)),
        *(lambda: path.write_bytes(content[:-9]), lambda: path.write_bytes(content + b"{")),
        *(lambda: path.write_text('{"schema_version": NaN}'), lambda: path.touch()),
        lambda: (path.touch(), os.truncate(path, 1 << 40)),
    ]
    for place in places:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        place()
        for verb in (describe, verify_dataset, lambda _: generation.begin()):
            with time_limit(LIMIT_S), pytest.raises(InputError, match=r"manifest\.json"):
                verb(folder)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(5))
def test_all_edits_of_all_keys_are_one_line_or_harmless(folder, part):
    assert check_edits(folder, lambda _: VALUES[part::5]) >= 500
