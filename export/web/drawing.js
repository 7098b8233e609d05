/** Skeletons over a picture on a canvas. */

import { JOINT_COLOURS, PARENTS } from './skeleton.js';

/** Longer side of the drawing, so that lines are fine on small pictures too. */
const DRAWING_PX = 1280;
/** Height of a label: in pixels of the page, and at least in those of the drawing. */
const [LABEL_PX, LEAST_LABEL_PX] = [15, 24];
const OUTLINE = 'rgb(0 0 0 / 0.75)';

/**
 * Draw a picture and the hands in it.
 *
 * @param {HTMLCanvasElement} canvas takes the shape of the picture
 * @param {CanvasImageSource & {width: number, height: number}} picture
 * @param {{number: number, hand: import('./hand.js').Hand}[]} numbered the surest first
 * @param {boolean} mirrored as in a mirror, for a camera that looks at the user
 */
export function draw(canvas, picture, numbered, mirrored) {
  const zoom = DRAWING_PX / Math.max(picture.width, picture.height);
  canvas.width = Math.max(Math.round(picture.width * zoom), 1);
  canvas.height = Math.max(Math.round(picture.height * zoom), 1);
  const context = canvas.getContext('2d');
  context.save();
  if (mirrored) {
    context.translate(canvas.width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  context.restore();
  // Centres of pixels are integers, but a canvas counts from the edge of its first pixel.
  const place = (u, v) => {
    const x = (u + 0.5) * zoom;
    return [mirrored ? canvas.width - x : x, (v + 0.5) * zoom];
  };
  for (const { hand } of [...numbered].reverse()) drawHand(context, hand, place, zoom);
  for (const { number, hand } of numbered) drawLabel(context, number, hand, place);
}

/** Bones and joints from the finger tips back to the palm, so that the knuckles end on top. */
function drawHand(context, { uvPx, box }, place, zoom) {
  const handPx = Math.max(box[2] - box[0], box[3] - box[1]) * zoom;
  const width = Math.min(Math.max(handPx / 45, 2), context.canvas.height / 90);
  const point = (joint) => place(uvPx[2 * joint], uvPx[2 * joint + 1]);
  const joints = [...PARENTS.keys()].reverse();
  context.lineCap = 'round';
  for (const joint of joints.filter((number) => PARENTS[number] >= 0)) {
    for (const [colour, lineWidth] of [[OUTLINE, width + 2.5], [colourOf(joint), width]]) {
      context.strokeStyle = colour;
      context.lineWidth = lineWidth;
      context.beginPath();
      context.moveTo(...point(PARENTS[joint]));
      context.lineTo(...point(joint));
      context.stroke();
    }
  }
  for (const joint of joints) {
    for (const [colour, radius] of [[OUTLINE, width + 1.5], [colourOf(joint), width]]) {
      context.fillStyle = colour;
      context.beginPath();
      context.arc(...point(joint), radius, 0, 2 * Math.PI);
      context.fill();
    }
  }
}

function drawLabel(context, number, { handedness, score, box }, place) {
  const shrink = context.canvas.width / Math.max(context.canvas.parentElement.clientWidth, 1);
  const fontPx = Math.max(Math.round(LABEL_PX * shrink), LEAST_LABEL_PX);
  context.font = `600 ${fontPx}px system-ui, sans-serif`;
  context.lineJoin = 'round';
  const text = labelOf(number, handedness, score);
  const corners = [place(box[0], box[1]), place(box[2], box[1])];
  const room = context.canvas.width - context.measureText(text).width - 6;
  const x = Math.max(Math.min(corners[0][0], corners[1][0], room), 6);
  const y = Math.max(corners[0][1] - 0.75 * fontPx, 1.2 * fontPx);
  context.strokeStyle = OUTLINE;
  context.lineWidth = fontPx / 4;
  context.strokeText(text, x, y);
  context.fillStyle = 'white';
  context.fillText(text, x, y);
}

/**
 * What is written beside a hand.
 *
 * @param {number} number from 0
 * @param {'left' | 'right'} handedness
 * @param {number} score 0..1
 * @returns {string}
 */
export function labelOf(number, handedness, score) {
  return `${number + 1} ${handedness} ${score.toFixed(2)}`;
}

/**
 * CSS colour of a joint.
 *
 * @param {number} joint
 * @returns {string}
 */
export function colourOf(joint) {
  return `rgb(${JOINT_COLOURS[joint].join(' ')})`;
}
