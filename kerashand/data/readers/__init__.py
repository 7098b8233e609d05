"""Data sets on disk, one module each: `read(root, split)` gives the hands as a `table.HandTable`.

A table holds paths and labels. `decode` turns its rows into the raw samples of
`kerashand.data.sample` when a batch needs them; `cached` reads such samples from shards.
"""
