/**
 * Hands in space: a view that turns by itself or is dragged, as in kerashand/visualize/panels.py.
 * Lengths are those of the palm, from the wrist to the middle knuckle.
 */

import { colourOf } from './drawing.js';
import { palmLength } from './hand.js';
import { MIDDLE_MCP, PARENTS } from './skeleton.js';

export const [TURN_DEG_S, ELEVATION_DEG] = [30, 20];
/** No joint is farther from the middle knuckle. */
const REACH = 1.2;
/** Of a view, in reaches: half its shorter side, the floor, the camera's eye, picture and sight. */
const [HALF_SIDE, FLOOR, EYE, PICTURE, SIGHT] = [1.3, 0.9, -1.2, -1, -0.5];
const GRID_STEP = 0.5;
/** How far a key turns the view, and a drag over a pixel. */
const [KEY_DEG, DRAG_DEG] = [10, 0.5];
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/**
 * Parallel projection of points about the middle knuckle.
 *
 * @param {number[][]} points x right, y down, z away from the camera
 * @param {{turnDeg: number, elevationDeg: number}} view a positive turn walks round to the camera's
 *   right, a positive elevation rises
 * @param {{left: number, top: number, width: number, height: number}} cell in pixels
 * @returns {number[][]} pixels u, v and depth in reaches, larger is farther
 */
export function project(points, { turnDeg, elevationDeg }, { left, top, width, height }) {
  const [turn, rise] = [turnDeg, elevationDeg].map((angle) => (angle * Math.PI) / 180);
  const zoom = (Math.min(width, height) - 1) / 2 / (HALF_SIDE * REACH);
  return points.map(([x, y, z]) => {
    const side = Math.cos(turn) * x + Math.sin(turn) * z;
    const away = Math.cos(turn) * z - Math.sin(turn) * x;
    const down = Math.cos(rise) * y - Math.sin(rise) * away;
    return [
      left + (width - 1) / 2 + zoom * side,
      top + (height - 1) / 2 + zoom * down,
      (Math.sin(rise) * y + Math.cos(rise) * away) / REACH,
    ];
  });
}

/** Cells side by side, in several rows where that leaves more room. */
export function split(width, height, count) {
  const room = (columns) => Math.min(width / columns, height / Math.ceil(count / columns));
  let columns = count;
  for (let fewer = count - 1; fewer > 0; fewer -= 1) {
    if (room(fewer) > room(columns)) columns = fewer;
  }
  const [wide, high] = [width / columns, height / Math.ceil(count / columns)];
  return Array.from({ length: count }, (_, number) => ({
    left: (number % columns) * wide,
    top: Math.floor(number / columns) * high,
    width: wide,
    height: high,
  }));
}

/** Joints about the middle knuckle in palms: [K][3]. */
export function jointsOf(hand, scaleBone) {
  const palm = palmLength(scaleBone);
  return PARENTS.map((_, joint) =>
    [0, 1, 2].map(
      (axis) => (hand.xyzRelative[3 * joint + axis] - hand.xyzRelative[3 * MIDDLE_MCP + axis]) / palm,
    ),
  );
}

/** The view of all hands on a canvas. */
export class SpaceView {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLButtonElement} button lets it turn or stops it
   * @param {string} scaleBone unit of the hands' depth
   */
  constructor(canvas, button, scaleBone) {
    Object.assign(this, { canvas, button, scaleBone, hands: [], mirrored: false, waits: false });
    this.view = { turnDeg: 0, elevationDeg: ELEVATION_DEG };
    this.last = null;
    this.letTurn(!window.matchMedia('(prefers-reduced-motion: reduce)').matches);
    button.addEventListener('click', () => this.letTurn(!this.turns));
    let from = null;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = [event.clientX, event.clientY];
      this.letTurn(false);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (from === null) return;
      const [right, down] = [event.clientX - from[0], event.clientY - from[1]];
      from = [event.clientX, event.clientY];
      this.move(-DRAG_DEG * right, DRAG_DEG * down); // what is near follows the pointer
    });
    for (const name of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(name, () => (from = null));
    }
    canvas.addEventListener('keydown', (event) => {
      if (!Object.hasOwn(KEYS, event.key)) return;
      event.preventDefault();
      this.letTurn(false);
      this.move(...KEYS[event.key].map((steps) => steps * KEY_DEG));
    });
    new ResizeObserver(() => this.ask()).observe(canvas);
  }

  /**
   * Show hands from now on.
   *
   * @param {{number: number, hand: import('./hand.js').Hand}[]} numbered
   * @param {boolean} mirrored a picture that is shown as in a mirror is seen from behind: so the
   *   hand looks as in the picture, and is no mirror image
   */
  show(numbered, mirrored) {
    if (mirrored !== this.mirrored) this.view.turnDeg = mirrored ? 180 : 0;
    this.mirrored = mirrored;
    this.hands = numbered.map(({ number, hand }) => ({
      caption: `${number + 1} ${hand.handedness}`,
      joints: jointsOf(hand, this.scaleBone),
    }));
    this.ask();
  }

  letTurn(turns) {
    this.turns = turns;
    this.last = null;
    this.button.textContent = turns ? 'Stop turning' : 'Turn';
    this.ask();
  }

  move(turnDeg, elevationDeg) {
    this.view.turnDeg = (this.view.turnDeg + turnDeg + 360) % 360;
    this.view.elevationDeg = Math.min(Math.max(this.view.elevationDeg + elevationDeg, -90), 90);
    this.ask();
  }

  /** Draw before the browser paints next; again and again while the view turns. */
  ask() {
    if (this.waits) return;
    this.waits = true;
    requestAnimationFrame((now) => {
      this.waits = false;
      if (this.turns && this.last !== null) {
        this.view.turnDeg = (this.view.turnDeg + (TURN_DEG_S * (now - this.last)) / 1000) % 360;
      }
      this.last = this.turns ? now : null;
      this.draw();
      if (this.turns && this.hands.length) this.ask();
      else this.last = null;
    });
  }

  draw() {
    const { canvas } = this;
    const pixels = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    canvas.width = Math.round(width * pixels);
    canvas.height = Math.round(height * pixels);
    const context = canvas.getContext('2d');
    context.scale(pixels, pixels);
    context.lineCap = context.lineJoin = 'round';
    const style = getComputedStyle(canvas);
    const [line, soft] = [style.borderTopColor, style.color];
    split(width, height, this.hands.length).forEach((cell, number) => {
      context.save();
      context.beginPath();
      context.rect(cell.left, cell.top, cell.width, cell.height);
      context.clip();
      drawStage(context, this.view, cell, { line, soft });
      drawHand(context, this.hands[number].joints, this.view, cell, line);
      context.fillStyle = soft;
      context.font = '600 13px system-ui, sans-serif';
      context.fillText(this.hands[number].caption, cell.left + 8, cell.top + 18);
      context.restore();
    });
  }
}

