/**
 * Hands in a picture: boxes from the detector or given, joints from the pose model, as in
 * kerashand/runtime/hand_pose.py. `recipe` says how often the network runs and on which crops.
 *
 *     const pose = await HandPose.load('models/hand_pose.tflite', 'models/hand_detector.tflite');
 *     const hands = await pose.predict(context.getImageData(0, 0, width, height));
 */

import { Backend, HEADS } from './backend.js';
import { cut } from './crop.js';
import { Detector, handednessOf, SPARE_HANDS } from './detector.js';
import { UserError } from './errors.js';
import { isSure, LEAST_WEIGHT, meanJoints, meanOf, meanPRight, pHandOf } from './estimates.js';
import {
  applyInverseAffine,
  boxOverlap,
  cropFromImage,
  fits,
  squareAround,
  viewOfJoints,
} from './geometry.js';
import { checkBox, handOf, SCALE_BONES } from './hand.js';
import { recipeOf, shown } from './recipe.js';
import { ACCELERATORS } from './runtime.js';
import { MIDDLE_MCP, NUM_JOINTS, ROOT } from './skeleton.js';

/** @typedef {import('./hand.js').Hand} Hand */

/** The pose model with the detector, ready to run on pictures. */
export class HandPose {
  /**
   * @param {Backend} backend
   * @param {Detector | null} detector without one every picture needs a box
   */
  constructor(backend, detector) {
    this.backend = backend;
    this.detector = detector;
    this.sizePx = backend.sizePx;
    this.jointNames = backend.description.joint_names;
    this.scaleBone = backend.description.scale_bone;
    this.recipe = recipeOf(backend.description);
    this.hasHeads = HEADS.every((name) => backend.outputs.has(name));
  }

  /**
   * Load exported models.
   *
   * @param {string} poseUrl
   * @param {string | null} detectorUrl
   * @param {'auto' | 'webgpu' | 'wasm'} [accelerator] as of `Backend.load`
   * @returns {Promise<HandPose>}
   * @throws {UserError} if a file is missing, damaged or of another kind
   */
  static async load(poseUrl, detectorUrl, accelerator) {
    const backend = await Backend.load(poseUrl, 'hand_pose', accelerator);
    const { joint_names: names, scale_bone: bone } = backend.description;
    const isKnown = names?.[ROOT] === 'wrist' && names[MIDDLE_MCP] === 'middle_mcp';
    if (!isKnown || names.length !== NUM_JOINTS) {
      throw new UserError(`${backend.name} has joints that this page does not know.`);
    }
    if (!SCALE_BONES.includes(bone)) {
      throw new UserError(
        `${backend.name} measures depth by a bone that this page does not know: ${shown(bone)}`,
      );
    }
    const detector = detectorUrl ? await Detector.load(detectorUrl, accelerator) : null;
    return new HandPose(backend, detector);
  }

  /** What runs the models, in words. */
  get runsOn() {
    const [pose, detector] = [this.backend, this.detector?.backend ?? this.backend].map(
      ({ accelerator }) => ACCELERATORS[accelerator],
    );
    return pose === detector ? pose : `${pose} (the detector on ${detector})`;
  }

  /** Whether a detection is a hand, by the detector's score and that of the pose model. */
  isHand(detection, hand) {
    return pHandOf(detection.score, hand.score) >= this.recipe.least_hand;
  }

  /** What may be hands in a picture, the surest first. The pose model decides: `read`, `isHand`. */
  async detect(picture, maxHands) {
    return this.needDetector('A picture without a box').detect(picture, maxHands);
  }

  /**
   * Find the hands of a picture and their joints.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {Object} [options]
   * @param {import('./geometry.js').Box | null} [options.box] around one hand; null looks for hands
   * @param {'left' | 'right' | 'auto'} [options.handedness]
   * @param {number} [options.maxHands] most hands that are looked for
   * @param {number} [options.passes] runs of the network on a hand; else one where that is sure,
   *   and as many as the recipe says where not
   * @returns {Promise<Hand[]>} the surest first; empty if there is none
   */
  async predict(picture, { box = null, handedness = 'auto', maxHands = 2, passes } = {}) {
    if (box !== null) {
      return [await this.read(picture, await this.given(picture, box, handedness), passes)];
    }
    const hands = [];
    for (let detection of await this.detect(picture, maxHands + SPARE_HANDS)) {
      if (handedness !== 'auto') detection = { ...detection, handedness, pRight: null };
      const hand = await this.read(picture, detection, passes, this.recipe.least_hand);
      if (this.isHand(detection, hand)) hands.push(hand);
    }
    const kept = []; // Two detections of one hand lead to the same joints.
    for (const hand of hands.sort((first, second) => second.score - first.score)) {
      const apart = ({ box: other }) => boxOverlap(hand.box, other) < this.recipe.doubled;
      if (kept.every(apart)) kept.push(hand);
    }
    return kept.slice(0, maxHands);
  }

