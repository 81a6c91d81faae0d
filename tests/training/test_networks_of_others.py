"""Networks written by users: what does not fit is found before the first step, what fits works."""

import re
from types import SimpleNamespace

import pytest
import torch
from tiny_run import write_run
from torch import nn
from torch.nn.functional import gelu

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.checkpoints.plain_state import is_readable, reject_unreadable
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError

COEFFICIENTS = ("k11", "k22", "k12")


class Pointwise(nn.Module):
    """A network of a few lines, as a user writes it."""

    coefficient_names = COEFFICIENTS

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 1, 1)

    def forward(self, source, coefficients):
        spread = coefficients[:, :, None, None].expand(-1, -1, *source.shape[-2:])
        return self.layer(torch.cat([source, spread], dim=1))


class TwoChannels(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients).expand(-1, 2, -1, -1)


class OneColumn(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients)[..., :1]


class NoBatch(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients)[0]


class NoChannel(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients)[:, 0]


class Pair(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients), source


class Complex(Pointwise):
    def forward(self, source, coefficients):
        return super().forward(source, coefficients).to(torch.complex64)


class Signed(Pointwise):
    """A network of which an option decides the function, and no tensor."""

    def __init__(self, sign: float = 1.0):
        super().__init__()
        self.sign = sign

    def forward(self, source, coefficients):
        return self.sign * super().forward(source, coefficients)


class ExtraState(Pointwise):
    def get_extra_state(self):
        return {"function": gelu}

    def set_extra_state(self, state):
        self.function = state["function"]


class Subclass(torch.Tensor):
    """A tensor of a class of its own, which is not read back without running code."""


class OwnTensors(Pointwise):
    def __init__(self):
        super().__init__()
        self.register_buffer("own", torch.ones(2).as_subclass(Subclass))


class Described(nn.Module):
    """A module whose state_dict holds its constructor's arguments, as neuraloperator's do."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(4, 1, 1)

    def state_dict(self, *args, **kwargs):
        state = super().state_dict(*args, **kwargs)
        state["_metadata"] = {"non_linearity": gelu, "conv_module": nn.Conv2d}
        return state


class Wrapped(Pointwise):
    def __init__(self):
        super().__init__()
        self.layer = Described()

    def forward(self, source, coefficients):
        spread = coefficients[:, :, None, None].expand(-1, -1, *source.shape[-2:])
        return self.layer.layer(torch.cat([source, spread], dim=1))


class NeuralOperator(Pointwise):
    """neuraloperator's FNO as the README invites it."""

    def __init__(self):
        super().__init__()
        from neuralop.models import FNO

        self.layer = FNO(
            n_modes=(4, 4), in_channels=4, out_channels=1, hidden_channels=4, n_layers=2
        )


@pytest.fixture
def fit(tmp_path, datasets):
    """The command line of a run with one of these networks."""

    def arguments(network, *more, name="run", **options):
        network = {"class_path": f"{__name__}.{network.__name__}"}
        path = write_run(
            tmp_path / name,
            [datasets["poisson_1_5"]],
            model={"network": network, "compile": False, **options},
            trainer={"max_epochs": 1},
        )
        return ["fit", "--config", str(path), *map(str, more)]

    return arguments


def error_line(arguments, capsys) -> str:
    with pytest.raises(SystemExit):
        main(arguments)
    [line] = [x for x in capsys.readouterr().err.splitlines() if "error:" in x]
    return line


MISFITS = [
    (TwoChannels, r"field \(8, 1, 32, 32\) .* got \(8, 2, 32, 32\) of torch.float32"),
    (OneColumn, r"got \(8, 1, 32, 1\)"),
    (NoBatch, r"got \(1, 32, 32\)"),
    (NoChannel, r"got \(8, 32, 32\)"),
    (Pair, r"got a tuple; change the forward of Pair"),
    (Complex, r"got \(8, 1, 32, 32\) of torch.complex64"),
    (ExtraState, r"network\._extra_state \(of get_extra_state\) is lost"),
    (
        OwnTensors,
        r"state_dict\.operator\.network\.own would be part of .* got .*Subclass",
    ),
]


