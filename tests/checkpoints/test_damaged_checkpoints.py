"""A damaged file of weights is found before it is used: one line, and the file before it."""

import os
import pickle
import resource
import shutil
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from tiny_run import write_run

from lightning_sciml.checkpoints.files import read_checkpoint
from lightning_sciml.checkpoints.resumption import RUN_STATE, checkpoint_to_resume
from lightning_sciml.checkpoints.writing import WholeFileCheckpointIO
from lightning_sciml.cli.main import main
from lightning_sciml.errors import InputError, ReportedError

PAGE = 4096


def run_config(folder, dataset, **options) -> str:
    """The YAML of a tiny run in `folder`."""
    trainer = {"max_epochs": 1, **options}
    return str(write_run(folder, [dataset], trainer=trainer, checkpoint_every_n_steps=2))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, datasets):
    """A finished run, its config, and an export of it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    config = run_config(folder, datasets["poisson_1_5"])
    main(["fit", "--config", config])
    best = str(folder / "checkpoints/best.ckpt")
    main(["export", best, "--format=safetensors", "--output", str(folder / "export")])
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run, to be damaged."""
    shutil.copytree(finished, tmp_path / "run")
    text = finished.with_suffix(".yaml").read_text().replace(str(finished), str(tmp_path / "run"))
    (tmp_path / "run.yaml").write_text(text)
    return tmp_path / "run"


def one_bit(content: bytearray, rng: np.random.Generator) -> None:
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)


def zero_page(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content) // PAGE + 1)) * PAGE
    size = len(content[start : start + PAGE])
    content[start : start + PAGE] = bytes(size)


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def same(a, b) -> bool:
    """Whether two trees of plain values and tensors are equal, bit by bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def fuzz(file, read, num_cases, seed) -> int:
    """Read `num_cases` damaged versions of a file: each is the original or rejected in one line.

    Returns how many were rejected.
    """
    original, whole = read(file), file.read_bytes()
    rng, messages = np.random.default_rng(seed), []
    for case in range(num_cases):
        content = bytearray(whole)
        (one_bit, one_bit, zero_page, cut)[case % 4](content, rng)
        file.write_bytes(content)
        try:
            got = read(file)
        except InputError as error:
            messages.append(str(error))
        else:
            assert same(original, got), case
    file.write_bytes(whole)
    assert all(str(file.parent) in m and len(m.splitlines()) == 1 for m in messages)
    return len(messages)


def state(path):
    return WholeFileCheckpointIO().load_checkpoint(path)


def weights(path):
    checkpoint = read_checkpoint(path)
    return {"weights": checkpoint.weights, "provenance": checkpoint.provenance}


def check_damage(run, num_cases):
    for seed, (name, read) in enumerate(
        [
            ("checkpoints/last.ckpt", state),
            ("checkpoints/best.ckpt", weights),
            ("export/model.safetensors", lambda path: weights(path.parent)),
            ("export/config.json", lambda path: weights(path.parent)),
        ]
    ):
        # What is not covered by a checksum is padding and fields that nothing reads.
        assert fuzz(run / name, read, num_cases, seed) > 0.8 * num_cases


def test_damage_is_rejected_or_without_effect(run):
    check_damage(run, 24)


@pytest.mark.slow
def test_damage_of_every_kind_is_rejected_or_without_effect(run):
    check_damage(run, 400)


def flip_in_weights(path):
    """Flip one bit of the largest tensor, as a disk would."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(content)


def zero_a_page(path):
    content = bytearray(path.read_bytes())
    content[PAGE : 2 * PAGE] = bytes(PAGE)
    path.write_bytes(content)


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def edit(change):
    def edited(path):
        content = torch.load(path, weights_only=True)
        change(content)
        torch.save(content, path)

    return edited


def without_a_tensor(path):
    """Leave out one member of the archive, every checksum of the others intact."""
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: archive.read(m) for m in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            if not name.endswith("/data/3"):
                archive.writestr(name, content)


def damage_pickle(path):
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: archive.read(m) for m in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content[:-40] if name.endswith("data.pkl") else content)


def become_folder(path):
    path.unlink()
    path.mkdir()


def become_pipe(path):
    path.unlink()
    os.mkfifo(path)


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("malicious-code-was-run",)


def become_malicious(path):
    torch.save({name: Malicious() for name in RUN_STATE}, path)


def become_plain_pickle(path):
    path.write_bytes(pickle.dumps({"state_dict": {"w": [1.0]}}))


def compress(path):
    """Keep every member and checksum, but compressed: a small file that may fill the memory."""
    with zipfile.ZipFile(path) as archive:
        members = {m.filename: archive.read(m) for m in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))


DAMAGES = [
    flip_in_weights,
    zero_a_page,
    cut_short,
    without_a_tensor,
    damage_pickle,
    become_folder,
    become_pipe,
    become_malicious,
    become_plain_pickle,
    compress,
    bomb,
    edit(lambda content: content.pop("loops")),
    edit(lambda content: content["state_dict"].update(w=[1.0])),
]
IDS = [d.__name__ for d in DAMAGES[:-2]] + ["no_loops", "a_list_for_a_tensor"]