  /**
   * The joints of a detection.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./detector.js').Detection} detection
   * @param {number} [passes] as for `predict`
   * @param {number} [leastHand] there is no second pass where it is less likely a hand by the first
   * @returns {Promise<Hand>}
   */
  async read(picture, detection, passes, leastHand = 0) {
    const square = squareAround(detection.box, this.recipe.margin);
    const view = { ...square, angleRad: detection.uprightRad ?? 0 };
    const estimates = [await this.firstPass(picture, view, detection.handedness)];
    const asks = detection.pRight !== null && this.hasHeads;
    const enough = passes === undefined && isSure(estimates[0], this.recipe);
    if (!enough && pHandOf(detection.score, estimates[0].score) >= leastHand) {
      const wanted = passes ?? this.recipe.passes;
      const extra = wanted > 1 ? this.recipe.extra_passes : 0;
      await this.addPasses(picture, estimates, asks, wanted, wanted + extra);
    }
    const hand = this.handOfPasses(estimates, asks);
    return this.hasHeads ? hand : { ...hand, pRight: detection.pRight };
  }

  /**
   * The hand of the frame before in the next one: one pass where its joints were, and a few more
   * where it has moved on.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {Hand} last
   * @returns {Promise<Hand>}
   */
  async follow(picture, last) {
    const view = viewOfJoints(last.uvPx, this.recipe.margin);
    const estimates = [await this.firstPass(picture, view, last.handedness)];
    await this.addPasses(picture, estimates, false, 1, 1 + this.recipe.extra_passes);
    const now = estimates.at(-1);
    return { ...this.handOfPasses([now], false), pRight: now.pRight };
  }

  /** The hand that the caller's box says is there. */
  async given(picture, box, handedness) {
    checkBox(box, picture);
    const asks = handedness === 'auto';
    if (asks && !this.hasHeads) this.needDetector('A box without a handedness');
    let seen = { box, handedness: 'right', score: 1, pRight: 0.5 };
    if (this.detector && (asks || this.detector.saysUp)) {
      seen = await this.detector.seenIn(picture, box);
    }
    return asks ? seen : { ...seen, handedness, pRight: null };
  }

  /**
   * One run of the network; it sees left hands mirrored, as right ones.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./geometry.js').View} view
   * @param {'left' | 'right'} handedness
   * @returns {Promise<import('./estimates.js').Estimate>}
   */
  async pass(picture, view, handedness) {
    const mirrored = handedness === 'left';
    const affine = cropFromImage(view, this.sizePx, mirrored);
    const outputs = await this.backend.run(cut(picture, affine, this.sizePx));
    const uvPx = applyInverseAffine(outputs.uv_px, affine);
    const confidence = Float64Array.from(outputs.confidence);
    const zRelative = Float64Array.from(outputs.z_relative);
    const told = { handedness, fits: fits(view, uvPx, this.recipe), uvPx, zRelative, confidence };
    if (!this.hasHeads) return { ...told, weight: 1, score: meanOf(confidence), pRight: null };
    const [pRight] = outputs.p_right;
    const [score] = outputs.p_hand;
    return { ...told, weight: 1, score, pRight: mirrored ? 1 - pRight : pRight };
  }

  async firstPass(picture, view, handedness) {
    const weight = Math.max(this.recipe.first_weight, LEAST_WEIGHT);
    return { ...(await this.pass(picture, view, handedness)), weight };
  }

  /** Add passes until `passes` of them count, `most` at most. */
  async addPasses(picture, estimates, asks, passes, most) {
    const { margin, closer, turns_deg: turns } = this.recipe;
    while (estimates.length < most) {
      const handedness = this.handednessBy(estimates, asks);
      const good = estimates.filter((estimate) => counts(estimate, handedness)).length;
      if (good >= passes) return;
      const turn = turns[Math.max(good - 1, 0) % turns.length];
      const view = viewOfJoints(estimates.at(-1).uvPx, margin * closer, turn);
      estimates.push(await this.pass(picture, view, handedness));
    }
  }

  /** By what all passes say; as it was first where nobody asks or the model does not say. */
  handednessBy(estimates, asks) {
    if (!asks) return estimates[0].handedness;
    return handednessOf(meanPRight(estimates));
  }

  /** The mean of the passes that count; of the last where none does. */
  handOfPasses(estimates, asks) {
    const handedness = this.handednessBy(estimates, asks);
    const good = estimates.filter((estimate) => counts(estimate, handedness));
    const joints = meanJoints(good.length ? good : estimates.slice(-1));
    joints.score = this.hasHeads
      ? Math.min(...estimates.map(({ score }) => score))
      : meanOf(joints.confidence);
    const pRight = asks ? meanPRight(estimates) : null;
    return handOf({ handedness, pRight, ...joints }, this.scaleBone);
  }

  needDetector(what) {
    if (this.detector === null) throw new UserError(`${what} needs a detector.`);
    return this.detector;
  }
}

/** Whether a pass saw the hand as it is, where it should be. */
function counts(estimate, handedness) {
  return estimate.fits && estimate.handedness === handedness;
}
