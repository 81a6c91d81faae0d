"""A study small enough to run in a test."""

TRAINER = {"logger": False, "accelerator": "cpu", "devices": 1}


def grid(**changes):
    whole = {
        "datasets": ["poisson_5_10"],
        "inits": ["scratch", "zero_shot", "fine_tune"],
        "pretrainings": ["poisson"],
        "num_samples": [8, 16],
        "learning_rates": [1e-3, 3e-3],
        "seeds": [0, 1],
        "subset_draws": [0, 1, 2],
    }
    return {"grids": [{**whole, **changes}]}
