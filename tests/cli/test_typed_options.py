"""What is typed prevails over config files, wherever it stands in the command line."""

import pytest
import yaml
from tiny_run import write_run

from data_gen import solve
from lightning_sciml.cli.given_option import given_option
from lightning_sciml.cli.main import main
from lightning_sciml.option_parser import files_before_parts
from lightning_sciml.shipped_configs import config_path, configs_first

FILE = config_path("pretrain/poisson")


def configuration(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words, "--print_config"])
    assert stop.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("verb", ["fit", "test"])
def test_options_of_a_run_prevail_before_and_behind_a_config(verb, tmp_path, capsys):
    file = ["--config", str(write_run(tmp_path / "run", ["a", "b"]))]
    options = ["--ckpt_path", "x", "--data.datasets", "[c]"]
    found = configuration([verb, *options, *file, "--run_dir", "elsewhere"], capsys)
    assert found == configuration([verb, *file, *options, "--run_dir=elsewhere"], capsys)
    assert (found["ckpt_path"], found["data"]["datasets"]) == ("x", ["c"])
    assert given_option("run_dir", ["--run_dir", "elsewhere", *file]) == "elsewhere"


@pytest.mark.parametrize(
    "flag", ["--config {}", "--config={}", "-c {}", "-c{}", "-c={}", "--conf {}"]
)
def test_a_config_is_moved_however_it_is_written(flag):
    file = flag.format("pretrain/poisson").split()
    assert configs_first(["fit", "--a", "1", *file]) == ["fit", f"--config={FILE}", "--a", "1"]


def test_configs_keep_their_order_and_so_do_options():
    words = ["fit", "--b", "-1", "--config=a: 1", "--b=2", "-c", "pretrain/poisson", "--c+", "3"]
    wanted = ["fit", "--config=a: 1", f"--config={FILE}", "--b", "-1", "--b=2", "--c+", "3"]
    assert configs_first(words) == wanted


@pytest.mark.parametrize("words", [["fit", "--a", "--config"], ["fit", "--config", "--a", "1"]])
def test_a_flag_without_a_file_is_left_to_the_parser(words):
    assert configs_first(words) == words


def test_options_appended_to_a_list_are_appended_to_that_of_the_config(tmp_path, capsys):
    config = str(write_run(tmp_path / "run", ["a"]))
    found = configuration(["fit", "--data.datasets+", "b", "--config", config], capsys)
    assert found["data"]["datasets"] == ["a", "b"]


def test_options_of_a_group_prevail_over_a_file_of_the_group(tmp_path, capsys):
    config, group = str(write_run(tmp_path / "run", ["a"])), tmp_path / "trainer.yaml"
    group.write_text("max_epochs: 7\nlog_every_n_steps: 9")
    words = ["fit", "--trainer.max_epochs", "5", "--trainer", str(group), "--config", config]
    trainer = configuration(words, capsys)["trainer"]
    assert (trainer["max_epochs"], trainer["log_every_n_steps"]) == (5, 9)


def test_a_value_that_is_no_file_stays_where_it_is():
    words = ["--model.optimizer.lr=1", "--model.optimizer", "SGD", "--a.b=1", "--a", "x" * 5000]
    assert files_before_parts(words) == words


def test_options_of_generation_prevail_before_and_behind_a_config():
    words = ["--config", "data/poisson_1_5"]
    for given in (["--num_points", "32", *words], [*words, "--num_points=32"]):
        options, config = solve.parse([*given, "--output", "x"])
        assert (options.output, config.num_points, config.name) == ("x", 32, "poisson_1_5")
