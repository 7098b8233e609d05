/**
 * Boxes of hands in a whole picture, which way they point, and their handedness, as in
 * kerashand/runtime/detector.py.
 */

import { Backend } from './backend.js';
import { cut } from './crop.js';
import { UserError } from './errors.js';
import {
  applyInverseAffine,
  boxOverlap,
  cropFromImage,
  inPicture,
  squareAround,
  uprightOf,
} from './geometry.js';
import { isBetween, shown } from './recipe.js';

const OVERLAP = 0.35;
const DEFAULT_THRESHOLD = 0.5;
/** How many more detections than hands are asked for are read: the pose model decides. */
export const SPARE_HANDS = 2;

/**
 * What may be a hand.
 *
 * @typedef {{
 *   box: import('./geometry.js').Box,
 *   handedness: 'left' | 'right',
 *   score: number,
 *   pRight: number | null,
 *   uprightRad?: number,
 * }} Detection pRight: 0..1, how likely it is a right hand; null where the handedness was given.
 *   uprightRad: by how much the picture is turned so that the hand's fingers point up
 */

/**
 * A small network that says for each cell of a map whether a palm's middle lies there. Its outputs:
 * `score` [h, w] 0..1, `box` [h, w, 4] in pixels of the input, `p_right` [h, w] 0..1, and `up`
 * [h, w, 2], a vector from the wrist to the middle finger's knuckle, 1 long where it is sure. A
 * detector of before lacks `up`.
 */
export class Detector {
  /** @param {Backend} backend */
  constructor(backend) {
    this.backend = backend;
    this.sizePx = backend.sizePx;
    /** Score from which on a cell may be a hand. */
    this.threshold = scoreIn(backend, 'threshold', DEFAULT_THRESHOLD);
    /** Length of `up` from which on the first crop of a hand is turned. */
    this.leastUp = scoreIn(backend, 'least_up', 0);
  }

  /**
   * Load an exported detector.
   *
   * @param {string} url
   * @param {'auto' | 'webgpu' | 'wasm'} accelerator as of `Backend.load`
   * @returns {Promise<Detector>}
   */
  static async load(url, accelerator) {
    return new Detector(await Backend.load(url, 'hand_detector', accelerator));
  }

  /**
   * What may be hands of a picture, the surest first.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {number} maxHands
   * @returns {Promise<Detection[]>}
   */
  async detect(picture, maxHands) {
    const { width, height } = picture;
    const view = squareAround([-0.5, -0.5, width - 0.5, height - 0.5]);
    const affine = cropFromImage(view, this.sizePx);
    const crop = cut(picture, affine, this.sizePx);
    const outputs = await this.backend.run(crop);
    const { score, box: boxes } = outputs;
    const cells = [...score.keys()].filter((cell) => score[cell] >= this.threshold);
    cells.sort((first, second) => score[second] - score[first]);
    const found = [];
    for (const cell of cells) {
      const box = [...applyInverseAffine(boxes.subarray(4 * cell, 4 * cell + 4), affine)];
      // Beyond its edges the picture is mirrored, and hands there are reflections.
      const isNew = found.every((other) => boxOverlap(box, other.box) < OVERLAP);
      if (isNew && inPicture(box, picture)) {
        found.push({ box, score: score[cell], ...this.saidOf(outputs, cell) });
      }
    }
    return found.slice(0, maxHands);
  }

  /** Whether it says which way a hand points. */
  get saysUp() {
    return this.backend.outputs.has('up');
  }

  /**
   * The hand in a box, as sure as can be: its handedness, and which way it points.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./geometry.js').Box} box
   * @returns {Promise<Detection>}
   */
  async seenIn(picture, box) {
    const affine = cropFromImage(squareAround(box, 2), this.sizePx);
    const outputs = await this.backend.run(cut(picture, affine, this.sizePx));
    const { score } = outputs;
    const side = Math.sqrt(score.length); // the map of a square is square
    const fromMiddle = (index) => (index + 0.5) / side - 0.5;
    let best = 0;
    let bestScore = -Infinity;
    score.forEach((value, cell) => {
      const [row, column] = [fromMiddle(Math.floor(cell / side)), fromMiddle(cell % side)];
      const weighted = value * Math.exp(-((row * row + column * column) / 0.08));
      if (weighted > bestScore) [best, bestScore] = [cell, weighted];
    });
    return { box, score: 1, ...this.saidOf(outputs, best) };
  }

  /** What it says in a cell of the handedness and the direction of a hand. */
  saidOf({ p_right: allPRight, up }, cell) {
    const pRight = allPRight[cell];
    const [u, v] = up ? [up[2 * cell], up[2 * cell + 1]] : [0, 0];
    const sure = up && Math.hypot(u, v) >= this.leastUp;
    return { handedness: handednessOf(pRight), pRight, uprightRad: sure ? uprightOf(u, v) : 0 };
  }
}

function scoreIn({ description, name }, key, byDefault) {
  const { [key]: value = byDefault } = description;
  if (isBetween(value, 0, 1)) return value;
  throw new UserError(`${name} says a \`${key}\` that is not 0 to 1. Received: ${shown(value)}`);
}

/** The likelier handedness. */
export function handednessOf(pRight) {
  return pRight >= 0.5 ? 'right' : 'left';
}
