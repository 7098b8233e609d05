"""What in an exported .onnx file TensorRT refuses or handles badly, before it is on the Jetson.

    python check_onnx.py hand.onnx --description hand.json

Needs the package onnx, 1.16 or newer, and no GPU. The rules are those of TensorRT 10's ONNX parser
as its documentation states them (docs/operators.md of onnx-tensorrt for 10.15); where an older
version differs, the message says so. Passing means that no rule is broken, not that an engine was
built.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import onnx
from onnx import TensorProto, numpy_helper, shape_inference

DESCRIPTION = "kerashand.json"
OPSETS = (9, 24)
OLDER_OPSETS = {"8.5": 17, "10.0": 20}
"""Version of TensorRT -> the newest opset that it reads."""
NO_IMPORTER = """
AffineGrid Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im
Compress ConcatFromSequence ConvInteger DFT Det DynamicQuantizeLinear ImageDecoder MatMulInteger
MaxRoiPool MaxUnpool MelWeightMatrix Multinomial NegativeLogLikelihoodLoss Optional
OptionalGetElement OptionalHasElement QLinearConv QLinearMatMul RegexFullMatch SequenceAt
SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SequenceMap
SoftmaxCrossEntropyLoss SplitToSequence StringConcat StringNormalizer StringSplit TfIdfVectorizer
Unique
"""
UNSUPPORTED = frozenset(NO_IMPORTER.split())
IN_8_BITS = {
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
}
STANDARD_DOMAINS = ("", "ai.onnx")
FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)
QUANTIZED = (TensorProto.INT8, TensorProto.INT4, TensorProto.FLOAT8E4M3FN)
"""What a QuantizeLinear may give and a DequantizeLinear may take."""
UNKNOWN_TYPES = (
    TensorProto.INT16, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64,
    TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128,
)  # fmt: skip
RESIZE_TRANSFORMS = (
    "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners"
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        refused: whether TensorRT builds no engine because of it; else it builds one that is slower
            or less exact, or wants another option.
        kind: an operator, "tensor", "constant", "input", "output" or "file".
        name: which of them.
        what: what is wrong with it, and what helps.
    """

    refused: bool
    kind: str
    name: str
    what: str


def check(model: onnx.ModelProto) -> list[Finding]:
    """Everything that is found in a model."""
    found = list(_check_file(model))
    try:
        # Types and shapes of what lies between the nodes, as far as they follow.
        graph = shape_inference.infer_shapes(_sorted(model) or model).graph
    except shape_inference.InferenceError as error:
        found.append(Finding(True, "file", "", f"its types do not fit together: {error}"))
        graph = model.graph
    found += [*_check_shapes(graph), *_check_types(graph)]
    for node in _nodes(graph):
        found += _check_node(node, graph)
    return found


def report(found: Sequence[Finding]) -> str:
    """A line for each kind of finding, what is refused first."""
    groups: dict[tuple, list[str]] = {}
    for finding in sorted(found, key=lambda finding: not finding.refused):
        groups.setdefault((finding.refused, finding.kind, finding.what), []).append(finding.name)
    lines = []
    for (refused, kind, what), names in groups.items():
        which = (
            f"{len(names)} x {kind}, the first {names[0]}" if names[1:] else f"{kind} {names[0]}"
        )
        lines.append(f"{'refused' if refused else 'note'}: {which.strip()}: {what}")
    return "\n".join(lines)


def _check_file(model: onnx.ModelProto) -> Iterator[Finding]:
    versions = [entry.version for entry in model.opset_import if entry.domain in STANDARD_DOMAINS]
    opset, (least, most) = max(versions, default=0), OPSETS
    if not least <= opset <= most:
        yield Finding(True, "file", "", f"opset {opset}, but TensorRT reads {least} to {most}")
    elif older := [version for version, newest in OLDER_OPSETS.items() if opset > newest]:
        yield Finding(
            False, "file", "", f"opset {opset} is too new for TensorRT {' and '.join(older)}"
        )
    names = [name for node in model.graph.node for name in node.output if name]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Finding(True, "tensor", name, "several nodes give it")
    if (ordered := _sorted(model)) is None:
        yield Finding(True, "file", "", "its nodes form a ring")
    elif list(ordered.graph.node) != list(model.graph.node):
        yield Finding(
            False,
            "file",
            "",
            "its nodes are not in order: TensorRT sorts them, others may refuse it",
        )
    if DESCRIPTION not in [entry.key for entry in model.metadata_props]:
        yield Finding(
            False, "file", "", f"no {DESCRIPTION} in it: kerashand-export did not write it"
        )


