"""One module a data set: each yields the raw samples of `kerashand.data.sample`."""
