/**
 * How joints are read from a picture: numbers in the description of a pose model, by the names that
 * they have there. kerashand/runtime/recipe.py says what each means.
 */

import { UserError } from './errors.js';

/** Of a file that does not say. */
const DEFAULTS = {
  margin: 1.3,
  passes: 2,
  sure: 0.9,
  sure_joints: 0.6,
  extra_passes: 3,
  closer: 0.95,
  turns_deg: [0, -10, 10],
  first_weight: 0.25,
  smallest_fit: 0.75,
  largest_fit: 1.33,
  most_shift: 0.15,
  least_hand: 0.9,
  least_score: 0.2,
  search_every_frames: 5,
  check_every_frames: 15,
  misses_to_lose: 2,
  same_hand: 0.3,
  doubled: 0.6,
  handedness_frames: 30,
  min_cutoff_hz: 1.2,
  beta: 6,
  depth_min_cutoff_hz: 1,
  depth_beta: 0.7,
};
/** Whole numbers from 1 on. */
const COUNTS = [
  'passes', 'extra_passes', 'search_every_frames', 'check_every_frames', 'misses_to_lose',
  'handedness_frames',
];
/** Above these a file asks for work or crops without sense. */
const LARGEST = {
  passes: 16, extra_passes: 16, margin: 4, closer: 4, turns_deg: 180, sure: 1, sure_joints: 1,
  least_hand: 1,
};
const LARGEST_OTHER = 1e6;
const MOST_TURNS = 16;
/** Below these a crop holds nothing, or a pass or frame counts nothing. */
const LEAST = {
  margin: 0.5, closer: 0.1, first_weight: 0.01, min_cutoff_hz: 0.01, depth_min_cutoff_hz: 0.01,
};

/**
 * The recipe in the description of a file; what it does not say is as by default.
 *
 * @param {Object} description
 * @returns {typeof DEFAULTS}
 * @throws {UserError} for an unknown name, or a value that is out of range
 */
export function recipeOf({ recipe: given = {} }) {
  const isObject = given !== null && typeof given === 'object' && !Array.isArray(given);
  if (!isObject || !Object.keys(given).every((name) => Object.hasOwn(DEFAULTS, name))) {
    const known = Object.keys(DEFAULTS).join(', ');
    throw new UserError(`The recipe of a model may hold ${known}. Received: ${shown(given)}`);
  }
  for (const [name, value] of Object.entries(given)) {
    if (!isInRange(name, value)) {
      throw new UserError(`recipe.${name} of a model is out of range. Received: ${shown(value)}`);
    }
  }
  return { ...DEFAULTS, ...given };
}

function isInRange(name, value) {
  const largest = LARGEST[name] ?? LARGEST_OTHER;
  if (name === 'turns_deg') {
    const fits = Array.isArray(value) && value.length > 0 && value.length <= MOST_TURNS;
    return fits && value.every((turn) => isBetween(turn, -largest, largest));
  }
  if (COUNTS.includes(name) && !(Number.isInteger(value) && value >= 1)) return false;
  return isBetween(value, LEAST[name] ?? 0, largest);
}

/** Whether this is a number of a range; a text, a truth value or NaN is none. */
export function isBetween(value, low, high) {
  return typeof value === 'number' && low <= value && value <= high;
}

/** A short text for a value in a message. */
export function shown(value) {
  return String(JSON.stringify(value)).slice(0, 80);
}