def _check_shapes(graph: onnx.GraphProto) -> Iterator[Finding]:
    constants = {value.name for value in graph.initializer}
    for value in graph.input:
        if value.name not in constants and not _static(value):
            yield Finding(
                False, "input", value.name, "its shape is open: give trtexec --shapes; CUDA "
                "graphs and run_tensorrt.py want a fixed one",
            )  # fmt: skip
    for value in graph.output:
        if not _static(value):
            yield Finding(
                False, "output", value.name, "its shape is open or depends on the values; "
                "run_tensorrt.py wants a fixed one",
            )  # fmt: skip


def _check_types(graph: onnx.GraphProto) -> Iterator[Finding]:
    inputs, outputs = ({v.name for v in values} for values in (graph.input, graph.output))
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type.elem_type
        if kind == TensorProto.UINT8 and value.name not in inputs | outputs:
            yield Finding(
                True, "tensor", value.name, "UINT8 may only be an input or output of the network"
            )
        yield from _check_type("tensor", value.name, kind)
    for constant in graph.initializer:
        if constant.data_type == TensorProto.UINT8:
            yield Finding(True, "constant", constant.name, "UINT8 cannot be a constant")
        yield from _check_type("constant", constant.name, constant.data_type)
    if any(constant.data_type == TensorProto.INT64 for constant in graph.initializer):
        yield Finding(
            False,
            "file",
            "",
            "constants of INT64: TensorRT 10 takes them, 8 makes INT32 of them and warns",
        )


def _check_type(kind: str, name: str, held: int) -> Iterator[Finding]:
    if held in UNKNOWN_TYPES:
        yield Finding(True, kind, name, f"TensorRT has no {TensorProto.DataType.Name(held)}")
    if held == TensorProto.DOUBLE:
        yield Finding(False, kind, name, "DOUBLE is made FLOAT, its values clamped to that range")


