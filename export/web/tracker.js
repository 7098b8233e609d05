/**
 * Hands through a video, as in kerashand/runtime/tracker.py and smoothing.py: the next crop from the
 * last joints, now and then a look for new hands.
 */

import { boxOverlap, inPicture } from './geometry.js';
import { handOf, SPARE_HANDS } from './hand_pose.js';

const SEARCH_EVERY_FRAMES = 5;
/** Score of a hand, which is the mean of its joints, below which it is lost. */
const LEAST_JOINT_SCORE = 0.2;
/** Searches in a row that do not see a hand where it is followed. */
const MISSES_TO_LOSE = 2;
/** Overlap of boxes above which two are one hand; that of two hands followed into one. */
const [SAME_HAND, DOUBLED] = [0.3, 0.6];
// Positions are smoothed in sides of the box in which the hand was found.
const SMOOTHING = { minCutoffHz: 1.2, beta: 6 };
const DEPTH_SMOOTHING = { minCutoffHz: 1, beta: 0.7 };
const DERIVATIVE_CUTOFF_HZ = 1;

/** Follows up to `maxHands` hands from frame to frame. */
export class HandTracker {
  /**
   * @param {import('./hand_pose.js').HandPose} pose with a detector
   * @param {number} maxHands
   */
  constructor(pose, maxHands) {
    this.pose = pose;
    this.maxHands = maxHands;
    this.tracks = [];
    this.nextNumber = 0;
    this.frame = 0;
  }

  /**
   * The hands of the next frame with their numbers, which stay while a hand is followed.
   *
   * @param {import('./crop.js').Picture} picture
   * @param {number} seconds since the frame before; anything for the first
   * @returns {Promise<{number: number, hand: import('./hand_pose.js').Hand}[]>}
   */
  async update(picture, seconds) {
    const followed = [];
    for (const track of this.tracks) {
      const hand = await this.pose.follow(picture, track.hand);
      const doubled = followed.some((other) => boxOverlap(hand.box, other.hand.box) > DOUBLED);
      if (hand.score >= LEAST_JOINT_SCORE && !doubled && inPicture(hand.box, picture)) {
        track.hand = hand;
        followed.push(track);
      }
    }
    this.tracks = followed;
    if (!followed.length || this.frame % SEARCH_EVERY_FRAMES === 0) await this.search(picture);
    this.frame += 1;
    return this.tracks.map((track) => ({ number: track.number, hand: smoothed(track, seconds) }));
  }

  async search(picture) {
    const found = await this.pose.find(picture, this.maxHands + SPARE_HANDS);
    const same = (first, second) => boxOverlap(first.box, second.box) >= SAME_HAND;
    for (const track of this.tracks) {
      const seen = found.some((hand) => same(track.hand, hand));
      track.misses = seen ? 0 : track.misses + 1;
    }
    this.tracks = this.tracks.filter((track) => track.misses < MISSES_TO_LOSE);
    for (const candidate of found) {
      if (this.tracks.length === this.maxHands) break;
      if (this.tracks.some((track) => same(track.hand, candidate))) continue;
      const hand = await this.pose.read(picture, candidate);
      if (this.pose.isHand(candidate, hand) && hand.score >= LEAST_JOINT_SCORE) {
        const [left, top, right, bottom] = hand.box;
        this.tracks.push({
          number: this.nextNumber,
          hand,
          unitPx: Math.max(right - left, bottom - top, 1),
          filterPosition: oneEuroFilter(SMOOTHING),
          filterDepth: oneEuroFilter(DEPTH_SMOOTHING),
          misses: 0,
        });
        this.nextNumber += 1;
      }
    }
  }
}

/** The hand as shown; the next crop is cut from the joints as they were measured. */
function smoothed({ hand, unitPx, filterPosition, filterDepth }, seconds) {
  const position = hand.uvPx.map((value) => value / unitPx);
  const uvPx = filterPosition(position, seconds).map((value) => value * unitPx);
  return handOf(hand.handedness, uvPx, filterDepth(hand.zRelative, seconds), hand.jointScores);
}

/**
 * The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012): smooths strongly at rest, hardly when
 * it moves fast.
 *
 * @param {{minCutoffHz: number, beta: number}} settings cut-off at rest, and how much it grows with
 *   speed in Hz per unit a second
 * @returns {(values: Float64Array, seconds: number) => Float64Array}
 */
export function oneEuroFilter({ minCutoffHz, beta }) {
  let value = null;
  let speed = null;
  return (next, seconds) => {
    if (value === null || !(seconds > 0)) {
      value = next;
      speed = new Float64Array(next.length);
      return value;
    }
    const last = value;
    const speedShare = share(DERIVATIVE_CUTOFF_HZ, seconds);
    speed = speed.map((old, k) => old + speedShare * ((next[k] - last[k]) / seconds - old));
    value = last.map((old, k) => {
      const cutoffHz = minCutoffHz + beta * Math.abs(speed[k]);
      return old + share(cutoffHz, seconds) * (next[k] - old);
    });
    return value;
  };
}

/** Weight of the new value of a first-order low pass. */
function share(cutoffHz, seconds) {
  const rate = 2 * Math.PI * cutoffHz * seconds;
  return rate / (rate + 1);
}
