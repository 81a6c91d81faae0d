"""Training on trajectories of a known equation: augmentations, coordinates, conserved means."""

import numpy as np
import pytest
from tiny_run import fit, network, write_run

from lightning_sciml import load_operator, write_dataset
from lightning_sciml.cli.main import main
from lightning_sciml.pde.linear_evolution import Heat

SPLIT = {"train": 6, "val": 2, "test": 2}
n, T, N = 10, 4, 8
NAMES = list(Heat.coefficient_names)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Trajectories that claim to be of the heat equation; imports are not solved again."""
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("sets") / "heat"
    states = {"u": 0.3 + rng.standard_normal((n, T, N, N))}
    numbers = {name: rng.uniform(1, 2, n) for name in NAMES}
    write_dataset(path, states=states, coefficients=numbers, equation="heat", split=SPLIT)
    return path


@pytest.fixture(scope="module")
def pretrained(folder):
    return fit(config(folder, "run", conserves_means=True))


def config(folder, name, datasets=None, **options):
    of_network = network(NAMES, input_fields=["u@-1", "u"], output_fields=["u"])
    how = {"normalization": "standard", "predicts": "increment", "loss": "relative_l2"}
    augmentations = ["square", "superposition", "sign"]
    moved = {"augmentations": augmentations, "coordinates": ["square", "square_average"]}
    return write_run(
        folder.with_name(name),
        datasets or [folder],
        model={"network": of_network, **how, **moved, **options},
        data={"history": 2, "num_unrolled_steps": 2},
        trainer={"max_epochs": 1},
    )


def test_a_trained_operator_keeps_means_in_rollouts(pretrained):
    operator = load_operator(pretrained)
    assert operator.conserves_means
    u = np.random.default_rng(1).standard_normal((2, N, N)).astype("f4")
    numbers = dict.fromkeys(NAMES, 1.5)
    steps = operator.rollout({"u@-1": u[0], "u": u[1]}, 10, **numbers)
    np.testing.assert_allclose(steps.mean((1, 2)), u[1].mean(), atol=1e-6)
    assert abs(steps[-1] - u[1]).max() > 1e-3


def test_the_operator_of_a_checkpoint_is_equivariant(pretrained):
    """Take the coefficients of the moved problem: K ↦ gKgᵀ exchanges k11 and k22."""
    operator = load_operator(pretrained)
    u = np.random.default_rng(2).standard_normal((2, N, N)).astype("f4")
    fields, moved = ({"u@-1": v[0], "u": v[1]} for v in (u, u.transpose(0, 2, 1)))
    step = operator.predict(fields, k11=1.2, k22=1.7, k12=0.1)
    image = operator.predict(moved, k11=1.7, k22=1.2, k12=0.1)
    np.testing.assert_allclose(image, step.T, atol=1e-6)


def test_a_test_asks_for_the_function_of_the_checkpoint(pretrained, capsys):
    path = str(pretrained.with_name("run.yaml"))
    main(["test", "--config", path])
    with pytest.raises(SystemExit):
        main(["test", "--config", path, "--model.conserves_means=false"])
    assert "trained with conserves_means=True, here it is False" in capsys.readouterr().err


def test_fine_tuning_keeps_the_means_that_pre_training_kept(folder, pretrained):
    tuned = write_run(
        folder.with_name("tuned"),
        [folder],
        model={"checkpoint": str(pretrained / "checkpoints/best.ckpt")},
        data={"history": 2},
        trainer={"max_epochs": 1},
        module="FineTuningModule",
    )
    assert load_operator(fit(tuned)).conserves_means


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augmentations": ["boost"]}, "that of heat is heat, which has none; leave boost out"),
        ({"coordinates": ["lattice"]}, "lattice are those of equations Lu = f, heat has none"),
    ],
)
def test_what_heat_does_not_have_is_rejected_at_the_start(folder, capsys, options, message):
    with pytest.raises(SystemExit):
        main(["fit", "--config", str(config(folder, "rejected", **options))])
    assert message in capsys.readouterr().err


def test_imported_trajectories_of_no_equation_have_neither(folder, capsys):
    states = {"u": np.random.default_rng(0).standard_normal((n, T, N, N))}
    numbers = dict.fromkeys(NAMES, np.ones(n))
    path = folder.with_name("unknown")
    write_dataset(path, states=states, coefficients=numbers, split=SPLIT)
    for options, message in (
        ({"conserves_means": True, "augmentations": [], "coordinates": []}, "without any; leave"),
        ({"coordinates": []}, "no equation is known of unknown, by which augmentations"),
    ):
        with pytest.raises(SystemExit):
            main(["fit", "--config", str(config(folder, "rejected", [path], **options))])
        assert message in capsys.readouterr().err
