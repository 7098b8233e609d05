/** Boxes of hands in a whole picture, and their handedness, as in kerashand/runtime/detector.py. */

import { Backend } from './backend.js';
import { cut } from './crop.js';
import { UserError } from './errors.js';
import {
  applyInverseAffine,
  boxOverlap,
  cropFromImage,
  inPicture,
  squareAround,
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
 * }} Detection pRight: 0..1, how likely it is a right hand; null where the handedness was given
 */

/**
 * A small network that says for each cell of a map whether a hand's middle lies there. Its outputs:
 * `score` [h, w] 0..1, `box` [h, w, 4] in pixels of the input, `p_right` [h, w] 0..1.
 */
export class Detector {
  /** @param {Backend} backend */
  constructor(backend) {
    this.backend = backend;
    this.sizePx = backend.sizePx;
    /** Score from which on a cell may be a hand. */
    this.threshold = scoreIn(backend, 'threshold', DEFAULT_THRESHOLD);
    /** Score times that of the pose model from which on it is one. */
    this.leastScore = scoreIn(backend, 'least_score', 0);
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
    const { score, box: boxes, p_right: allPRight } = await this.backend.run(crop);
    const cells = [...score.keys()].filter((cell) => score[cell] >= this.threshold);
    cells.sort((first, second) => score[second] - score[first]);
    const found = [];
    for (const cell of cells) {
      const box = [...applyInverseAffine(boxes.subarray(4 * cell, 4 * cell + 4), affine)];
      // Beyond its edges the picture is mirrored, and hands there are reflections.
      const isNew = found.every((other) => boxOverlap(box, other.box) < OVERLAP);
      if (isNew && inPicture(box, picture)) {
        const pRight = allPRight[cell];
        found.push({ box, handedness: handednessOf(pRight), score: score[cell], pRight });
      }
    }
    return found.slice(0, maxHands);
  }

  /**
   * How likely the hand in a box is a right one.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {import('./geometry.js').Box} box
   * @returns {Promise<number>} 0..1
   */
  async pRightIn(picture, box) {
    const affine = cropFromImage(squareAround(box, 2), this.sizePx);
    const { score, p_right: pRight } = await this.backend.run(cut(picture, affine, this.sizePx));
    const side = Math.sqrt(score.length); // the map of a square is square
    const fromMiddle = (index) => (index + 0.5) / side - 0.5;
    let best = 0;
    let bestScore = -Infinity;
    score.forEach((value, cell) => {
      const [row, column] = [fromMiddle(Math.floor(cell / side)), fromMiddle(cell % side)];
      const weighted = value * Math.exp(-((row * row + column * column) / 0.08));
      if (weighted > bestScore) [best, bestScore] = [cell, weighted];
    });
    return pRight[best];
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
