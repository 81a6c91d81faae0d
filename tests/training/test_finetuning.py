"""Surgery does what its table says: channels by name, frozen and trained parts, rates."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from lightning.pytorch.strategies import Strategy
from tiny_run import fit, network, write_run

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.cli.main import main
from lightning_sciml.models.fno import FNO
from lightning_sciml.models.low_rank import merged
from lightning_sciml.operators.neural_operator import NeuralOperator
from lightning_sciml.training.weight_transfer import Channels, take_over

CONFIGS = Path(__file__).parents[2] / "launch/configs"
POISSON = ["k11", "k22", "k12"]
ADVECTION = ["v1", "k12", "k11", "k22", "v2"]  # in another order, on purpose


def callback(name, **options):
    return {
        "class_path": f"lightning_sciml.training.weight_constraints.{name}",
        "init_args": options,
    }


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory, datasets):
    folder = tmp_path_factory.mktemp("pretrained")
    config = write_run(folder / "run", [datasets["poisson_1_5"]], trainer={"max_epochs": 1})
    return fit(config) / "checkpoints/best.ckpt"


@pytest.fixture
def tune(tmp_path, datasets, pretrained):
    """Fine-tunes with options; the weights before (as the run started) and after."""

    def run(dataset="poisson_5_10", names=POISSON, checkpoint=pretrained, callbacks=(), **options):
        shutil.rmtree(tmp_path / "tuned", ignore_errors=True)
        config = write_run(
            tmp_path / "tuned",
            [datasets[dataset]],
            module="FineTuningModule",
            model={"network": network(names), "checkpoint": str(checkpoint), **options},
            trainer={"max_epochs": 1, "callbacks": list(callbacks)},
        )
        fit(config)
        return read_checkpoint(tmp_path / "tuned/checkpoints/last.ckpt").weights

    return run


def operator(names):
    torch.manual_seed(0)
    return NeuralOperator(FNO(num_channels=4, num_modes=4, coefficient_names=names))


def test_new_channels_leave_the_pre_trained_function_as_it_is(pretrained):
    checkpoint = read_checkpoint(pretrained)
    assert checkpoint.operator.coefficient_names == tuple(POISSON)
    poisson, advection = operator(POISSON), operator(ADVECTION)
    poisson.load_state_dict(checkpoint.weights)
    channels = Channels(
        own=advection.channel_names, pretrained=poisson.channel_names, axes=advection.channel_axes
    )
    origins = take_over(advection, checkpoint.weights, channels)
    assert {n for n, o in origins.items() if o == "resized"} == {
        "network.lifting.weight",
        "normalization.median_coefficients",
    }
    source, k, v = torch.randn(2, 1, 16, 16), torch.rand(2, 3), torch.rand(2, 2)
    of = {**dict(zip(POISSON, k.T, strict=True)), "v1": v[:, 0], "v2": v[:, 1]}
    shuffled = torch.stack([of[name] for name in ADVECTION], dim=1)
    torch.testing.assert_close(advection.network(source, shuffled), poisson.network(source, k))
    for name, other in zip(POISSON, poisson.normalization.median_coefficients, strict=True):
        assert advection.normalization.median_coefficients[ADVECTION.index(name)] == other


def test_new_scales_come_from_the_downstream_samples(tune, pretrained):
    tuned = tune("advection_diffusion_0p2_1", ADVECTION)
    medians = dict(zip(ADVECTION, tuned["normalization.median_coefficients"], strict=True))
    before = read_checkpoint(pretrained).weights["normalization.median_coefficients"]
    assert [medians[n] for n in POISSON] == list(before)
    assert 0 < medians["v1"] < 1


@pytest.mark.parametrize("statistics", ["pretrained", "downstream"])
def test_whose_statistics_normalise(tune, pretrained, statistics):
    tuned, before = tune(statistics=statistics), read_checkpoint(pretrained).weights
    name = "normalization.median_coefficients"  # the sources of both sets are the same
    assert torch.equal(tuned[name], before[name]) == (statistics == "pretrained")


def test_every_trained_tensor_changes_and_every_frozen_one_does_not(tune, pretrained):
    frozen = ["network.lifting.*", "network.blocks.[01].*"]
    tuned, before = tune(freeze=frozen), read_checkpoint(pretrained).weights
    for name, tensor in before.items():
        if name.startswith("network."):
            is_frozen = name.startswith(("network.lifting", "network.blocks.0", "network.blocks.1"))
            assert torch.equal(tensor, tuned[name]) == is_frozen, name


def trained_tensors(tuned, before):
    """Names of the network's tensors that are not what they were, without updates beside them."""
    names = (name for name in before if name.startswith("network."))
    return {name for name in names if not torch.equal(merged(tuned)[name], before[name])}


