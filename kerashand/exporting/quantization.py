"""Models in 8 bits."""

from __future__ import annotations

import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

from kerashand.errors import UserError
from kerashand.exporting.converters import quiet_stderr
from kerashand.exporting.hands import Hands
from kerashand.networks import NETWORKS
from kerashand.runtime.backends import JOINTS_SIGNATURE, XYZ_SIGNATURE
from kerashand.runtime.litert import open_interpreter

NETWORK = rf"(^|.*[/;])({'|'.join(NETWORKS)})(_\d+)*/"
"""Scope of the 2D network in names of operations."""
SCORE_LAYERS = sorted({layer for spec in NETWORKS.values() for layer in spec.score_layers})
SCORE_MAPS = rf"{NETWORK}({'|'.join(SCORE_LAYERS)})"
"""Not in 8 bits, and neither is most of the regressor."""
FINE_LAYERS = sorted({layer for spec in NETWORKS.values() for layer in spec.fine_layers})
FINE_MAPS = rf"{NETWORK}({'|'.join([*SCORE_LAYERS, *FINE_LAYERS])})"
"""In float where activations are rounded while a file runs."""
REGRESSOR = r".*depth_regressor(_\d+)*/"


def dynamic_tflite(content: bytes) -> bytes:
    """A TFLite model whose coarse layers have weights of 8 bits, activations rounded as it runs.

    Fine maps and score maps stay in float: rounded like the others, they would move joints twice
    as far.
    """
    quantizer, operations = _quantizer(content)
    quantizer.add_dynamic_config(".*", operations.ALL_SUPPORTED, 8)
    quantizer.update_quantization_recipe(
        f"{FINE_MAPS}.*", operations.ALL_SUPPORTED, algorithm_key="no_quantize"
    )
    return _quantized(quantizer)


def static_tflite(content: bytes, hands: Hands | None) -> bytes:
    """A TFLite model whose 2D network computes in 8 bits.

    Its score maps and what is computed from them stay in float; the regressor's weights have 8
    bits.
    """
    hands = _needed(hands)
    quantizer, operations = _quantizer(content)
    quantizer.add_static_config(f"{NETWORK}.*", operations.ALL_SUPPORTED, 8, 8)
    quantizer.update_quantization_recipe(
        f"{SCORE_MAPS}.*", operations.ALL_SUPPORTED, algorithm_key="no_quantize"
    )
    for operation in (operations.CONV_2D, operations.FULLY_CONNECTED):
        quantizer.add_dynamic_config(f"{REGRESSOR}.*", operation, 8)
    with warnings.catch_warnings(), quiet_stderr():
        signatures = open_interpreter(content).get_signature_list()
        warnings.simplefilter("ignore")  # the interpreter warns that it keeps all tensors
        measured = quantizer.calibrate(
            {name: list(hands.inputs(name)) for name in signatures},
            num_threads=os.cpu_count() or 1,
        )
        return _quantized(quantizer, measured)


def _quantized(quantizer, measured=None) -> bytes:
    with quiet_stderr():
        return bytes(quantizer.quantize(measured, enable_progress_report=False).quantized_model)


def _needed(hands: Hands | None) -> Hands:
    if hands is None:
        raise UserError("int8 needs hands to measure the ranges of activations on.")
    return hands


def _quantizer(content: bytes):
    from ai_edge_quantizer import qtyping, quantizer

    return quantizer.Quantizer(content), qtyping.TFLOperationName


# ------------------------------------------------------------------------------------------- ONNX


def onnx_model(graph, precision: str, hands: Hands | None):
    """An ONNX model in 8 bits.

    Args:
        graph: onnx.ModelProto in fp32.
        precision: dynamic_int8 or int8.
        hands: for int8.
    """
    import onnx
    from onnxruntime import quantization as ort

    with tempfile.TemporaryDirectory() as folder:
        source, prepared, target = (str(Path(folder) / f"{n}.onnx") for n in ("a", "b", "c"))
        onnx.save(graph, source)
        with quiet_stderr():
            ort.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            if precision == "dynamic_int8":
                ort.quantize_dynamic(
                    prepared, target, weight_type=ort.QuantType.QUInt8,
                    op_types_to_quantize=["Conv", "MatMul", "Gemm"],
                )  # fmt: skip
            else:
                # Symmetric, with biases in float: what TensorRT takes too. Weights have 7 bits,
                # since x86 processors without VNNI add products of 8 up to 16 and saturate.
                symmetric = {
                    "ActivationSymmetric": True, "WeightSymmetric": True, "QuantizeBias": False,
                }  # fmt: skip
                ort.quantize_static(
                    prepared, target, _Reader(_needed(hands), [i.name for i in graph.graph.input]),
                    per_channel=True, reduce_range=True, op_types_to_quantize=["Conv"],
                    extra_options=symmetric,
                    nodes_to_exclude=_not_in_network(onnx.load(prepared)),
                )  # fmt: skip
        return onnx.load(target)


def _not_in_network(graph) -> list[str]:
    """Names of the convolutions that stay in float."""
    return [
        node.name
        for node in graph.graph.node
        if not re.match(NETWORK, node.name) or re.match(SCORE_MAPS, node.name)
    ]


class _Reader:
    """Calibration data as ONNX Runtime asks for them."""

    def __init__(self, hands: Hands, names: list[str]):
        signature = XYZ_SIGNATURE if "intrinsics" in names else JOINTS_SIGNATURE
        self._rows = hands.inputs(signature)

    def get_next(self) -> dict[str, Any] | None:
        """The next picture, None after the last."""
        return next(self._rows, None)
