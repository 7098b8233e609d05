"""The page's models in a worker, WebGPU, and its hands in space, in headless Chromium."""

import subprocess

import cv2
import numpy as np
import pytest
from browser_pages import CHROMIUM, FLAGS, WEB, needs_browser, page_runner, pngs

from kerashand.runtime import HandPose

pytestmark = needs_browser
run_page = pytest.fixture(page_runner)

SOFTWARE_GPU = (
    "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan",
    "--use-vulkan=swiftshader", "--ignore-gpu-blocklist",
)  # fmt: skip


@pytest.fixture(scope="module")
def photograph():
    path = WEB.parents[1] / "docs" / "images" / "hand.jpg"
    return np.ascontiguousarray(cv2.imread(str(path))[:, :, ::-1])


OPENED = """
    const find = await openPage('');
    const page = find('status').ownerDocument.defaultView;
    chooseFile(find, new File([await blobOf('0.png')], 'a.png', { type: 'image/png' }));
    await until('hands', () => find('hands').children.length || shownError(find));
"""


def test_the_page_itself_loads_no_model(run_page, photograph):
    """The longest time between two ticks of the page's clock is printed."""
    answer = run_page(
        OPENED
        + """
        const loaded = page.performance.getEntriesByType('resource').map(({ name }) => name);
        const ticks = [page.performance.now()];
        const clock = page.setInterval(() => ticks.push(page.performance.now()), 5);
        find('status').textContent = '';
        for (const option of ['1', '3']) {
          find('max-hands').value = option;
          find('max-hands').dispatchEvent(new Event('change'));
          await until('a result', () => /^[0-9]+ hand/.test(find('status').textContent));
          find('status').textContent = '';
        }
        page.clearInterval(clock);
        ticks.push(page.performance.now());
        const longest = Math.max(...ticks.slice(1).map((tick, k) => tick - ticks[k]));
        return { loaded, longest, runsOn: find('runs-on').textContent, error: shownError(find) };
        """,
        pngs([photograph]),
    )
    print(f"longest stall {answer['longest']:.0f} ms")
    assert answer["error"] is None
    assert answer["runsOn"] == "The models run on WebAssembly, beside the page."
    names = " ".join(answer["loaded"])
    assert "remote_pose.js" in names
    assert not any(name in names for name in (".tflite", ".wasm", "litert_wasm", "hand_pose.js"))


def test_workers_that_do_not_run_are_told(run_page):
    answer = run_page(
        """
        const { RemotePose } = await import('/remote_pose.js');
        const { UserError } = await import('/errors.js');
        const models = ['/models/hand_pose.tflite', '/models/hand_detector.tflite'];
        const told = (promise) => promise.then(
          () => 'no error', (error) => `${error instanceof UserError}: ${error.message}`);
        const { Worker } = window;
        const answer = {};
        answer.accelerator = await told(RemotePose.load(...models, 'tpu'));
        window.Worker = class { constructor() { throw new DOMException('not allowed'); } };
        answer.refused = await told(RemotePose.load(...models, 'auto'));
        window.Worker = class extends Worker { constructor() { super('/none.js'); } };
        answer.missing = await told(RemotePose.load(...models, 'auto'));
        window.Worker = undefined;
        answer.none = await told(RemotePose.load(...models, 'auto'));
        return answer;
        """
    )
    assert answer["accelerator"] == "true: accelerator must be auto, webgpu or wasm. Received: tpu"
    assert answer["refused"] == (
        "true: The browser did not start the worker that runs the models: not allowed"
    )
    assert answer["missing"].startswith("true: The worker that runs the models has stopped")
    assert answer["none"].startswith("true: This browser cannot run the models beside the page.")


