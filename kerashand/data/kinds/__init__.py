"""Every kind of data, one file each, and the registry of all.

A file declares a `Kind` and holds what reads or makes its samples. Configuration, commands and
pages learn from `KINDS` what there is. To add a data set, write its file and name it here.

The configuration imports this package, so a file imports TensorFlow, OpenCV and all else that is
slow inside its functions.
"""

from kerashand.data.kinds import freihand, photos, rgbd, rhd, stb, synthetic
from kerashand.data.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        synthetic.KIND,
        photos.KIND,
        rhd.KIND,
        *stb.KINDS,
        freihand.KIND,
        rgbd.KIND,
    )
}
"""Name -> kind, in the order of messages and pages."""

ON_DISK = tuple(name for name, kind in KINDS.items() if kind.on_disk)
"""Names of the kinds that read a folder."""

OPTIONS = tuple(dict.fromkeys(option for kind in KINDS.values() for option in kind.options))
"""Keys of `data.source` and `data.target` that some kinds alone read."""
