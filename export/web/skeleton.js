/**
 * The 21 joints, their bones and colours, as in kerashand/skeleton.py: 0 is the wrist, then four
 * joints for thumb, index, middle, ring and little finger, each from the palm to the tip.
 */

export const [NUM_JOINTS, ROOT, MIDDLE_MCP] = [21, 0, 9];

/** Parent of each joint on the way to the wrist; -1 for the wrist itself. */
export const PARENTS = [
  -1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19,
];

const WRIST_COLOUR = [200, 200, 200];
const FINGER_COLOURS = [
  [230, 57, 57],
  [240, 178, 34],
  [62, 180, 73],
  [38, 140, 230],
  [165, 75, 210],
];

/** RGB of 0..255, one colour a joint; a bone has that of the joint at its end. */
export const JOINT_COLOURS = [
  WRIST_COLOUR,
  ...FINGER_COLOURS.flatMap((colour) => [colour, colour, colour, colour]),
];
