/**
 * The mean of several passes of the pose network, as in kerashand/runtime/estimates.py.
 *
 * @typedef {{
 *   handedness: 'left' | 'right',
 *   fits: boolean,
 *   weight: number,
 *   uvPx: Float64Array,
 *   zRelative: Float64Array,
 *   confidence: Float64Array,
 *   score: number,
 *   pRight: number | null,
 * }} Estimate what one pass says
 *   handedness: left where the network saw the mirror image;
 *   fits: whether the joints lie in the square of the pass as they should;
 *   weight: what the pass counts in the mean of all;
 *   pRight: that the hand in the picture is a right one; null of a model that does not say
 */

/** Of a joint or a pass, so that those of which none counts have a mean. */
export const LEAST_WEIGHT = 1e-6;
/** Probabilities are kept so far from 0 and 1, so that one pass cannot outvote all others. */
const LEAST_P = 1e-4;

const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * Whether no other pass is needed: it fits, and surely saw a hand of its side, and joints.
 *
 * @param {Estimate} estimate of the pass
 * @param {ReturnType<typeof import('./recipe.js').recipeOf>} recipe
 */
export function isSure({ fits, handedness, pRight, score, confidence }, recipe) {
  if (pRight === null || !fits) return false;
  const pSeen = handedness === 'right' ? pRight : 1 - pRight;
  return Math.min(score, pSeen) > recipe.sure && meanOf(confidence) > recipe.sure_joints;
}

/** The probability of a right hand by the mean logit of all passes. */
export function meanPRight(estimates) {
  return probability(weighted(estimates, ({ pRight }) => logit(pRight)));
}

/** The probability of a hand by both models; kerashand/runtime/estimates.py says why so. */
export function pHandOf(detectorScore, poseScore) {
  return probability(2 * logit(detectorScore) + logit(poseScore));
}

/** Of a probability. */
export function logit(p) {
  const kept = Math.min(Math.max(p, LEAST_P), 1 - LEAST_P);
  return Math.log(kept / (1 - kept));
}

/** The inverse of `logit`. */
export function probability(value) {
  return 1 / (1 + Math.exp(-value));
}

/** The mean of passes. Each joint counts by the weight of its pass and its confidence squared. */
export function meanJoints(estimates) {
  const shares = estimates.map(({ weight, confidence }) =>
    confidence.map((value) => weight * value ** 2 + LEAST_WEIGHT),
  );
  const mean = (name, perJoint) =>
    estimates[0][name].map((_, k) => {
      const ofJoint = shares.map((share) => share[Math.floor(k / perJoint)]);
      return sum(ofJoint.map((share, number) => share * estimates[number][name][k])) / sum(ofJoint);
    });
  return {
    uvPx: mean('uvPx', 2),
    zRelative: mean('zRelative', 1),
    confidence: mean('confidence', 1),
  };
}

export function meanOf(values) {
  return sum(values) / values.length;
}

function weighted(estimates, valueOf) {
  const values = estimates.map((estimate) => estimate.weight * valueOf(estimate));
  return sum(values) / sum(estimates.map(({ weight }) => weight));
}
