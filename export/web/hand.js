/** One hand, and the check of a box, as in kerashand/runtime/hand.py and geometry/root_depth.py. */

import { UserError } from './errors.js';
import { boxOfJoints } from './geometry.js';

const [LEAST_BOX_PX, LARGEST_BOX] = [2, 4];
/** Pairs of joints that keep their distance, whatever the fingers do. */
const PALM_BONES = [
  [0, 9], [0, 5], [0, 13], [0, 17], [5, 17], [5, 13], [9, 17], [0, 1], [1, 5], [1, 9], [1, 17],
];
/** Their lengths in each scale bone. */
const PALM_RATIOS = {
  wrist_middle_mcp: [1, 1.04, 0.96, 0.925, 0.65, 0.45, 0.41, 0.405, 0.715, 0.765, 0.855],
  middle_mcp_pip: [1.985, 2.045, 1.9, 1.825, 1.29, 0.895, 0.835, 0.825, 1.415, 1.54, 1.7],
};
/** From the wrist to the middle knuckle, in lengths of a scale bone. */
export const palmLength = (scaleBone) => PALM_RATIOS[scaleBone][0];
/** Bones in which depth may be measured. */
export const SCALE_BONES = Object.keys(PALM_RATIOS);

/**
 * One hand.
 *
 * @typedef {{
 *   handedness: 'left' | 'right',
 *   pRight: number | null,
 *   score: number,
 *   uvPx: Float64Array,
 *   zRelative: Float64Array,
 *   confidence: Float64Array,
 *   box: import('./geometry.js').Box,
 *   xyzRelative: Float64Array,
 * }} Hand
 *   pRight: 0..1, how likely it is a right hand; null where the caller gave the handedness;
 *   score: 0..1, how likely there is a hand; of a model that does not say, the mean confidence;
 *   uvPx: [K, 2] flat, pixels of the picture;
 *   zRelative: [K] depth behind the wrist in lengths of the scale bone;
 *   confidence: [K] 0..1;
 *   box: around the joints, in pixels of the picture;
 *   xyzRelative: [K, 3] flat, as `zRelative`, joints about the wrist, seen from far away
 */

/**
 * A hand with what follows from its joints.
 *
 * @returns {Hand}
 */
export function handOf(parts, scaleBone) {
  const { uvPx, zRelative } = parts;
  const xyzRelative = relativeJoints(uvPx, zRelative, scaleBone);
  return { ...parts, box: boxOfJoints(uvPx), xyzRelative };
}

/** Joints about the wrist: the scale in pixels is the least-squares one of the palm's bones. */
function relativeJoints(uvPx, zRelative, scaleBone) {
  let [product, square] = [0, 0];
  PALM_BONES.forEach(([first, second], bone) => {
    const [u, v] = [0, 1].map((axis) => uvPx[2 * first + axis] - uvPx[2 * second + axis]);
    const rise = zRelative[first] - zRelative[second];
    const expected = Math.max(PALM_RATIOS[scaleBone][bone] ** 2 - rise * rise, 0.01);
    product += (u * u + v * v) * expected;
    square += expected * expected;
  });
  const bonePx = Math.sqrt(Math.max(product / square, 1e-12));
  const xyz = [...zRelative].flatMap((z, joint) => [
    (uvPx[2 * joint] - uvPx[0]) / bonePx,
    (uvPx[2 * joint + 1] - uvPx[1]) / bonePx,
    z - zRelative[0],
  ]);
  return Float64Array.from(xyz);
}

/** @throws {UserError} if this can be no box of a hand in a picture */
export function checkBox(box, { width, height }) {
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