@pytest.mark.parametrize("damage", DAMAGES, ids=IDS)
def test_the_checkpoint_before_a_damaged_one_is_resumed_from(run, damage, monkeypatch):
    monkeypatch.chdir(run)
    folder = run / "checkpoints"
    damage(folder / "last.ckpt")
    with pytest.warns(UserWarning, match=r"last\.ckpt is damaged .* resuming from .*previous"):
        assert checkpoint_to_resume(folder).name == "previous.ckpt"
    assert not (run / "malicious-code-was-run").exists()
    # The damaged file does not replace the whole one when the next is written.
    WholeFileCheckpointIO().save_checkpoint(state(folder / "previous.ckpt"), folder / "last.ckpt")
    assert same(state(folder / "previous.ckpt"), state(folder / "last.ckpt"))
    assert (folder / "last.ckpt.damaged").exists()
    damage(folder / "last.ckpt")
    damage(folder / "previous.ckpt")
    with pytest.raises(InputError, match=r"no checkpoint in .* is whole"):
        checkpoint_to_resume(folder)
    with pytest.raises(InputError, match=r"cannot be resumed from"):
        state(folder / "last.ckpt")


@pytest.mark.parametrize("damage", DAMAGES[:-2], ids=IDS[:-2])
def test_weights_of_a_damaged_checkpoint_are_rejected(run, damage, monkeypatch):
    monkeypatch.chdir(run)
    damage(run / "checkpoints/best.ckpt")
    with pytest.raises(InputError, match=r"best\.ckpt cannot be read as a training checkpoint"):
        read_checkpoint(run / "checkpoints/best.ckpt")
    assert not (run / "malicious-code-was-run").exists()


@pytest.mark.parametrize("damage", [flip_in_weights, become_folder, become_plain_pickle])
def test_a_damaged_checkpoint_of_the_papers_code_is_rejected(run, damage):
    path = run / "ckpt.tar"
    torch.save({"model_state": {"module.fc0.weight": torch.zeros(4096)}}, path)
    with pytest.raises(InputError, match=r"is of another network \(KeyError"):
        read_checkpoint(path)
    damage(path)
    with pytest.raises(InputError, match=r"ckpt\.tar cannot be read as a training checkpoint"):
        read_checkpoint(path)


def error_line(arguments, capsys) -> str:
    with pytest.raises(SystemExit):
        main([str(a) for a in arguments])
    [line] = [x for x in capsys.readouterr().err.splitlines() if "error:" in x]
    return line


def test_every_verb_rejects_a_damaged_checkpoint_in_one_line(run, capsys):
    config, best, last = f"{run}.yaml", run / "checkpoints/best.ckpt", run / "checkpoints/last.ckpt"
    flip_in_weights(best)
    for verb in ("validate", "test", "predict"):
        assert f"{best} cannot be read" in error_line([verb, "--config", config], capsys)
    foreign = run / "foreign.ckpt"
    become_plain_pickle(foreign)
    fit = ["fit", "--config", config, "--trainer.max_epochs", "2"]
    message = error_line([*fit, "--ckpt_path", foreign], capsys)
    assert f"{foreign} cannot be resumed from: it is no archive of torch.save" in message
    message = error_line([*fit, "--ckpt_path", run / "export"], capsys)
    assert "cannot be resumed from" in message

    def lose(content):
        del content["state_dict"]["operator.network.lifting.bias"]

    edit(lose)(last)
    assert "the network wants operator.network.lifting.bias (4,)" in error_line(fit, capsys)


@contextmanager
def full_disk(limit=30_000):
    """Limit the size of files, as a disk without space would: both are an OSError of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_full_disk_leaves_what_was_written(run, name):
    path = run / "checkpoints" / name
    before = path.read_bytes()
    with full_disk(), pytest.raises(ReportedError, match=r"cannot be written \(File too large\)"):
        WholeFileCheckpointIO().save_checkpoint({"weights": torch.zeros(100_000)}, path)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("verb", "message"),
    [
        ("fit", "ckpt cannot be written (File too large)"),
        ("predict", "has no space for the predictions (File too large)"),
        ("test", "a write failed (File too large)"),
    ],
)
def test_a_run_on_a_full_disk_ends_in_one_line_and_can_be_resumed(run, capsys, verb, message):
    arguments = [verb, "--config", f"{run}.yaml"]
    if verb == "fit":
        arguments += ["--trainer.max_epochs", "2"]
    before = {p: p.read_bytes() for p in run.rglob("*.ckpt")}
    with full_disk():
        assert message in error_line(arguments, capsys)
    assert {p: p.read_bytes() for p in run.rglob("*.ckpt")} == before
    assert not list((run / "predictions").glob("*"))
    main(arguments)
    if verb == "fit":
        assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 10


def test_an_export_without_its_checksum_is_rejected(tmp_path):
    from safetensors.torch import save_file

    save_file({"network.w": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match=r"a folder without a file config\.json"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text('{"operator": {}}')
    with pytest.raises(InputError, match="not written by sciml export"):
        read_checkpoint(tmp_path)


def test_a_checkpoint_in_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "best.ckpt").mkdir()
    (tmp_path / "best.ckpt/mine").touch()
    with pytest.raises(ReportedError, match=r"best\.ckpt cannot be written"):
        WholeFileCheckpointIO().save_checkpoint({"n": 1}, tmp_path / "best.ckpt")
    assert [p.name for p in tmp_path.iterdir()] == ["best.ckpt"]
