"""Reports on models: what each sample of a data set gives, what errors depend on, one HTML page.

`assessment` runs a model over batches, `breakdown` reduces its arrays, `verdict` says which of
several is better, `charts` draws, `page` puts all into a file that needs no other (with `gallery`
and pieces of `markup`), `records` writes and reads them for machines.
"""
