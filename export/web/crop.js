/** Squares cut from pictures: the arithmetic of kerashand/runtime/crop.py, in float32 as there. */

import { inverseAffine } from './geometry.js';

/**
 * A picture as a canvas gives it; alpha is not read.
 *
 * @typedef {{data: ArrayLike<number>, width: number, height: number}} Picture data: [H, W, 4] flat,
 *   RGBA of 0..255
 */

/**
 * Sample a crop.
 *
 * Bilinear; where a crop's pixel covers several of the picture, these are averaged in blocks first.
 * Beyond the edge the picture is mirrored.
 *
 * @param {Picture} picture
 * @param {import('./geometry.js').Affine} affine crop from picture
 * @param {number} sizePx side S of the crop
 * @returns {Uint8Array} [S, S, 3] flat, RGB
 */
export function cut(picture, affine, sizePx) {
  let inverse = inverseAffine(affine);
  const shrink = Math.sqrt(Math.abs(inverse[0] * inverse[4] - inverse[1] * inverse[3])) + 1e-9;
  if (shrink >= 2) {
    [picture, inverse] = averaged(picture, inverse, Math.trunc(shrink), sizePx);
  }
  const { data, width, height } = picture;
  const crop = new Uint8Array(sizePx * sizePx * 3);
  let place = 0;
  for (let y = 0; y < sizePx; y += 1) {
    for (let x = 0; x < sizePx; x += 1) {
      const u = inverse[0] * x + inverse[1] * y + inverse[2];
      const v = inverse[3] * x + inverse[4] * y + inverse[5];
      const [left, top] = [Math.floor(u), Math.floor(v)];
      const partU = Math.fround(u - left);
      const partV = Math.fround(v - top);
      const columns = [mirrorIndex(left, width), mirrorIndex(left + 1, width)];
      const rows = [mirrorIndex(top, height) * width, mirrorIndex(top + 1, height) * width];
      for (let channel = 0; channel < 3; channel += 1) {
        const upper = between(
          data[4 * (rows[0] + columns[0]) + channel],
          data[4 * (rows[0] + columns[1]) + channel],
          partU,
        );
        const lower = between(
          data[4 * (rows[1] + columns[0]) + channel],
          data[4 * (rows[1] + columns[1]) + channel],
          partU,
        );
        crop[place] = roundHalfEven(between(upper, lower, partV));
        place += 1;
      }
    }
  }
  return crop;
}

/** first (1 - part) + second part, each step rounded to float32. */
function between(first, second, part) {
  const rest = Math.fround(1 - part);
  return Math.fround(Math.fround(first * rest) + Math.fround(second * part));
}

/**
 * The part of a picture that a crop covers, averaged in blocks, and the map to it.
 *
 * @param {Picture} picture
 * @param {import('./geometry.js').Affine} inverse picture from crop
 * @param {number} block side of a block in pixels
 * @param {number} sizePx side of the crop
 * @returns {[Picture, import('./geometry.js').Affine]}
 */
function averaged(picture, inverse, block, sizePx) {
  const [lowU, highU] = seenRange(inverse.slice(0, 3), block, sizePx, picture.width);
  const [lowV, highV] = seenRange(inverse.slice(3), block, sizePx, picture.height);
  const columns = Math.ceil((highU - lowU) / block);
  const rows = Math.ceil((highV - lowV) / block);
  const data = new Uint8ClampedArray(4 * rows * columns);
  const from = picture.data;
  const count = block * block;
  const mean = (sum) => roundHalfEven(Math.fround(sum / count));
  let place = 0;
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      let [red, green, blue] = [0, 0, 0];
      for (let y = 0; y < block; y += 1) {
        // The last blocks repeat the edge of the part.
        const line = Math.min(lowV + row * block + y, highV - 1) * picture.width;
        for (let x = 0; x < block; x += 1) {
          const pixel = 4 * (line + Math.min(lowU + column * block + x, highU - 1));
          red += from[pixel];
          green += from[pixel + 1];
          blue += from[pixel + 2];
        }
      }
      data[place] = mean(red);
      data[place + 1] = mean(green);
      data[place + 2] = mean(blue);
      place += 4;
    }
  }
  // Pixel p of the picture lies at (p - low + 0.5) / block - 0.5.
  const shiftU = (0.5 - lowU) / block - 0.5;
  const shiftV = (0.5 - lowV) / block - 0.5;
  const scale = 1 / block;
  const [a, b, t, c, d, s] = inverse;
  return [
    { data, width: columns, height: rows },
    [scale * a, scale * b, scale * t + shiftU, scale * c, scale * d, scale * s + shiftV],
  ];
}

/** First and one past the last column (or row) of a picture that a crop needs. */
function seenRange([alongX, alongY, shift], block, sizePx, length) {
  const last = sizePx - 1;
  const seen = [0, last * alongX, last * alongY, last * alongX + last * alongY].map(
    (value) => value + shift,
  );
  const clip = (value, low, high) => Math.min(Math.max(value, low), high);
  const low = clip(Math.floor(Math.min(...seen)) - block, 0, length - 1);
  return [low, clip(Math.ceil(Math.max(...seen)) + block + 1, low + 1, length)];
}

/** Reflect an index into 0 .. size - 1 without repeating the edge. */
function mirrorIndex(index, size) {
  if (index >= 0 && index < size) return index;
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const inside = Math.abs(index) % period;
  return inside >= size ? period - inside : inside;
}

/** Round to the nearest integer, halves to the even one, as NumPy does. */
function roundHalfEven(value) {
  const low = Math.floor(value);
  const part = value - low;
  if (part === 0.5) return low % 2 === 0 ? low : low + 1;
  return part < 0.5 ? low : low + 1;
}
