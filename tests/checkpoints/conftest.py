"""Runs of one folder for a module of tests."""

import pytest
from ended_runs import fit_below


@pytest.fixture(scope="module")
def fit(tmp_path_factory, datasets):
    return fit_below(tmp_path_factory.mktemp("exact_resume"), datasets)
