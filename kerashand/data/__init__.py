"""From files to batches: sample contract, kinds of data, augmentation, mixed-domain pipelines."""
