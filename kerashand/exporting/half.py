"""Models whose kernels have 16 bits, in half the room; they are computed in float.

Kernels alone, but for the first layer's. A joint moves less than half as far as with the
converter's own rounding, which takes in biases, the picture's scaling and the first layer. In
TFLite files the largest kernels outside of the 2D network have 8 bits, with a scale for each output
channel: no joint's place in the picture depends on them.
"""

from __future__ import annotations

import re

import numpy as np

from kerashand.exporting.quantization import NETWORK
from kerashand.networks import NETWORKS

FIRST_LAYERS = {name: spec.first_layer for name, spec in NETWORKS.items()} | {
    "detector": "down2_conv"
}
NUMBERED = r"(_\d+)*/"
"""End of a scope: Keras and TensorFlow number names that occur again."""
FIRST_LAYER = ".*(" + "|".join(n + NUMBERED + k + NUMBERED for n, k in FIRST_LAYERS.items()) + ")"
KERNEL_INPUT = 1
"""Place of the kernel among the inputs of a TFLite operation that has one."""
EMPTY_BUFFER = 0
"""Of tensors that are computed, by the format."""
DEQUANTIZE_VERSION = 5
"""Of TFLite's operation: the first that takes 16 bits, and 8 bits with a scale for each channel."""
LARGE = 100_000
"""Numbers in a kernel from which on it has 8 bits outside of the 2D network."""


def half_tflite(content: bytes, layers: str = ".*") -> bytes:
    """A TFLite model with each kernel in 16 bits and an operation that widens it.

    LiteRT widens constants once, when it loads a file.

    Args:
        content: of a file in fp32.
        layers: which ones, as a pattern of the names of their outputs.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model = flatbuffer_utils.convert_bytearray_to_object(content)
    widen = schema.OperatorCodeT()
    widen.builtinCode = widen.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    widen.version = DEQUANTIZE_VERSION
    narrowed: dict[int, int] = {}  # constants by number; signatures share them
    for graph in model.subgraphs:
        kernels, computed = _kernels(schema, model, graph, layers=layers), []
        for operator in graph.operators:
            for number in kernels.intersection(operator.inputs.tolist()):
                kernel = graph.tensors[number]
                held = schema.TensorT()
                held.name, held.shape = kernel.name + b"_narrow", kernel.shape
                _narrow(schema, model, kernel, held=held, narrowed=narrowed)
                kernel.buffer = EMPTY_BUFFER  # no constant any more: it is computed
                graph.tensors.append(held)
                widening = schema.OperatorT()
                widening.opcodeIndex = len(model.operatorCodes)
                widening.inputs = np.array([len(graph.tensors) - 1], np.int32)
                widening.outputs = np.array([number], np.int32)
                widening.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
                widening.builtinOptions = schema.DequantizeOptionsT()
                computed.append(widening)
                kernels.remove(number)
            computed.append(operator)
        graph.operators = computed
    model.operatorCodes.append(widen)
    _drop_unread(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _kernels(schema, model, graph, *, layers: str) -> set[int]:
    """Numbers of the tensors of a graph that are kernels, but for the first layer's."""
    operators = schema.BuiltinOperator
    with_kernel = (operators.CONV_2D, operators.DEPTHWISE_CONV_2D, operators.FULLY_CONNECTED)
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    found = set()
    for operator in graph.operators:
        name = graph.tensors[operator.outputs[0]].name.decode()
        chosen = re.match(layers, name) and not re.match(FIRST_LAYER, name)
        if codes[operator.opcodeIndex] in with_kernel and chosen:
            number = int(operator.inputs[KERNEL_INPUT])
            kernel = graph.tensors[number]
            constant = model.buffers[kernel.buffer].data is not None
            if constant and kernel.type == schema.TensorType.FLOAT32:
                found.add(number)
    return found


def _narrow(schema, model, kernel, *, held, narrowed: dict[int, int]) -> None:
    """Give a tensor the type and values of a kernel in 16 or 8 bits."""
    values = np.frombuffer(bytes(model.buffers[kernel.buffer].data), np.float32)
    values = values.reshape(kernel.shape)
    large = values.size >= LARGE and not re.match(NETWORK, kernel.name.decode())
    if large:
        values, held.quantization = _in_8_bits(schema, values)
        held.type = schema.TensorType.INT8
    else:
        values, held.type = values.astype(np.float16), schema.TensorType.FLOAT16
    if kernel.buffer not in narrowed:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        narrowed[kernel.buffer] = len(model.buffers)
        model.buffers.append(buffer)
    held.buffer = narrowed[kernel.buffer]


def _in_8_bits(schema, values: np.ndarray):
    """Integers of -127..127, and a scale for each output channel, which is the first axis."""
    most = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = np.maximum(most, 1e-12).astype(np.float32) / np.float32(127.0)
    shape = (-1, *[1] * (values.ndim - 1))
    parameters = schema.QuantizationParametersT()
    parameters.scale = scale
    parameters.zeroPoint = np.zeros(len(scale), np.int64)
    parameters.quantizedDimension = 0
    return np.rint(values / scale.reshape(shape)).astype(np.int8), parameters


def _drop_unread(model) -> None:
    """Empty the constants that nothing reads any more."""
    read = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    read |= {entry.buffer for entry in model.metadata or ()}
    for number, held in enumerate(model.buffers):
        if number not in read:
            held.data = None


def half_onnx(graph):
    """An ONNX model with each kernel in 16 bits and a cast before it.

    Computed in 16 bits the score maps have too few digits: on rendered hands joints moved by up to
    0.2 px. ONNX Runtime casts once, when it loads the file.

    Args:
        graph: onnx.ModelProto in fp32, which is changed.
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
