"""The RGB-only model as one file: uint8 crop in, joints out, with a description of itself.

`models` names and loads what can be exported, `served` gives it its signatures, `description` what
a file says about itself. `formats` writes it, `half` and `quantization` make it small. `parity`
runs it again and compares. `kerashand.carried` keeps the weights in a file readable.
"""

from kerashand import keras_setup  # noqa: F401  before anything here imports Keras
from kerashand.carried import load_carried
from kerashand.exporting.description import describe, describe_detector
from kerashand.exporting.formats import check_precision, export
from kerashand.exporting.hands import Hands, rendered_hands
from kerashand.exporting.models import load_exportable, load_model, load_run, save_weights
from kerashand.exporting.parity import ParityError, checked_export, parity_text, report_path
from kerashand.exporting.pictures import Pictures, rendered_pictures
from kerashand.exporting.served import OUTPUTS, SIGNATURES
from kerashand.runtime.backends import FORMATS, PRECISIONS

__all__ = [
    "FORMATS",
    "OUTPUTS",
    "PRECISIONS",
    "SIGNATURES",
    "Hands",
    "ParityError",
    "Pictures",
    "check_precision",
    "checked_export",
    "describe",
    "describe_detector",
    "export",
    "load_carried",
    "load_exportable",
    "load_model",
    "load_run",
    "parity_text",
    "rendered_hands",
    "rendered_pictures",
    "report_path",
    "save_weights",
]