@pytest.mark.parametrize(
    ("options", "parts", "num_trained"),
    [
        ({"trains": "pointwise"}, ["lifting", "skip", "projection"], 149),  # 20 + 4·20 + 40 + 9
        ({"trains": "new", "low_rank": 1}, ["spectral"], 1536),  # 4 blocks, 32 modes, 4 + 2·4
        ({"trains": "pointwise", "low_rank": 1}, [""], 149 + 1536),
        ({"trains": "new", "reinitialize": ["*.skip.bias"]}, ["skip.bias"], 16),
    ],
)
def test_one_word_says_what_is_trained(tune, pretrained, tmp_path, options, parts, num_trained):
    tuned, before = tune(**options), read_checkpoint(pretrained).weights
    expected = {n for n in before if n.startswith("network.") and any(part in n for part in parts)}
    assert trained_tensors(tuned, before) == expected
    summary = json.loads((tmp_path / "tuned/summary.json").read_text())
    assert summary["num_trained_parameters"] == num_trained


def test_low_modes_stay_and_high_ones_are_trained_whatever_the_optimizer(tune, pretrained):
    decay = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3, "weight_decay": 0.1}}
    tuned = tune(optimizer=decay, callbacks=[callback("FreezeModes", below=2.5)])
    before = read_checkpoint(pretrained).weights
    name = "network.blocks.1.spectral.weight"
    ny, nx = torch.tensor([0, 1, 2, 3, -4, -3, -2, -1])[:, None], torch.arange(4)
    is_low = (nx**2 + ny**2 < 2.5**2).flatten()
    is_same = (tuned[name] == before[name]).flatten(1).all(dim=1)
    assert torch.equal(is_same, is_low)


def test_a_low_rank_update_trains_beside_frozen_spectral_weights(tune, pretrained, tmp_path):
    tuned, before = tune(low_rank=2), read_checkpoint(pretrained).weights
    stem = "network.blocks.2.spectral.parametrizations.weight"
    assert torch.equal(tuned[f"{stem}.original"], before["network.blocks.2.spectral.weight"])
    assert tuned[f"{stem}.0.A"].abs().max() > 0
    assert torch.linalg.matrix_rank(tuned[f"{stem}.0.A"] @ tuned[f"{stem}.0.B"]).max() == 2
    main(["test", "--config", str(tmp_path / "tuned/config.yaml")])


def test_a_low_rank_result_is_fine_tuned_again(tune, tmp_path):
    tune(low_rank=2)
    first = shutil.copy(tmp_path / "tuned/checkpoints/last.ckpt", tmp_path / "first.ckpt")
    expected = merged(read_checkpoint(first).weights)
    tuned = tune(checkpoint=first, freeze=["network.blocks.*.spectral.*"])
    name = "network.blocks.2.spectral.weight"
    assert torch.equal(tuned[name], expected[name])
    again = tune(checkpoint=first, low_rank=1)
    original = name.replace("weight", "parametrizations.weight.original")
    assert torch.equal(again[original], expected[name])


