"""What `make demo` shows of a released operator."""

import runpy

from programs import ROOT

OPERATOR = "steady-mixture-640K"


def test_a_released_operator_is_compared_on_a_data_set(datasets, capsys):
    compare = runpy.run_path(str(ROOT / "launch/compare_operators.py"))["main"]
    compare(str(datasets["poisson_1_5"]), OPERATOR, OPERATOR)
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["operator", "relative", "L²", "error", "ms", "a", "sample"]
    first, second = (row.split() for row in rows)
    assert first[:2] == second[:2]
    assert float(first[1]) < 0.05  # 0.0034 on its own test set, at twice the points