def test_a_page_from_a_folder_says_what_to_do(tmp_path):
    flags = (*FLAGS, f"--user-data-dir={tmp_path}", "--dump-dom")
    done = subprocess.run(
        [CHROMIUM, *flags, (WEB / "index.html").as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    (line,) = [line for line in done.stdout.splitlines() if 'id="error"' in line]
    assert "This page has to come from a server. Run `npm start`" in line
    assert "hidden" not in line


def test_webgpu_gives_the_same_joints(run_page, photograph):
    """On a GPU in software, which is slower: so it is asked for."""
    answer = run_page(
        """
        if (!navigator.gpu || !(await navigator.gpu.requestAdapter())) return null;
        const { RemotePose } = await import('/remote_pose.js');
        const models = ['/models/hand_pose.tflite', '/models/hand_detector.tflite'];
        const pose = await RemotePose.load(...models, 'webgpu');
        const { readPicture } = await import('/pictures.js');
        const canvas = await readPicture(await blobOf('0.png'));
        const hands = await pose.predict(canvas, { maxHands: 1 });
        return { runsOn: pose.runsOn, hands: hands.map(plain) };
        """,
        pngs([photograph]),
        flags=SOFTWARE_GPU,
    )
    if answer is None:
        pytest.skip("this Chromium has no WebGPU in software")
    assert answer["runsOn"] == "WebGPU"
    (hand,), (expected,) = answer["hands"], HandPose.load().predict(photograph, max_hands=1)
    assert hand["handedness"] == expected.handedness
    np.testing.assert_allclose(np.reshape(hand["uvPx"], (21, 2)), expected.uv_px, atol=1.0)


IN_SPACE = """
    const { SpaceView } = await import('/space.js');
    const { JOINT_COLOURS } = await import('/skeleton.js');
    const [canvas, button] = ['canvas', 'button'].map((kind) => document.body.appendChild(
      document.createElement(kind)));
    canvas.style = 'width: 300px; height: 300px; display: block; border: 0 solid grey';
    const view = new SpaceView(canvas, button, 'wrist_middle_mcp');
    const drawn = () => new Promise((resolve) => requestAnimationFrame(
      () => requestAnimationFrame(resolve)));
    const middleOf = (joint) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      let [sum, count] = [0, 0];
      for (let pixel = 0; pixel < data.length / 4; pixel += 1) {
        if (JOINT_COLOURS[joint].every((value, k) => data[4 * pixel + k] === value)) {
          sum += pixel % width;
          count += 1;
        }
      }
      return [sum / count, count];
    };
    const both = async () => {
      await drawn();
      return { thumb: middleOf(4), little: middleOf(20) };
    };
    const hand = { handedness: 'right', xyzRelative: XYZ };
    const answer = { buttons: [button.textContent] };
    view.letTurn(false);
    view.view.turnDeg = 0;
    view.show([{ number: 0, hand }], false);
    answer.front = await both();
    view.show([{ number: 0, hand }], true);
    answer.mirrored = await both();
    answer.turn = view.view.turnDeg;
    view.show([{ number: 0, hand }, { number: 1, hand }], false);
    answer.two = await both();
    view.show([], false);
    answer.none = await both();
    const drag = (type, x, y) => canvas.dispatchEvent(
      new PointerEvent(type, { clientX: x, clientY: y, pointerId: 1 }));
    canvas.setPointerCapture = () => {};
    button.click();
    answer.buttons.push(button.textContent);
    drag('pointerdown', 100, 100);
    answer.buttons.push(button.textContent);
    const before = view.view.turnDeg;
    drag('pointermove', 140, 110);
    drag('pointerup', 140, 110);
    drag('pointermove', 300, 300);
    answer.dragged = [(view.view.turnDeg - before + 360) % 360, view.view.elevationDeg];
    canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }));
    answer.keyed = (view.view.turnDeg - before + 360) % 360;
    view.show([{ number: 0, hand }], false);
    button.click();
    const start = view.view.turnDeg;
    await new Promise((resolve) => setTimeout(resolve, 400));
    answer.turned = (view.view.turnDeg - start + 360) % 360;
    return answer;
"""


def test_hands_in_space(run_page):
    """The right hand of test_panels.py: the thumb is left from the front, right from behind."""
    xyz = np.zeros((21, 3))
    for finger, x in enumerate((-0.5, -0.25, 0.0, 0.15, 0.3)):
        for joint, height in enumerate((0.2, 0.4, 0.6, 0.8) if finger == 0 else (1, 1.3, 1.5, 1.7)):
            xyz[1 + 4 * finger + joint] = (x, -height, 0.0)
    answer = run_page(IN_SPACE.replace("XYZ", str(xyz.ravel().tolist())))
    assert answer["front"]["thumb"][0] < 150 < answer["front"]["little"][0]
    assert answer["mirrored"]["thumb"][0] > 150 > answer["mirrored"]["little"][0]
    assert answer["turn"] == 180
    assert answer["two"]["thumb"][1] > 0
    assert answer["none"]["thumb"][1] == 0
    assert answer["buttons"] == ["Stop turning", "Stop turning", "Turn"]
    assert answer["dragged"] == [340, 25]  # to the right: round to the left; down: higher
    assert answer["keyed"] == 350
    assert 3 < answer["turned"] < 40  # 12 degrees