def test_what_a_config_leaves_out_is_as_the_evaluated_weights_were_trained(
    tune, pretrained, tmp_path
):
    """Zero-shot by the fine-tuning's config, and the tuned weights by the pre-training's."""
    tune()
    tuned = tmp_path / "tuned"
    main(
        ["test", "--config", str(tuned / "config.yaml"), "--ckpt_path", str(pretrained.parents[1])]
    )
    before = str(pretrained.parents[1] / "config.yaml")
    main(["test", "--config", before, "--ckpt_path", str(tuned / "checkpoints/best.ckpt")])


def test_reinitialised_parts_start_anew_with_their_own_rate(tune, pretrained):
    new, loaded = "network.projection.output.weight", "network.projection.hidden.weight"
    options = {"reinitialize": ["network.projection.output.*"], "rate_factors": {"new": 0.0}}
    tuned, before = tune(**options), read_checkpoint(pretrained).weights
    assert not torch.equal(tuned[loaded], before[loaded])
    assert not torch.equal(tuned[new], before[new])
    torch.manual_seed(0)  # as the run was seeded: drawn anew, and at rate 0 left so
    drawn = FNO(num_channels=4, num_modes=4, coefficient_names=POISSON)
    assert torch.equal(tuned[new], drawn.projection.output.weight)


def test_a_stopped_arm_ends_with_the_bits_of_an_undisturbed_one(pretrained, datasets, tmp_path):
    """The random factor of an update is that of the first start, the weight beside it is frozen."""
    constant = {"class_path": "torch.optim.lr_scheduler.ConstantLR", "init_args": {"factor": 1.0}}
    arm = {"low_rank": 2, "trains": "pointwise", "scheduler": constant}
    for name, stops in {"resumed": (2, 5), "undisturbed": (5,)}.items():
        for stop in stops:
            config = write_run(
                tmp_path / name,
                [datasets["poisson_1_5"]],
                module="FineTuningModule",
                model={"checkpoint": str(pretrained), **arm},
                trainer={"max_steps": stop, "max_epochs": -1},
            )
            fit(config)
    one, other = (
        read_checkpoint(tmp_path / name / "checkpoints/last.ckpt").weights
        for name in ("resumed", "undisturbed")
    )
    torch.testing.assert_close(one, other, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ["network.head.*"]}, "freeze names network.head.*, no tensor fits"),
        ({"freeze": ["network.*"]}, "nothing is left to train"),
        ({"trains": "new"}, "nothing is left to train with trains=new"),
        ({"low_rank": 0}, "low_rank must be at least 1, got 0"),
        ({"rate_factors": {"head": 2.0}}, "rate_factors names head"),
        ({"normalization": "dimensionless"}, "set statistics to downstream"),
        (
            {"network": network(POISSON, conditioning="film")},
            "the network wants network.modulation.hidden.weight, network.modulation.hidden.bias, "
            "network.modulation.output.weight, network.modulation.output.bias, which ",
        ),
    ],
)
def test_invalid_surgery_is_rejected(tune, capsys, options, message):
    with pytest.raises(SystemExit):
        tune(**options)
    assert message in capsys.readouterr().err


def test_a_network_gets_modulation_as_the_message_says(tune, pretrained, capsys):
    """It begins at zero: the first prediction is that of the checkpoint."""
    film = network(POISSON, conditioning="film")
    with pytest.raises(SystemExit):
        tune(network=film)
    patterns = ["network.modulation.hidden.*", "network.modulation.output.*"]
    assert f"lacks; name {', '.join(patterns)} in reinitialize" in capsys.readouterr().err
    still = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    tuned = tune(network=film, reinitialize=patterns, optimizer=still)
    assert not tuned["network.modulation.output.weight"].any()
    before = read_checkpoint(pretrained).weights
    assert all(torch.equal(tuned[name], tensor) for name, tensor in before.items())


