/**
 * Hands in a picture: boxes from the detector or given, joints from the pose model, as in
 * kerashand/runtime/hand_pose.py.
 *
 *     const pose = await HandPose.load('models/hand_pose.tflite', 'models/hand_detector.tflite');
 *     const hands = await pose.predict(context.getImageData(0, 0, width, height));
 */

import { Backend } from './backend.js';
import { cut } from './crop.js';
import { UserError } from './errors.js';
import { Detector, handednessOf } from './detector.js';
import {
  applyInverseAffine,
  boxOfJoints,
  cropFromImage,
  fits,
  HAND_MARGIN,
  squareAround,
  viewOfJoints,
} from './geometry.js';
import { NUM_JOINTS } from './skeleton.js';

/** How many more than asked for are looked at: joints decide which of them are hands. */
export const SPARE_HANDS = 2;
/** The detector's word on the side is taken where it is surer than this. */
const SURE_SIDE = 0.05;
/** Logarithm of the odds that a difference of 1 in the mean score of the joints stands for. */
const SIDE_BY_JOINTS = 24;
/** Looks that only tell where to look next, before those that count. */
const MOST_SEARCHES = 3;
/** What the first look counts beside the next. */
const EARLIER_LOOK = 0.25;
/** Squares of further looks, beside that of the joints, and their turns, again from the front. */
const CLOSER = 0.95;
const TURNS_RAD = [0, -Math.PI / 18, Math.PI / 18];
/** Of a joint in a look, so that two scores of 0 have a mean. */
const LEAST_WEIGHT = 1e-6;
const [LEAST_BOX_PX, LARGEST_BOX] = [2, 4];

/**
 * One hand.
 *
 * @typedef {{
 *   side: 'left' | 'right',
 *   score: number,
 *   box: import('./geometry.js').Box,
 *   uvPx: Float64Array,
 *   zRelative: Float64Array,
 *   jointScores: Float64Array,
 * }} Hand
 *   score: 0..1, the mean of the joints', in a picture and in a video alike; the detector's is not in
 *     it, and decides together with it whether there is a hand;
 *   box: around the joints, in pixels of the picture;
 *   uvPx: [K, 2] flat, pixels of the picture;
 *   zRelative: [K] depth behind the wrist in lengths of the scale bone;
 *   jointScores: [K] 0..1
 */

/** The pose model with the detector, ready to run on pictures. */
export class HandPose {
  /**
   * @param {Backend} backend
   * @param {Detector | null} detector without one every picture needs a box and a side
   */
  constructor(backend, detector) {
    this.backend = backend;
    this.detector = detector;
    this.sizePx = backend.sizePx;
    this.jointNames = backend.description.joint_names;
    this.scaleBone = backend.description.scale_bone;
    this.root = this.jointNames.indexOf('wrist');
    this.knuckle = this.jointNames.indexOf('middle_mcp');
  }

  /**
   * Load exported models.
   *
   * @param {string} poseUrl
   * @param {string | null} detectorUrl
   * @returns {Promise<HandPose>}
   * @throws {UserError} if a file is missing, damaged or of another kind
   */
  static async load(poseUrl, detectorUrl) {
    const backend = await Backend.load(poseUrl, 'hand_pose');
    const names = backend.description.joint_names;
    if (names?.length !== NUM_JOINTS || !names.includes('wrist') || !names.includes('middle_mcp')) {
      throw new UserError(`${backend.name} has joints that this page does not know.`);
    }
    return new HandPose(backend, detectorUrl ? await Detector.load(detectorUrl) : null);
  }

  /** The detector's score times that of the joints from which on it is a hand. */
  get leastScore() {
    return this.detector?.leastScore ?? 0;
  }

  /** Whether what was found is a hand, by the detector's score and that of its joints. */
  isHand(found, hand) {
    return found.score * hand.score >= this.leastScore;
  }

  /**
   * What may be hands in a picture, the surest first. Their joints decide: `read`, `isHand`.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {number} maxHands
   * @returns {Promise<import('./detector.js').Detection[]>}
   */
  async find(picture, maxHands) {
    return this.needDetector('A picture without a box').find(picture, maxHands);
  }

  /**
   * Find the hands of a picture and their joints.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {Object} [options]
   * @param {import('./geometry.js').Box | null} [options.box] around one hand; null looks for hands
   * @param {'left' | 'right' | 'auto'} [options.side]
   * @param {number} [options.maxHands] most hands that are looked for
   * @param {number} [options.passes] 1 looks once; 2 looks again, closer and with the fingers up,
   *   where the joints of the first look say; further ones are turned a little to either side
   * @returns {Promise<Hand[]>} the surest first; empty if there is none
   */
  async predict(picture, { box = null, side = 'auto', maxHands = 2, passes = 4 } = {}) {
    if (box !== null) {
      return [await this.read(picture, await this.given(picture, box, side), passes)];
    }
    const hands = [];
    for (const found of await this.find(picture, maxHands + SPARE_HANDS)) {
      const sided = side === 'auto' ? found : { ...found, side, right: null };
      const hand = await this.read(picture, sided, passes, this.leastScore);
      if (this.isHand(found, hand)) hands.push(hand);
    }
    return hands.sort((first, second) => second.score - first.score).slice(0, maxHands);
  }

