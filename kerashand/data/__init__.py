"""From files to batches: the sample contract, readers, augmentation, mixed-domain pipelines."""
