/**
 * Hands through a video, as in kerashand/runtime/tracker.py and smoothing.py: the next crop from the
 * last joints, now and then a run of the detector.
 */

import { handednessOf, SPARE_HANDS } from './detector.js';
import { logit, probability } from './estimates.js';
import { boxOverlap, inPicture } from './geometry.js';
import { handOf } from './hand.js';

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
   * @returns {Promise<{number: number, hand: import('./hand.js').Hand}[]>}
   */
  async update(picture, seconds) {
    const { recipe } = this.pose;
    const followed = [];
    for (const track of this.tracks) {
      const hand = await this.pose.follow(picture, track.hand);
      const overlaps = followed.map((other) => boxOverlap(hand.box, other.hand.box));
      const doubled = overlaps.some((overlap) => overlap > recipe.doubled);
      if (hand.score >= recipe.least_score && !doubled && inPicture(hand.box, picture)) {
        takeOver(track, hand, recipe.handedness_frames);
        followed.push(track);
      }
    }
    this.tracks = followed;
    if (this.searchIsDue()) await this.search(picture);
    this.frame += 1;
    const shown = (track) => smoothed(track, seconds, this.pose.scaleBone);
    return this.tracks.map((track) => ({ number: track.number, hand: shown(track) }));
  }

  /** Seldom where no hand is missing and the pose model is sure of all. */
  searchIsDue() {
    const { recipe } = this.pose;
    const sure = this.tracks.every(({ hand }) => hand.score > recipe.sure);
    const settled = sure && this.tracks.length === this.maxHands;
    const every = settled ? recipe.check_every_frames : recipe.search_every_frames;
    return !this.tracks.length || this.frame % every === 0;
  }

  async search(picture) {
    const { recipe } = this.pose;
    const detections = await this.pose.detect(picture, this.maxHands + SPARE_HANDS);
    const same = (first, second) => boxOverlap(first.box, second.box) >= recipe.same_hand;
    for (const track of this.tracks) {
      const visible = detections.some((detection) => same(track.hand, detection));
      track.misses = visible ? 0 : track.misses + 1;
    }
    this.tracks = this.tracks.filter((track) => track.misses < recipe.misses_to_lose);
    for (const detection of detections) {
      if (this.tracks.length === this.maxHands) break;
      if (this.tracks.some((track) => same(track.hand, detection))) continue;
      const hand = await this.pose.read(picture, detection, undefined, recipe.least_hand);
      if (this.pose.isHand(detection, hand) && hand.score >= recipe.least_score) {
        this.tracks.push(newTrack(this.nextNumber, hand, recipe));
        this.nextNumber += 1;
      }
    }
  }
}

/** Positions are smoothed in sides of the hand's first box. */
function newTrack(number, hand, recipe) {
  const [left, top, right, bottom] = hand.box;
  return {
    number,
    hand,
    rightLogit: hand.pRight === null ? null : logit(hand.pRight),
    unitPx: Math.max(right - left, bottom - top, 1),
    filterPosition: oneEuroFilter(recipe.min_cutoff_hz, recipe.beta),
    filterDepth: oneEuroFilter(recipe.depth_min_cutoff_hz, recipe.depth_beta),
    frames: 1,
    misses: 0,
  };
}

/** Take over the hand of the next frame, and average its handedness. */
function takeOver(track, hand, mostFrames) {
  track.frames += 1;
  if (hand.pRight === null || track.rightLogit === null) {
    track.hand = { ...hand, pRight: track.hand.pRight };
    return;
  }
  const share = 1 / Math.min(track.frames, mostFrames);
  track.rightLogit += share * (logit(hand.pRight) - track.rightLogit);
  const pRight = probability(track.rightLogit);
  track.hand = { ...hand, pRight, handedness: handednessOf(pRight) };
}

/** The hand as shown; the next crop is cut from the joints as they were measured. */
function smoothed({ hand, unitPx, filterPosition, filterDepth }, seconds, scaleBone) {
  const position = hand.uvPx.map((value) => value / unitPx);
  const uvPx = filterPosition(position, seconds).map((value) => value * unitPx);
  return handOf({ ...hand, uvPx, zRelative: filterDepth(hand.zRelative, seconds) }, scaleBone);
}

/**
 * The One-Euro filter (Casiez, Roussel and Vogel, CHI 2012): smooths strongly at rest, hardly when
 * it moves fast.
 *
 * @param {number} minCutoffHz cut-off at rest
 * @param {number} beta how much it grows with speed in Hz per unit a second
 * @returns {(values: Float64Array, seconds: number) => Float64Array}
 */
export function oneEuroFilter(minCutoffHz, beta) {
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
