"""One screen of help for fit, validate, test and predict, known without loading torch."""

from collections.abc import Mapping, Sequence

from lightning_sciml.option_help import SHOW_ALL, HelpPage, asks_for_page

_CONFIG = "--config FILE"
EVALUATION = {
    _CONFIG: "RUN_DIR/config.yaml of a run; options prevail over it",
    "--run_dir DIR": "folder of the run; results lie below it",
    "--ckpt_path PATH": "checkpoint, run, or name; RUN_DIR/checkpoints/best.ckpt by default",
    "--data.datasets DIR": "data set; for several, repeat the option or write [a, b]",
    "--data.eval_batch_size N": "samples of a batch, over all processes",
    "--trainer.devices N": "processes on this machine, one a GPU, or CPU processes",
    "--trainer.precision bf16-mixed": "numbers of 16 bits where that is safe",
}
ROLLOUT = {"--data.rollout all": "of trajectories: from the first states to the last; or N steps"}
TRAINING = {
    _CONFIG: "file or name (sciml config list); the last prevails, options over all",
    "--run_dir DIR": "folder of the run: all it writes is there",
    "--data.datasets DIR": "data set; for several, repeat the option or write [a, b]",
    "--data.batch_size N": "samples of a step, over all processes",
    "--data.num_train_samples N": "train on so many samples of each data set",
    "--model.network.size 1M": "64K, 1M, 4M, 16M, 64M or 256M parameters",
    "--model.optimizer.lr 0.001": "learning rate at its peak",
    "--model.checkpoint PATH": "start of a FineTuningModule: file, run or name (sciml models list)",
    "--trainer.max_epochs N": "passes over the training samples",
    "--trainer.devices N": "processes on this machine, one a GPU, or CPU processes",
    "--trainer.precision bf16-mixed": "numbers of 16 bits where that is safe",
    "--resume false": "start over instead of resuming from RUN_DIR/checkpoints/last.ckpt",
    "--print_config": "show all options with their values, and end",
}
OPTIONS: dict[str, Mapping[str, str]] = {
    "fit": TRAINING,
    "validate": EVALUATION,
    "test": {
        **EVALUATION,
        **ROLLOUT,
        "--movie gif": "of rollouts: write a movie of one of each data set, too",
        "--figure_formats [png,pdf]": "of rollouts: files of their frames; png by default",
    },
    "predict": {
        **EVALUATION,
        **ROLLOUT,
        "--data.predict_split val": "train, val or test; test by default",
        "--input FILE.npz": "your own arrays instead of a data set, with --ckpt_path and --output",
        "--output FILE.npz": "with --input: the predictions; see sciml predict --input= --help",
    },
}
SUMMARIES = {
    "fit": "Train a neural operator. The same line typed again resumes an interrupted run.",
    "validate": "Measure the errors of a trained operator on the validation split.",
    "test": "Measure the errors of a trained operator on the test split, sample by sample; "
    "RUN_DIR/test has them as JSON and CSV. `sciml test NAME` compares a released operator with "
    "its card.",
    "predict": "Apply a trained operator to a data set, or to a file of your own arrays.",
}
_RUN = "runs/pretrain_poisson"
EXAMPLES = {
    "fit": [
        "sciml fit --config pretrain/poisson --config recipe/dimensionless",
        "sciml fit --config pretrain/poisson --model.network.size 1M --run_dir runs/small",
        "sciml fit --config finetune/poisson --data.num_train_samples 64",
    ],
    "validate": [f"sciml validate --config {_RUN}/config.yaml"],
    "test": [
        f"sciml test --config {_RUN}/config.yaml",
        f"sciml test --config {_RUN}/config.yaml --data.datasets data/poisson_5_10",
        "sciml test steady-mixture-640K",
    ],
    "predict": [
        f"sciml predict --config {_RUN}/config.yaml",
        f"sciml predict --ckpt_path {_RUN} --input mine.npz --output u.npz",
    ],
}
_CLASSES = (
    "; `--model.help PretrainingModule`\n(FineTuningModule, or another class) shows what a model "
    "takes."
)


def asks_for_page_of_run(words: Sequence[str]) -> bool:
    """Tell whether a command line asks for one of these pages.

    Those of `sciml predict --input` and `sciml test OPERATOR` come from the functions they call.
    """
    is_of_file = any(word.partition("=")[0] == "--input" for word in words)
    is_of_function = is_of_file or names_operator(words)
    return words[0] in OPTIONS and asks_for_page(words) and not is_of_function


def names_operator(words: Sequence[str]) -> bool:
    """Tell whether a command line is `sciml test OPERATOR`."""
    return len(words) > 1 and words[0] == "test" and not words[1].startswith("-")


def page_of_run(verb: str) -> HelpPage:
    """Make the page of a verb that trains or evaluates."""
    return HelpPage(
        usage=f"sciml {verb} {_CONFIG} [--OPTION VALUE ...]",
        summary=SUMMARIES[verb],
        rows=list(OPTIONS[verb].items()),
        examples=EXAMPLES[verb],
        more=f"`sciml {verb} {SHOW_ALL}` shows all options{_CLASSES}",
    )
