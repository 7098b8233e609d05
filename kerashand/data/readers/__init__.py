"""What the kinds of data sets on disk share: tables of hands, their checks, and their decoding.

A `table.HandTable` holds paths and labels. `checks` says what is wrong with its rows. `decode`
turns them into the raw samples of `kerashand.data.sample` when a batch needs them; `cached` reads
such samples from shards.
"""