def test_a_checkpoint_tells_its_origin_and_an_export_loads_back(pretrained, tmp_path, tune, capsys):
    main(["inspect", str(pretrained)])
    out = capsys.readouterr().out
    for fact in ("poisson_1_5", "checksum", "versions", "network.lifting.weight", "num_modes: 4"):
        assert fact in out
    main(
        ["export", str(pretrained), "--format=safetensors", "--output", str(tmp_path / "exported")]
    )
    described = json.loads((tmp_path / "exported/config.json").read_text())
    assert described["operator"]["coefficient_names"] == POISSON
    exported, original = (read_checkpoint(p) for p in (tmp_path / "exported", pretrained))
    assert all(torch.equal(exported.weights[n], w) for n, w in original.weights.items())
    assert set(exported.weights) == set(original.weights)
    tune(checkpoint=tmp_path / "exported")


def test_a_checkpoint_of_the_papers_code_is_taken_over(tmp_path, tune):
    """Layout: {"model_state": {"module.fc0.weight": …}}, no normalisation."""
    ours = FNO(num_channels=4, num_modes=4, coefficient_names=POISSON).state_dict()
    theirs = {}
    for their, our in {
        "fc0": "lifting",
        "fc1": "projection.hidden",
        "fc2": "projection.output",
    }.items():
        theirs |= {f"module.{their}.{p}": ours[f"{our}.{p}"] for p in ("weight", "bias")}
    for i in range(4):
        both = ours[f"blocks.{i}.spectral.weight"].view(2, 4, 4, 4, 2, 4).permute(0, 3, 5, 1, 2, 4)
        theirs[f"module.sp_convs.{i}.weights1"], theirs[f"module.sp_convs.{i}.weights2"] = both
        theirs[f"module.ws.{i}.weight"] = ours[f"blocks.{i}.skip.weight"][..., None]
        theirs[f"module.ws.{i}.bias"] = ours[f"blocks.{i}.skip.bias"]
    path = tmp_path / "ckpt.tar"
    torch.save({"iters": 3, "model_state": theirs, "optimizer_state_dict": {}}, path)
    read = read_checkpoint(path).weights
    assert all(torch.equal(read[f"network.{name}"], tensor) for name, tensor in ours.items())
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    tuned = tune(checkpoint=path, statistics="downstream", optimizer=sgd)
    assert all(torch.equal(tuned[f"network.{name}"], tensor) for name, tensor in ours.items())


def test_the_table_shows_every_tensors_fate(tune, caplog):
    adam = {"class_path": "torch.optim.Adam", "init_args": {"lr": 1e-3}}
    tune(
        dataset="advection_diffusion_0p2_1",
        names=[*POISSON, "v1", "v2"],
        optimizer=adam,
        freeze=["network.blocks.0.*"],
        reinitialize=["network.projection.output.*"],
        rate_factors={"new": 10.0},
    )
    lines = (line.split() for line in caplog.text.splitlines())
    fates = {words[0]: words[1:] for words in lines if words}
    assert fates["network.lifting.weight"] == ["4×6", "resized", "trained", "at", "0.01"]
    assert fates["network.blocks.0.skip.weight"] == ["4×4", "loaded", "frozen"]
    assert fates["network.blocks.1.skip.weight"] == ["4×4", "loaded", "trained", "at", "0.001"]
    assert fates["network.projection.output.bias"] == ["1", "new", "trained", "at", "0.01"]


def test_weights_that_have_learnt_in_other_coordinates_are_pointed_out(tune):
    with pytest.warns(UserWarning, match=r"coordinates \[\], this run has \['lattice'\]"):
        tune(coordinates=["lattice"])


def test_random_columns_start_as_drawn_and_pre_trained_ones_as_loaded(tune, pretrained):
    names = [*POISSON, "v1", "v2"]
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0}}
    options = {"dataset": "advection_diffusion_0p2_1", "names": names, "optimizer": sgd}
    tuned = tune(new_columns="random", **options)["network.lifting.weight"]
    torch.manual_seed(0)  # as the run was seeded
    drawn = FNO(num_channels=4, num_modes=4, coefficient_names=names).lifting.weight
    assert torch.equal(tuned[:, 4:], drawn[:, 4:])
    assert torch.equal(tuned[:, :4], read_checkpoint(pretrained).weights["network.lifting.weight"])
    assert (tune(new_columns="zero", **options)["network.lifting.weight"][:, 4:] == 0).all()