  /**
   * The joints of a hand that was found.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./detector.js').Detection} found
   * @param {number} passes
   * @param {number} leastScore what after two looks has less, times the detector's score, is not
   *   looked at again
   * @returns {Promise<Hand>}
   */
  async read(picture, found, passes = 2, leastScore = 0) {
    const view = squareAround(found.box, HAND_MARGIN);
    let hand = await this.firstLook(picture, found, view);
    if (passes > 1) hand = await this.settled(picture, view, hand);
    for (let number = 0; number < passes - 1; number += 1) {
      if (number > 0 && found.score * hand.score < leastScore) break;
      const around = this.viewOf(hand);
      const closer = {
        centre: around.centre,
        sidePx: CLOSER * around.sidePx,
        angleRad: around.angleRad + TURNS_RAD[number % TURNS_RAD.length],
      };
      const again = await this.look(picture, closer, hand.handedness);
      hand = blended(hand, again, EARLIER_LOOK + number);
    }
    return hand;
  }

  /**
   * The hand of the frame before in the next one: a look where its joints were, and a look more or
   * a few where it has moved on.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {Hand} last
   * @returns {Promise<Hand>}
   */
  async follow(picture, last) {
    const view = this.viewOf(last);
    return this.settled(picture, view, await this.look(picture, view, last.handedness));
  }

  /** The hand of a look at a view, looked for again until the view fits its joints. */
  async settled(picture, view, hand) {
    for (let search = 0; search < MOST_SEARCHES && !fits(view, hand.uvPx); search += 1) {
      view = this.viewOf(hand);
      hand = await this.look(picture, view, hand.handedness);
    }
    return hand;
  }

  viewOf(hand) {
    return viewOfJoints(hand.uvPx, this.root, this.knuckle);
  }

  /** The hand that the caller's box says is there. */
  async given(picture, box, side) {
    checkBox(box, picture);
    if (side !== 'auto') return { box, side, score: 1, right: null };
    const right = await this.needDetector('A box without a side').rightIn(picture, box);
    return { box, side: handednessOf(right), score: 1, right };
  }

  /** Look where the detector says; with a doubtful side as both, and keep what fits better. */
  async firstLook(picture, { side, right }, view) {
    if (right === null || right <= SURE_SIDE || right >= 1 - SURE_SIDE) {
      return this.look(picture, view, side);
    }
    const asRight = await this.look(picture, view, 'right');
    const asLeft = await this.look(picture, view, 'left');
    const odds = Math.log(right / (1 - right)) + SIDE_BY_JOINTS * (asRight.score - asLeft.score);
    return odds >= 0 ? asRight : asLeft;
  }

  /**
   * One run of the pose model.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./geometry.js').View} view
   * @param {'left' | 'right'} side a left hand is shown mirrored
   * @returns {Promise<Hand>}
   */
  async look(picture, view, side) {
    const affine = cropFromImage(view, this.sizePx, side === 'left');
    const outputs = await this.backend.run(cut(picture, affine, this.sizePx));
    const uvPx = applyInverseAffine(outputs.uv_px, affine);
    const [zRelative, jointScores] = [outputs.z_relative, outputs.confidence];
    return handOf(side, uvPx, Float64Array.from(zRelative), Float64Array.from(jointScores));
  }

  needDetector(what) {
    if (this.detector === null) throw new UserError(`${what} needs a detector.`);
    return this.detector;
  }
}

/**
 * A hand of joints, with the box and the score that follow from them.
 *
 * @returns {Hand}
 */
export function handOf(side, uvPx, zRelative, jointScores) {
  return { side, score: mean(jointScores), box: boxOfJoints(uvPx), uvPx, zRelative, jointScores };
}

/** The mean of what was seen before, which counts so many looks, and of a look. */
function blended(before, now, beforeCounts) {
  const shares = now.jointScores.map((score, k) => {
    const first = beforeCounts * before.jointScores[k] ** 2 + LEAST_WEIGHT;
    const second = score ** 2 + LEAST_WEIGHT;
    return second / (first + second);
  });
  const mix = (a, b, per) => a.map((value, k) => value + shares[Math.floor(k / per)] * (b[k] - value));
  const uvPx = mix(before.uvPx, now.uvPx, 2);
  const zRelative = mix(before.zRelative, now.zRelative, 1);
  return handOf(now.handedness, uvPx, zRelative, mix(before.jointScores, now.jointScores, 1));
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function checkBox(box, { width, height }) {
  const [left, top, right, bottom] = box;
  const side = Math.max(right - left, bottom - top);
  const fits =
    box.length === 4 &&
    box.every(Number.isFinite) &&
    left < Math.min(right, width) &&
    top < Math.min(bottom, height) &&
    right > 0 &&
    bottom > 0 &&
    side >= LEAST_BOX_PX &&
    side <= LARGEST_BOX * Math.max(width, height);
  if (!fits) {
    throw new UserError(
      `A box must be left, top, right, bottom, meet the picture of ${width} x ${height} pixels, ` +
        `and be ${LEAST_BOX_PX} pixels to ${LARGEST_BOX} pictures wide or high. Received: ${box}`,
    );
  }
}
