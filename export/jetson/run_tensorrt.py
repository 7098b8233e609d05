"""Hands in a picture or before a camera, the pose model as a TensorRT engine on the GPU.

    python run_tensorrt.py --engine hand.engine --description hand.json --picture hand.jpg

Crops, passes, detections and tracks are those of `kerashand.runtime`; the engine takes the place of
the .tflite file. Untested: it was written without such a machine.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerashand.cli.arguments import exit_code
from kerashand.errors import UserError
from kerashand.files import read_text
from kerashand.runtime import HandPose
from kerashand.runtime.backends import JOINTS_SIGNATURE, Backend, Outputs
from kerashand.runtime.detector import Detector
from kerashand.runtime.hand_pose import DETECTOR_FILE, packaged_model
from kerashand.runtime.tracker import HandTracker

sys.path.insert(0, str(Path(__file__).parents[1] / "python"))
from hand_on_camera import at_least_one, camera_frames, line_of, read_picture

NUMPY_TYPES = {"UINT8": np.uint8, "FLOAT": np.float32, "HALF": np.float16}


class TensorRTBackend(Backend):
    """An engine that trtexec built from an .onnx file.

    Args:
        engine: file of the engine, for the GPU and the version of TensorRT that built it.
        description: what check_onnx.py wrote about the .onnx file; engines do not keep it.

    Raises:
        UserError: if a file cannot be read or the engine is of another version or kind.
    """

    def __init__(self, engine: Path, description: Path):
        import tensorrt as trt

        try:
            self.metadata = json.loads(read_text(description))
            content = engine.read_bytes()
        except (OSError, ValueError) as error:
            raise UserError(f"A file cannot be read: {error}") from error
        # Kept, as an engine does not keep what made it.
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        self._engine = self._runtime.deserialize_cuda_engine(content)
        if self._engine is None:
            raise UserError(f"{engine} is no engine of TensorRT {trt.__version__} on this GPU.")
        self._context = self._engine.create_execution_context()
        self._cuda = _cuda_runtime()
        self._stream = self._checked(self._cuda.cudaStreamCreate())
        self._host: dict[str, np.ndarray] = {}
        self._device: dict[str, int] = {}
        outputs = []
        for number in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(number)
            shape = tuple(self._engine.get_tensor_shape(name))
            kind = self._engine.get_tensor_dtype(name).name
            if kind not in NUMPY_TYPES or min(shape, default=1) < 0:
                raise UserError(f"{engine}: {name} is {kind} {shape}, which this cannot run.")
            self._host[name] = np.zeros(shape, NUMPY_TYPES[kind])
            self._device[name] = int(self._checked(self._cuda.cudaMalloc(self._host[name].nbytes)))
            self._context.set_tensor_address(name, self._device[name])
            if self._engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT:
                outputs.append(name)
        self.outputs = frozenset(outputs)
        inputs = self._host.keys() - self.outputs
        image = self._host.get("image")
        side = self.metadata.get("image_size_px")
        if inputs != {"image"} or image.shape != (1, side, side, 3) or image.dtype != np.uint8:
            raise UserError(f"{engine} does not take image [1, {side}, {side}, 3] uint8 alone.")
        self.input_shape = image.shape
        self.signatures = (JOINTS_SIGNATURE,)

    def call(self, signature: str, inputs: Mapping[str, np.ndarray]) -> Outputs:
        """Outputs of the engine, which has one signature."""
        kinds = self._cuda.cudaMemcpyKind
        for name, values in inputs.items():
            self._host[name][...] = values
            self._copy(name, to_device=True, kind=kinds.cudaMemcpyHostToDevice)
        if not self._context.execute_async_v3(self._stream):
            raise UserError("The engine failed; TensorRT says above why.")
        for name in self.outputs:
            self._copy(name, to_device=False, kind=kinds.cudaMemcpyDeviceToHost)
        self._checked(self._cuda.cudaStreamSynchronize(self._stream))
        return {name: self._host[name].astype(np.float32) for name in self.outputs}

    def _copy(self, name: str, *, to_device: bool, kind) -> None:
        ends = (self._device[name], self._host[name].ctypes.data)
        to, source = ends if to_device else ends[::-1]
        size = self._host[name].nbytes
        self._checked(self._cuda.cudaMemcpyAsync(to, source, size, kind, self._stream))

    def _checked(self, answer: tuple):
        """What a function of CUDA gives beside its error code."""
        error, *values = answer
        if error != self._cuda.cudaError_t.cudaSuccess:
            raise UserError(f"CUDA: {error}")
        return values[0] if values else None


def _cuda_runtime():
    """The module of cuda-python, which has moved."""
    try:
        from cuda.bindings import runtime
    except ImportError:
        try:
            from cuda import cudart as runtime
        except ImportError as error:
            raise UserError('This needs cuda-python: pip install "cuda-python<13"') from error
    return runtime


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", type=Path, required=True, help="what trtexec wrote")
    parser.add_argument(
        "--description", type=Path, required=True, help="what check_onnx.py --description wrote"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--picture", type=Path)
    source.add_argument("--camera", type=int, metavar="NUMBER")
    parser.add_argument("--max-hands", type=at_least_one, default=2)
    arguments = parser.parse_args(argv)
    return exit_code("run_tensorrt.py", lambda: run(arguments))


def run(arguments: argparse.Namespace) -> None:
    """Print the hands of each frame as JSON lines."""
    # The detector stays on the CPU: while a hand is followed it runs now and then alone.
    detector = Detector.load(packaged_model(DETECTOR_FILE))
    pose = HandPose(TensorRTBackend(arguments.engine, arguments.description), detector)
    if arguments.picture is not None:
        rgb = read_picture(arguments.picture)
        start = time.perf_counter()
        hands = list(enumerate(pose.predict(rgb, max_hands=arguments.max_hands)))
        print_line(0, hands, start)
        return
    tracker, last_s = HandTracker(pose, max_hands=arguments.max_hands), 0.0
    for number, frame in enumerate(camera_frames(arguments.camera)):
        start = time.perf_counter()
        hands = tracker.update(frame.rgb, frame.time_s - last_s)
        last_s = frame.time_s
        print_line(number, hands, start)


def print_line(frame: int, hands: list, start: float) -> None:
    """The line of a frame, as of hand_on_camera.py."""
    taken = 1000 * (time.perf_counter() - start)
    print(json.dumps(line_of(frame, hands, milliseconds=taken)), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
