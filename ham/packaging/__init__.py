"""Results as one archive that can be published, and back from it in place of training."""
