/**
 * Affine maps of the plane and boxes, as in kerashand/geometry/camera.py and runtime/crop.py.
 *
 * Centres of pixels are integers. A box is [left, top, right, bottom] in pixels, edge to edge: a
 * picture W wide reaches from -0.5 to W - 0.5. An affine map is its upper two rows, row by row.
 *
 * @typedef {[number, number, number, number, number, number]} Affine
 * @typedef {[number, number, number, number]} Box
 * @typedef {{centre: [number, number], sidePx: number, angleRad: number}} View a square of a
 *   picture, turned by an angle about its centre before it is cut
 */

import { MIDDLE_MCP, ROOT } from './skeleton.js';

/** A box around joints is taken to be at least so large. */
const LEAST_BOX_PX = 8;

/**
 * The square around a box.
 *
 * @param {Box} box
 * @param {number} margin factor on the longer side
 * @returns {View}
 */
export function squareAround([left, top, right, bottom], margin = 1) {
  return {
    centre: [(left + right) / 2, (top + bottom) / 2],
    sidePx: Math.max(right - left, bottom - top) * margin,
    angleRad: 0,
  };
}

/** By how much a picture is turned, in radians, so that a direction in it points up. */
export function uprightOf(u, v) {
  return -Math.PI / 2 - Math.atan2(v, u);
}

/**
 * The square of `margin` boxes in which a hand stands with its fingers up, and a turn more.
 *
 * @param {ArrayLike<number>} uvPx [K, 2] flat, joints in pixels
 * @param {number} margin
 * @param {number} turnDeg
 * @returns {View}
 */
export function viewOfJoints(uvPx, margin, turnDeg = 0) {
  const [u, v] = [0, 1].map((axis) => uvPx[2 * MIDDLE_MCP + axis] - uvPx[2 * ROOT + axis]);
  const upright = viewTurned(uvPx, uprightOf(u, v), margin);
  return { ...upright, angleRad: upright.angleRad + (turnDeg * Math.PI) / 180 };
}

/** Whether joints lie as they should in the view in which the network saw them. */
export function fits({ centre, sidePx, angleRad }, uvPx, recipe) {
  const own = viewTurned(uvPx, angleRad, recipe.margin);
  const size = own.sidePx / sidePx;
  const off = Math.hypot(own.centre[0] - centre[0], own.centre[1] - centre[1]) / sidePx;
  return recipe.smallest_fit <= size && size <= recipe.largest_fit && off <= recipe.most_shift;
}

/** The square of `margin` boxes around joints when the picture is turned by an angle. */
function viewTurned(uvPx, angleRad, margin) {
  const [cos, sin] = [Math.cos(angleRad), Math.sin(angleRad)];
  const turned = Float64Array.from(uvPx);
  for (let k = 0; k < uvPx.length; k += 2) {
    turned[k] = cos * uvPx[k] - sin * uvPx[k + 1];
    turned[k + 1] = sin * uvPx[k] + cos * uvPx[k + 1];
  }
  const [left, top, right, bottom] = boxOfJoints(turned);
  const [u, v] = [(left + right) / 2, (top + bottom) / 2];
  const sidePx = Math.max(right - left, bottom - top, LEAST_BOX_PX) * margin;
  return { centre: [cos * u + sin * v, -sin * u + cos * v], sidePx, angleRad };
}

/**
 * Affine map from pixels of a picture to those of a crop.
 *
 * @param {View} view
 * @param {number} sizePx side of the crop
 * @param {boolean} mirrored whether the crop shows the mirror image
 * @returns {Affine}
 */
export function cropFromImage({ centre, sidePx, angleRad }, sizePx, mirrored = false) {
  const zoom = sizePx / sidePx;
  const [cos, sin] = [Math.cos(angleRad), Math.sin(angleRad)];
  const [u, v] = centre;
  const middle = (sizePx - 1) / 2;
  /** @type {Affine} */
  const affine = [
    zoom * cos,
    zoom * -sin,
    zoom * (u - (cos * u - sin * v)) + (middle - zoom * u),
    zoom * sin,
    zoom * cos,
    zoom * (v - (sin * u + cos * v)) + (middle - zoom * v),
  ];
  if (mirrored) {
    affine[0] = -affine[0];
    affine[1] = -affine[1];
    affine[2] = -affine[2] + (sizePx - 1);
  }
  return affine;
}

/**
 * The inverse of an affine map, by elimination with the larger pivot. The formula with the
 * determinant would make 2.9999999999999996 of 3 pixels, and another size of block of it.
 *
 * @param {Affine} affine
 * @returns {Affine}
 */
export function inverseAffine(affine) {
  let [a, b, t, c, d, s] = affine;
  const swapped = Math.abs(c) > Math.abs(a);
  if (swapped) [a, b, t, c, d, s] = [c, d, s, a, b, t];
  const factor = c / a;
  const pivot = d - factor * b;
  const solve = (first, second) => {
    const y = (second - factor * first) / pivot;
    return [(first - b * y) / a, y];
  };
  const columns = [solve(1, 0), solve(0, 1)];
  if (swapped) columns.reverse();
  const shift = solve(-t, -s);
  return [columns[0][0], columns[1][0], shift[0], columns[0][1], columns[1][1], shift[1]];
}

/**
 * Map points of a crop back to the picture.
 *
 * @param {ArrayLike<number>} points [N, 2] flat
 * @param {Affine} affine crop from picture
 * @returns {Float64Array} [N, 2] flat
 */
export function applyInverseAffine(points, [a, b, t, c, d, s]) {
  const determinant = a * d - b * c;
  const mapped = new Float64Array(points.length);
  for (let k = 0; k < points.length; k += 2) {
    const [u, v] = [points[k] - t, points[k + 1] - s];
    mapped[k] = (d * u - b * v) / determinant;
    mapped[k + 1] = (a * v - c * u) / determinant;
  }
  return mapped;
}

/**
 * The box around joints.
 *
 * @param {Float64Array} uvPx [K, 2] flat
 * @returns {Box}
 */
export function boxOfJoints(uvPx) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  uvPx.forEach((value, k) => {
    box[k % 2] = Math.min(box[k % 2], value);
    box[2 + (k % 2)] = Math.max(box[2 + (k % 2)], value);
  });
  return box;
}

/**
 * Intersection over union of two boxes.
 *
 * @param {Box} first
 * @param {Box} second
 * @returns {number} 0..1
 */
export function boxOverlap(first, second) {
  const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);
  const wide = Math.min(first[2], second[2]) - Math.max(first[0], second[0]);
  const high = Math.min(first[3], second[3]) - Math.max(first[1], second[1]);
  const both = Math.max(wide, 0) * Math.max(high, 0);
  return both / Math.max(area(first) + area(second) - both, 1e-12);
}

/**
 * Whether the middle of a box lies in a picture.
 *
 * @param {Box} box
 * @param {{width: number, height: number}} picture
 * @returns {boolean}
 */
export function inPicture(box, { width, height }) {
  const [u, v] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  return u >= -0.5 && u <= width - 0.5 && v >= -0.5 && v <= height - 0.5;
}
