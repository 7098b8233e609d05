/** The detector: hand boxes and sides in a whole picture, as in kerashand/runtime/detector.py. */

import { Backend } from './backend.js';
import { cut } from './crop.js';
import {
  applyInverseAffine,
  boxOverlap,
  cropFromImage,
  inPicture,
  squareAround,
} from './geometry.js';

const OVERLAP = 0.35;
const DEFAULT_THRESHOLD = 0.5;

/**
 * A hand that was found.
 *
 * @typedef {{
 *   box: import('./geometry.js').Box,
 *   side: 'left' | 'right',
 *   score: number,
 *   right: number | null,
 * }} Detection right: 0..1, how likely it is a right hand; null where the side was given
 */

/**
 * A small network that says for each cell of a map whether a hand's middle lies there. Its outputs:
 * `score` [h, w] 0..1, `box` [h, w, 4] in pixels of the input, `right` [h, w] 0..1.
 */
export class Detector {
  /** @param {Backend} backend */
  constructor(backend) {
    this.backend = backend;
    this.sizePx = backend.sizePx;
    /** Score from which on a cell may be a hand. */
    this.threshold = backend.description.threshold ?? DEFAULT_THRESHOLD;
    /** Score times that of the joints from which on it is one. */
    this.leastScore = backend.description.least_score ?? 0;
  }

  /**
   * Load an exported detector.
   *
   * @param {string} url
   * @returns {Promise<Detector>}
   */
  static async load(url) {
    return new Detector(await Backend.load(url, 'hand_detector'));
  }

  /**
   * What may be hands of a picture, the surest first.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {number} maxHands
   * @returns {Promise<Detection[]>}
   */
  async find(picture, maxHands) {
    const { width, height } = picture;
    const view = squareAround([-0.5, -0.5, width - 0.5, height - 0.5]);
    const affine = cropFromImage(view, this.sizePx);
    const { score, box: boxes, right } = await this.backend.run(cut(picture, affine, this.sizePx));
    const cells = [...score.keys()].filter((cell) => score[cell] >= this.threshold);
    cells.sort((first, second) => score[second] - score[first]);
    const found = [];
    for (const cell of cells) {
      const box = [...applyInverseAffine(boxes.subarray(4 * cell, 4 * cell + 4), affine)];
      // Beyond its edges the picture is mirrored, and hands there are reflections.
      const isNew = found.every((other) => boxOverlap(box, other.box) < OVERLAP);
      if (isNew && inPicture(box, picture)) {
        found.push({ box, side: handednessOf(right[cell]), score: score[cell], right: right[cell] });
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
  async rightIn(picture, box) {
    const affine = cropFromImage(squareAround(box, 2), this.sizePx);
    const { score, right } = await this.backend.run(cut(picture, affine, this.sizePx));
    const side = Math.sqrt(score.length); // the map of a square is square
    const fromMiddle = (index) => (index + 0.5) / side - 0.5;
    let best = 0;
    let bestScore = -Infinity;
    score.forEach((value, cell) => {
      const [row, column] = [fromMiddle(Math.floor(cell / side)), fromMiddle(cell % side)];
      const weighted = value * Math.exp(-((row * row + column * column) / 0.08));
      if (weighted > bestScore) [best, bestScore] = [cell, weighted];
    });
    return right[best];
  }
}

/**
 * The side that is the likelier one.
 *
 * @param {number} right 0..1
 * @returns {'left' | 'right'}
 */
export function handednessOf(right) {
  return right >= 0.5 ? 'right' : 'left';
}