def test_a_tensor_without_counterpart_is_rejected_unless_named(tune, pretrained, tmp_path, capsys):
    content = torch.load(pretrained, weights_only=True)
    weights = content["state_dict"]
    bias = weights.pop("operator.network.projection.output.bias")
    weights["operator.network.head.weight"] = bias
    torch.save(content, tmp_path / "other.ckpt")
    missing = {"reinitialize": ["network.projection.output.bias"]}
    for options, message in (
        ({}, "name network.projection.output.bias in reinitialize"),
        (missing, "no place for network.head.weight"),
        ({**missing, "ignore": ["network.tail.*"]}, "ignore names network.tail.*, no tensor fits"),
    ):
        with pytest.raises(SystemExit):
            tune(checkpoint=tmp_path / "other.ckpt", **options)
        assert message in capsys.readouterr().err
    tune(checkpoint=tmp_path / "other.ckpt", ignore=["network.head.*"], **missing)


def test_sharded_weights_are_not_compared_with_what_they_were(tune, capsys, monkeypatch):
    every = "lightning_sciml.training.weight_constraints.ShardedParameters"
    monkeypatch.setattr(every, Strategy)  # whatever strategy shards, without its processes
    with pytest.raises(SystemExit):
        tune(callbacks=[callback("FreezeModes", below=2.0)])
    assert "needs whole parameters on every rank" in capsys.readouterr().err


def test_coefficients_in_another_order_are_not_taken_for_each_other(pretrained, capsys):
    config = str(pretrained.parents[1] / "config.yaml")
    order = "--model.init_args.network.init_args.coefficient_names=[k22,k11,k12]"
    with pytest.raises(SystemExit):
        main(["test", "--config", config, order])
    assert "give them in that order" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "recipe", "before", "after", "num_coefficients"),
    [
        ("poisson", "paper", "poisson_1_5", "poisson_5_10", 3),
        ("advection_diffusion", "dimensionless", "advection_diffusion_0p2_1", "poisson_5_10", 5),
        ("helmholtz", "dimensionless", "helmholtz_1_10", "helmholtz_1_10", 1),
    ],
)
def test_shipped_configs_take_network_and_recipe_from_the_checkpoint(
    name, recipe, before, after, num_coefficients, tmp_path, datasets
):
    here = [
        *("--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.max_epochs=1"),
        *("--trainer.enable_progress_bar=false", "--trainer.logger=false", "--data.batch_size=8"),
    ]
    overlay = [f"--config={CONFIGS}/recipe/dimensionless.yaml"] * (recipe == "dimensionless")
    main(
        [
            *("fit", f"--config={CONFIGS}/pretrain/{name}.yaml", *overlay, *here),
            "--model.init_args.network.init_args.size=64K",
            *(f"--run_dir={tmp_path / 'pretrained'}", f"--data.datasets=[{datasets[before]}]"),
        ]
    )
    best = tmp_path / "pretrained/checkpoints/best.ckpt"
    main(
        [
            *("fit", f"--config={CONFIGS}/finetune/{name}.yaml", *here),
            *("--data.num_train_samples=8", "--trainer.check_val_every_n_epoch=1"),
            f"--model.init_args.checkpoint={best}",
            *(f"--run_dir={tmp_path / 'tuned'}", f"--data.datasets=[{datasets[after]}]"),
        ]
    )
    pretrained = read_checkpoint(best).operator
    tuned = read_checkpoint(tmp_path / "tuned/checkpoints/best.ckpt").operator
    assert len(tuned.coefficient_names) == num_coefficients
    for kept in ("network", "loss", "normalization", "coordinates", "augmentations"):
        assert getattr(tuned, kept) == getattr(pretrained, kept), kept
    assert tuned.normalization == recipe
