"""From shards to a trained operator: data module, normalisation, pre-training, fine-tuning."""
