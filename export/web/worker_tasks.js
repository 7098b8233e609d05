/** What the worker does for the page; `remote_pose.js` asks for it. */

import { UserError } from './errors.js';
import { HandPose } from './hand_pose.js';
import { pixelsOf } from './pictures.js';
import { setPlaces } from './runtime.js';
import { HandTracker } from './tracker.js';

let pose = null;
let tracker = null;

const TASKS = {
  async load({ poseUrl, detectorUrl, accelerator, places }) {
    setPlaces(places);
    pose = await HandPose.load(poseUrl, detectorUrl, accelerator);
    return { jointNames: pose.jointNames, scaleBone: pose.scaleBone, runsOn: pose.runsOn };
  },

  async predict({ bitmap, options }) {
    return pose.predict(pixelsOfBitmap(bitmap), options);
  },

  async follow({ bitmap, seconds, maxHands, isFirst }) {
    if (isFirst || tracker === null) tracker = new HandTracker(pose, maxHands);
    tracker.maxHands = maxHands;
    return tracker.update(pixelsOfBitmap(bitmap), seconds);
  },
};

/**
 * Do a task.
 *
 * @param {{task: string, parts: Object}} asked
 * @returns {Promise<{value: any} | {error: string, isForUser: boolean}>}
 */
export async function answerOf({ task, parts }) {
  try {
    return { value: await TASKS[task](parts) };
  } catch (error) {
    if (!(error instanceof UserError)) console.error(error);
    return { error: `${error?.message ?? error}`, isForUser: error instanceof UserError };
  }
}

function pixelsOfBitmap(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext('2d', { willReadFrequently: true }).drawImage(bitmap, 0, 0);
  bitmap.close();
  return pixelsOf(canvas);
}