/** The floor, and the camera on it. */
function drawStage(context, view, cell, { line, soft }) {
  const [floor, edge] = [FLOOR * REACH, Math.floor(REACH / GRID_STEP) * GRID_STEP];
  context.strokeStyle = line;
  context.lineWidth = 1;
  for (let tick = -edge; tick <= edge; tick += GRID_STEP) {
    const ends = [[tick, -edge], [tick, edge], [-edge, tick], [edge, tick]];
    const places = project(ends.map(([x, z]) => [x, floor, z]), view, cell);
    stroke(context, places[0], places[1]);
    stroke(context, places[2], places[3]);
  }
  const half = 0.12 * REACH;
  const corners = [[-half, 2 * half], [half, 2 * half], [half, 0], [-half, 0]];
  const [eye, sight, foot, ...frame] = project(
    [
      [0, floor - half, EYE * REACH],
      [0, floor, SIGHT * REACH],
      [0, floor, PICTURE * REACH],
      ...corners.map(([x, up]) => [x, floor - up, PICTURE * REACH]),
    ],
    view,
    cell,
  );
  context.strokeStyle = context.fillStyle = soft;
  context.lineWidth = 1.5;
  frame.forEach((corner, number) => {
    stroke(context, corner, frame[(number + 1) % 4]);
    stroke(context, corner, eye);
  });
  stroke(context, foot, sight);
  context.font = '11px system-ui, sans-serif';
  const right = Math.max(...frame.map(([u]) => u));
  context.fillText('camera', right + 4, (frame[0][1] + frame[2][1]) / 2 + 4);
}

/** Bones and joints from far to near, over their shadow on the floor. */
function drawHand(context, joints, view, cell, shadow) {
  const width = Math.min(cell.width, cell.height) / 75;
  const ground = project(joints.map(([x, , z]) => [x, FLOOR * REACH, z]), view, cell);
  const places = project(joints, view, cell);
  context.strokeStyle = shadow;
  context.lineWidth = width;
  const parts = [];
  PARENTS.forEach((parent, joint) => {
    // A joint is drawn right after the bones that it ends.
    parts.push({ joint, depth: places[joint][2] - 0.03 });
    if (parent < 0) return;
    stroke(context, ground[parent], ground[joint]);
    parts.push({ joint, parent, depth: (places[parent][2] + places[joint][2]) / 2 });
  });
  parts.sort((first, second) => second.depth - first.depth);
  for (const { joint, parent, depth } of parts) {
    const near = Math.min(Math.max(0.5 - 0.5 * depth, 0), 1);
    const thick = width * (0.7 + 0.6 * near);
    for (const [colour, share] of [['rgb(0 0 0 / 0.6)', 1.4], [colourOf(joint), 1]]) {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = thick * share;
      if (parent === undefined) {
        context.beginPath();
        context.arc(places[joint][0], places[joint][1], 0.8 * thick * share, 0, 2 * Math.PI);
        context.fill();
      } else stroke(context, places[parent], places[joint]);
    }
  }
}

function stroke(context, [startU, startV], [endU, endV]) {
  context.beginPath();
  context.moveTo(startU, startV);
  context.lineTo(endU, endV);
  context.stroke();
}
