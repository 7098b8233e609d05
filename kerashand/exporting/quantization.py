"""Models in 8 bits and in half precision."""

from __future__ import annotations

import importlib.util
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from kerashand.errors import UserError
from kerashand.exporting.converters import needs_extra, quiet_stderr
from kerashand.exporting.hands import Hands
from kerashand.runtime.backends import JOINTS_SIGNATURE, XYZ_SIGNATURE
from kerashand.runtime.litert import open_interpreter

NETWORK = r"(^|.*[/;])(lite|cpm)(_\d+)*/"
"""Scope of the 2D network in names of operations."""
SCORE_MAPS = r".*(heatmaps_\d|score\d)"
"""Not in 8 bits: the expectation over a map and the regressor live of small differences."""
FIRST_LAYER = r".*(down2_conv|cpm(_\d+)*/conv1_1(_\d+)*/)"
"""Of `lite` and of the CPM."""
REGRESSOR = r".*depth_regressor(_\d+)*/"


def has_quantizer() -> bool:
    """Whether the package for TFLite's quantisation is installed."""
    return importlib.util.find_spec("ai_edge_quantizer") is not None


def half_tflite(content: bytes) -> bytes:
    """A TFLite model with kernels of 16 bits, but for the first layer's.

    The converter's own rounding takes in biases and the picture's scaling as well; with them and
    the few weights of the first layer in float a joint moves less than half as far.
    """
    quantizer, operations = _quantizer(content)
    for operation in (operations.CONV_2D, operations.DEPTHWISE_CONV_2D, operations.FULLY_CONNECTED):
        quantizer.add_weight_only_config(".*", operation, 16, algorithm_key="float_casting")
    quantizer.update_quantization_recipe(
        FIRST_LAYER, operations.ALL_SUPPORTED, algorithm_key="no_quantize"
    )
    return _quantized(quantizer)


def dynamic_tflite(content: bytes) -> bytes:
    """A TFLite model with weights of 8 bits, activations rounded while it runs."""
    quantizer, operations = _quantizer(content)
    quantizer.add_dynamic_config(".*", operations.ALL_SUPPORTED, 8)
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
    with needs_extra("8 bits", "ai-edge-quantizer"):
        from ai_edge_quantizer import qtyping, quantizer
    return quantizer.Quantizer(content), qtyping.TFLOperationName


# ------------------------------------------------------------------------------------------- ONNX


def onnx_model(graph, precision: str, hands: Hands | None):
    """An ONNX model in another precision.

    Args:
        graph: onnx.ModelProto in fp32.
        precision: fp16, dynamic_int8 or int8.
        hands: for int8.
    """
    with needs_extra(f"ONNX in {precision}", "onnxruntime"):
        import onnx
        from onnxruntime import quantization as ort
    if precision == "fp16":
        return _half(graph)
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


def _half(graph):
    """Kernels of 16 bits, but for the first layer's, with a cast before each; computed in float.

    Computed in 16 bits the score maps have too few digits: on rendered hands joints moved by up to
    0.2 px. ONNX Runtime casts once, when it loads the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    first = {
        name for node in graph.graph.node if re.match(FIRST_LAYER, node.name) for name in node.input
    }
    casts = []
    for tensor in graph.graph.initializer:
        kernel = numpy_helper.to_array(tensor)
        if kernel.dtype != np.float32 or kernel.ndim < 2 or tensor.name in first:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(kernel.astype(np.float16), f"{name}_fp16"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], name, to=TensorProto.FLOAT))
    computed = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *computed])
    return graph
