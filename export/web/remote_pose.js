/** The models in a worker, so that the page never waits for them. */

import { UserError } from './errors.js';
import { placesOfPage } from './runtime.js';

const NEWER = 'Take Chrome or Edge 123, Firefox 120, Safari 17.5, or a newer one.';

/** The pose model with the detector, in a worker of its own. */
export class RemotePose {
  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    this.waiting = new Map();
    this.nextId = 0;
    worker.onmessage = ({ data }) => this.settle(data);
    worker.onerror = (event) => {
      event.preventDefault?.();
      const why = event.message ? `: ${event.message}` : '.';
      this.failAll(new UserError(`The worker that runs the models has stopped${why}`));
    };
  }

  /**
   * Load exported models.
   *
   * @param {string} poseUrl
   * @param {string} detectorUrl
   * @param {'auto' | 'webgpu' | 'wasm'} accelerator as of `Backend.load`
   * @returns {Promise<RemotePose>} with `jointNames`, `scaleBone` and `runsOn` of `HandPose`
   * @throws {UserError} if the browser runs no such worker, or a file is missing, damaged or of
   *   another kind
   */
  static async load(poseUrl, detectorUrl, accelerator) {
    const pose = new RemotePose(startWorker());
    const [poseHere, detectorHere] = [poseUrl, detectorUrl].map(
      (url) => new URL(url, document.baseURI).href,
    );
    const parts = { poseUrl: poseHere, detectorUrl: detectorHere, accelerator };
    try {
      return Object.assign(pose, await pose.ask('load', { ...parts, places: placesOfPage() }));
    } catch (error) {
      pose.worker.terminate();
      throw error;
    }
  }

  /**
   * The hands of a picture, as `HandPose.predict` gives them.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {Object} options
   * @returns {Promise<import('./hand.js').Hand[]>}
   */
  async predict(canvas, options) {
    const bitmap = await createImageBitmap(canvas);
    return this.ask('predict', { bitmap, options }, [bitmap]);
  }

  /**
   * The hands of a video's next frame, as `HandTracker.update` gives them.
   *
   * @param {HTMLCanvasElement} canvas
   * @param {{seconds: number, maxHands: number, isFirst: boolean}} frame isFirst: of a new video
   * @returns {Promise<{number: number, hand: import('./hand.js').Hand}[]>}
   */
  async follow(canvas, frame) {
    const bitmap = await createImageBitmap(canvas);
    return this.ask('follow', { bitmap, ...frame }, [bitmap]);
  }

  /** The worker's answer to a task. */
  ask(task, parts, transfer = []) {
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, task, parts }, transfer);
    });
  }

  settle({ id, value, error, isForUser }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(isForUser ? new UserError(error) : new Error(error));
  }

  failAll(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}

function startWorker() {
  if (typeof Worker === 'undefined' || typeof OffscreenCanvas === 'undefined') {
    throw new UserError(`This browser cannot run the models beside the page. ${NEWER}`);
  }
  try {
    return new Worker(new URL('./worker.js', import.meta.url));
  } catch (error) {
    throw new UserError(
      `The browser did not start the worker that runs the models: ${error.message}`,
    );
  }
}
