"""A small data set of trajectories to generate: the file, and in this process."""

from pathlib import Path
from typing import Any

from data_gen import solve
from data_gen.decomposition import ShardTask
from data_gen.evolution_configuration import EvolutionConfig
from data_gen.evolution_generation import EvolutionGenerator

CONFIG = Path(__file__).parent / "burgers_small.yaml"
STEPS = 4


def config(*words: str, **options: Any) -> EvolutionConfig:
    """Parse the file, other options and a number of steps."""
    flags = [f"--{name}={value}" for name, value in ({"steps": STEPS} | options).items()]
    _, parsed = solve.parse([f"--config={CONFIG}", "--output=set", *words, *flags])
    assert isinstance(parsed, EvolutionConfig)
    return parsed


def shard(first_index: int = 0, num_samples: int = 3, split: str = "train", **options: Any):
    """Make these trajectories; return the arrays of their shard."""
    generator = EvolutionGenerator(config(**options))
    return generator.shard(ShardTask(0, split, first_index, num_samples)).datasets