def _check_node(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[Finding]:
    where = (node.op_type, node.name or ", ".join(node.output))
    if node.domain not in STANDARD_DOMAINS:
        yield Finding(True, *where, f"an operator of {node.domain}: needs a plugin of that name")
    elif node.op_type in UNSUPPORTED:
        advice = "; export fp32 or fp16 instead" if node.op_type in IN_8_BITS else ""
        yield Finding(True, *where, f"TensorRT has no such operator{advice}")
    else:
        yield from _check_uint8(node, where, graph)
        rule = RULES.get("Reduce" if node.op_type.startswith("Reduce") else node.op_type)
        if rule is not None:
            yield from (Finding(True, *where, what) for what in rule(node, graph))


def _check_uint8(
    node: onnx.NodeProto, where: tuple[str, str], graph: onnx.GraphProto
) -> Iterator[Finding]:
    """UINT8 inputs have to go straight into a Cast: not even Transpose takes them."""
    for value in graph.input:
        if value.type.tensor_type.elem_type != TensorProto.UINT8 or value.name not in node.input:
            continue
        if node.op_type != "Cast":
            yield Finding(True, *where, f"takes the UINT8 input {value.name}; only Cast may")
        elif _attribute(node, "to") not in FLOATS:
            yield Finding(True, *where, f"casts the UINT8 input {value.name} to other than float")


def _quantization(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
    """Symmetric, signed and with constant scales is all that TensorRT knows."""
    types = {constant.name: constant.data_type for constant in graph.initializer}
    for value in (*graph.value_info, *graph.input):
        types.setdefault(value.name, value.type.tensor_type.elem_type)
    if node.op_type == "DequantizeLinear" and types.get(node.input[0]) == TensorProto.INT32:
        yield "dequantizes INT32 (a bias); quantize without biases"
    if _constant(node.input[1], graph) is None:
        yield "its scale is not a constant"
    if len(node.input) < 3 or not node.input[2]:
        return
    zero = _constant(node.input[2], graph)
    if zero is None:
        yield "its zero point is not a constant"
    elif zero.data_type not in (*QUANTIZED, TensorProto.INT32):
        yield f"its zero point is {TensorProto.DataType.Name(zero.data_type)}; use INT8"
    elif numpy_helper.to_array(zero).astype("float32").any():
        yield "its zero point is not 0; quantize symmetrically"


def _resize(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
    transform = _attribute(node, "coordinate_transformation_mode", "half_pixel")
    if transform not in RESIZE_TRANSFORMS:
        yield f"coordinate_transformation_mode {transform}; known: {', '.join(RESIZE_TRANSFORMS)}"
    if (mode := _attribute(node, "mode", "nearest")) not in ("nearest", "linear"):
        yield f"mode {mode}; known: nearest, linear"
    if _attribute(node, "antialias", 0):
        yield "antialias"


def _pooling(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
    if len(node.output) > 1 and node.output[1]:
        yield "gives indices too"
    if any(step != 1 for step in _attribute(node, "dilations", [])):
        yield "dilations"


def _constant_axes(node: onnx.NodeProto, graph: onnx.GraphProto) -> Iterator[str]:
    if len(node.input) > 1 and node.input[1] and _constant(node.input[1], graph) is None:
        yield "its axes are not a constant"


RULES = {
    "QuantizeLinear": _quantization,
    "DequantizeLinear": _quantization,
    "Resize": _resize,
    "MaxPool": _pooling,
    "AveragePool": _pooling,
    "Reduce": _constant_axes,
    "Squeeze": _constant_axes,
    "Unsqueeze": _constant_axes,
}


def _sorted(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """The model with each node after those whose outputs it takes; None if there is no way."""
    waiting = list(model.graph.node)
    made = {name for node in waiting for name in node.output}
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.node[:]
    while waiting:
        ready = next((node for node in waiting if not made.intersection(node.input)), None)
        if ready is None:
            return None
        result.graph.node.append(ready)
        waiting.remove(ready)
        made.difference_update(ready.output)
    return result


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, also those of branches and loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for part in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _nodes(part)


def _static(value: onnx.ValueInfoProto) -> bool:
    kind = value.type.tensor_type
    return kind.HasField("shape") and all(d.HasField("dim_value") for d in kind.shape.dim)


def _attribute(node: onnx.NodeProto, name: str, default=None):
    for attribute in node.attribute:
        if attribute.name == name:
            value = onnx.helper.get_attribute_value(attribute)
            return value.decode() if isinstance(value, bytes) else value
    return default


def _constant(name: str, graph: onnx.GraphProto) -> TensorProto | None:
    for constant in graph.initializer:
        if constant.name == name:
            return constant
    for node in graph.node:
        if name in node.output and node.op_type == "Constant":
            return _attribute(node, "value")
    return None


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is found; 1 if TensorRT would refuse the file, 2 if it is none."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument(
        "--description",
        type=Path,
        help="write what the file says about itself, for run_tensorrt.py",
    )
    arguments = parser.parse_args(argv)
    try:
        model = onnx.load(arguments.model)
    except Exception as error:  # protobuf, onnx and the system raise classes of their own
        print(f"check_onnx.py: {arguments.model} is not an ONNX model: {error}", file=sys.stderr)
        return 2
    found = check(model)
    if found:
        print(report(found))
    refused = any(finding.refused for finding in found)
    print(f"{arguments.model}: {'refused' if refused else 'nothing that TensorRT refuses'}")
    if arguments.description is not None:
        described = {entry.key: entry.value for entry in model.metadata_props}.get(DESCRIPTION)
        if described is None:
            print(f"check_onnx.py: there is no {DESCRIPTION} in the file", file=sys.stderr)
            return 2
        arguments.description.write_text(described, encoding="utf-8")
    return int(refused)


if __name__ == "__main__":
    raise SystemExit(main())
