/** Hands as tables on the page and as JSON. */

import { colourOf, labelOf } from './drawing.js';

/**
 * Tables of the joints of each hand. Tables stay while the number of hands does, so that a video
 * changes nothing but their numbers.
 */
export class ResultTables {
  /**
   * @param {HTMLElement} parent
   * @param {string[]} jointNames
   */
  constructor(parent, jointNames) {
    this.parent = parent;
    this.jointNames = jointNames;
  }

  /** @param {{number: number, hand: import('./hand.js').Hand}[]} numbered */
  show(numbered) {
    while (this.parent.children.length > numbered.length) this.parent.lastChild.remove();
    while (this.parent.children.length < numbered.length) this.parent.append(this.newTable());
    numbered.forEach(({ number, hand }, index) => {
      const table = this.parent.children[index].querySelector('table');
      table.caption.textContent = labelOf(number, hand.handedness, hand.score);
      [...table.tBodies[0].rows].forEach(({ cells }, joint) => {
        cells[1].textContent = hand.uvPx[2 * joint].toFixed(1);
        cells[2].textContent = hand.uvPx[2 * joint + 1].toFixed(1);
        cells[3].textContent = hand.zRelative[joint].toFixed(2);
        cells[4].textContent = hand.confidence[joint].toFixed(2);
      });
    });
  }

  newTable() {
    const card = document.createElement('div');
    card.className = 'card';
    const table = card.appendChild(document.createElement('table'));
    table.createCaption();
    const head = table.createTHead().insertRow();
    for (const title of ['joint', 'u px', 'v px', 'depth', 'confidence']) {
      const cell = head.appendChild(document.createElement('th'));
      cell.scope = 'col';
      cell.textContent = title;
    }
    const body = table.createTBody();
    this.jointNames.forEach((name, joint) => {
      const row = body.insertRow();
      const cell = row.appendChild(document.createElement('th'));
      cell.scope = 'row';
      const dot = cell.appendChild(document.createElement('span'));
      dot.className = 'dot';
      dot.style.background = colourOf(joint);
      cell.append(name.replace('_', ' '));
      for (let column = 1; column < 5; column += 1) row.insertCell();
    });
    return card;
  }
}

/**
 * Hands as `kerashand-predict --json` names their parts.
 *
 * @param {{number: number, hand: import('./hand.js').Hand}[]} numbered
 * @param {{width: number, height: number}} picture
 * @param {import('./hand_pose.js').HandPose} pose
 * @returns {Object}
 */
export function asJson(numbered, { width, height }, { jointNames, scaleBone }) {
  return {
    width_px: width,
    height_px: height,
    joint_names: jointNames,
    scale_bone: scaleBone,
    hands: numbered.map(({ number, hand }) => ({
      number,
      handedness: hand.handedness,
      p_right: hand.pRight === null ? null : rounded(hand.pRight, 4),
      score: rounded(hand.score, 4),
      box: hand.box.map((value) => rounded(value, 2)),
      uv_px: jointNames.map((_, joint) => [
        rounded(hand.uvPx[2 * joint], 2),
        rounded(hand.uvPx[2 * joint + 1], 2),
      ]),
      confidence: Array.from(hand.confidence, (value) => rounded(value, 4)),
      z_relative: Array.from(hand.zRelative, (value) => rounded(value, 4)),
    })),
  };
}

function rounded(value, digits) {
  return Number(value.toFixed(digits));
}