@pytest.mark.parametrize(
    ("network", "message"), MISFITS, ids=[network.__name__ for network, _ in MISFITS]
)
def test_what_does_not_fit_is_found_before_the_first_step(
    fit, capsys, monkeypatch, network, message
):
    def no_step(optimizer, closure):
        closure()
        pytest.fail("a step was taken")

    monkeypatch.setattr(torch.optim.Adam, "step", no_step)
    assert re.search(message, error_line(fit(network), capsys))


@pytest.mark.parametrize("verb", ["validate", "test", "predict", "fine-tune"])
def test_every_verb_compares_shapes(fit, tmp_path, capsys, monkeypatch, verb):
    """The user edits the network's forward after its training."""
    arguments = [verb, *fit(Pointwise)[1:]]
    main(["fit", *arguments[1:]])
    if verb == "fine-tune":
        best = tmp_path / "run/checkpoints/best.ckpt"
        arguments = fit(Pointwise, name="tuned", checkpoint=str(best))
        path = tmp_path / "tuned.yaml"
        path.write_text(path.read_text().replace("PretrainingModule", "FineTuningModule"))
    forward = Pointwise.forward
    monkeypatch.setattr(
        Pointwise, "forward", lambda self, f, c: forward(self, f, c).expand(-1, 2, -1, -1)
    )
    assert "must return a real field" in error_line(arguments, capsys)
    assert not list(tmp_path.glob("*/predictions/*.h5"))
    assert not (tmp_path / "tuned").exists()


def test_another_option_or_class_of_a_network_is_another_function(fit, capsys):
    """Its tensors have the same names and shapes."""
    main(fit(Signed))
    sign = "--model.init_args.network.init_args.sign=-1"
    told = "was trained with network.init_args.sign=1.0, here it is -1.0"
    for verb in ("validate", "test", "predict"):
        main([verb, *fit(Signed)[1:]])
        assert told in error_line([verb, *fit(Signed)[1:], sign], capsys)
    message = error_line(["test", *fit(Pointwise)[1:]], capsys)
    assert "was trained with network.class_path=Signed, here it is Pointwise" in message


def check_whole_life(fit, tmp_path, network):
    """Fit, resume, validate, test, predict, export, fine-tune from both."""
    main(fit(network))
    main(fit(network, "--trainer.max_epochs", 2))
    last, best = (tmp_path / f"run/checkpoints/{name}.ckpt" for name in ("last", "best"))
    assert torch.load(last, weights_only=True)["global_step"] == 10
    for verb in ("validate", "test", "predict"):
        main([verb, *fit(network)[1:]])
    export = tmp_path / "weights.safetensors"
    main(["export", str(best), "--format=safetensors", "--output", str(export)])
    for source in (best, export):
        arguments = fit(network, name=source.stem, checkpoint=str(source))
        path = tmp_path / f"{source.stem}.yaml"
        path.write_text(path.read_text().replace("PretrainingModule", "FineTuningModule"))
        main(arguments)
        assert (tmp_path / source.stem / "checkpoints/best.ckpt").exists()
    assert all(isinstance(w, torch.Tensor) for w in read_checkpoint(best).weights.values())


def test_a_network_that_describes_itself_in_its_state_works(fit, tmp_path):
    assert "layer._metadata" not in Wrapped().state_dict()
    assert "_metadata" in Wrapped().state_dict()
    check_whole_life(fit, tmp_path, Wrapped)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_neuraloperators_fno_works(fit, tmp_path):
    """Run where `pip install neuraloperator` has been done: it brings thirty packages."""
    pytest.importorskip("neuralop")
    check_whole_life(fit, tmp_path, NeuralOperator)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"lr_schedulers": [{"f": gelu}]}, r"lr_schedulers\.0\.f would be part .* got .*function"),
        ({"callbacks": {"Mine": {"x": SimpleNamespace()}}}, r"callbacks\.Mine\.x .*Simple"),
        ({"optimizer_states": ({"state": {0: nn.Linear}},)}, r"optimizer_states\.0\.state\.0"),
    ],
)
def test_what_cannot_be_read_back_is_named(state, message):
    with pytest.raises(InputError, match=message):
        reject_unreadable(state)


def test_what_can_be_read_back_passes():
    """Tensors of no kind are copied for that."""
    state = {"w": torch.empty(10**12, device="meta"), "n": [1, None, (2.0, "x")]}
    reject_unreadable(state)
    assert is_readable({"a": torch.zeros(2)})
