/** LiteRT.js: where it lies, how it is loaded, and whether WebGPU runs a network. */

import { UserError } from './errors.js';

/** What runs a network, and how the page calls it. */
export const ACCELERATORS = { webgpu: 'WebGPU', wasm: 'WebAssembly' };
/** Runs by which the two are compared in speed. */
const TIMED_RUNS = 5;
/** How far their outputs may differ: in their own unit, and by their size. */
const [DIFFERENCE, DIFFERENCE_SHARE] = [0.02, 0.005];

let places = null;
let liteRt = null;

/**
 * Say where LiteRT.js lies, in a worker: workers heed no import map.
 *
 * @param {{core: string, wasmUtils: string}} given addresses of its two modules
 */
export function setPlaces(given) {
  places = given;
}

/** What `setPlaces` needs, by the import map of the page. */
export function placesOfPage() {
  return {
    core: import.meta.resolve('@litertjs/core'),
    wasmUtils: import.meta.resolve('@litertjs/wasm-utils'),
  };
}

/** LiteRT.js, loaded once. */
export function loadRuntime() {
  liteRt ??= (async () => {
    const { core } = places ?? placesOfPage();
    const runtime = await importRuntime();
    const wasm = new URL('../wasm/', core);
    // In a worker, LiteRT.js would look for its WebAssembly beside the worker.
    if (places !== null) self.Module = { locateFile: (name) => new URL(name, wasm).href };
    // Networks run on WebGPU in part. What the CPU does between waits for the GPU, which needs JSPI.
    const jspi = await hasWebGpu();
    await runtime.loadLiteRt(wasm.href, { jspi });
    return { runtime, canUseWebGpu: jspi && runtime.getWebGpuDevice() != null };
  })().catch((error) => {
    liteRt = null;
    console.error(error);
    throw new UserError(
      'LiteRT.js could not be loaded. Has `npm install` been run in the folder of this page?',
    );
  });
  return liteRt;
}

async function importRuntime() {
  if (places === null) return import('@litertjs/core');
  const response = await fetch(places.core);
  if (!response.ok) throw new Error(`${places.core}: ${response.status}`);
  const text = await response.text();
  const whole = text.replace(/(["'])@litertjs\/wasm-utils\1/g, JSON.stringify(places.wasmUtils));
  const address = URL.createObjectURL(new Blob([whole], { type: 'text/javascript' }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Whether this browser has a GPU for LiteRT.js, and can wait for it. */
async function hasWebGpu() {
  if (!('Suspending' in WebAssembly) || !globalThis.navigator?.gpu) return false;
  try {
    return (await navigator.gpu.requestAdapter()) !== null;
  } catch {
    return false;
  }
}

/**
 * Which of two backends of one network is to be used: that on WebGPU if it gives what the other
 * gives, and is faster.
 *
 * @param {import('./backend.js').Backend} onCpu
 * @param {import('./backend.js').Backend} onGpu
 * @param {boolean} evenIfSlower
 * @returns {Promise<import('./backend.js').Backend>}
 */
export async function chosen(onCpu, onGpu, evenIfSlower) {
  const side = onCpu.sizePx;
  const image = Uint8Array.from({ length: 3 * side * side }, (_, place) => {
    const pixel = Math.floor(place / 3);
    return (pixel % side) + 40 * (place % 3) + (Math.floor(pixel / side) % 64);
  });
  try {
    const [expected, told] = [await onCpu.run(image), await onGpu.run(image)];
    if (!agree(expected, told)) {
      console.warn(`${onCpu.name} gives something else on WebGPU: it runs on WebAssembly.`);
      return onCpu;
    }
    if (evenIfSlower) return onGpu;
    return (await fastestRunMs(onGpu, image)) < (await fastestRunMs(onCpu, image)) ? onGpu : onCpu;
  } catch (error) {
    console.warn(error);
    return onCpu;
  }
}

/** Whether outputs by name are the same, but for rounding. */
export function agree(expected, told) {
  return Object.entries(expected).every(([name, values]) =>
    values.every(
      (value, place) =>
        Math.abs(told[name]?.[place] - value) <= DIFFERENCE + DIFFERENCE_SHARE * Math.abs(value),
    ),
  );
}

async function fastestRunMs(backend, image) {
  let least = Infinity;
  for (let run = 0; run < TIMED_RUNS; run += 1) {
    const start = performance.now();
    await backend.run(image);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}
