"""Released operators: their cards, making them from runs, and meeting their numbers again.

The folders beside these modules are the operators, each with config.json, model.safetensors and
README.md, its card.
"""
