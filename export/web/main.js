/** The page: a picture or the webcam in, skeletons and joints out. */

import { draw } from './drawing.js';
import { UserError } from './errors.js';
import { readPicture, Webcam } from './pictures.js';
import { RemotePose } from './remote_pose.js';
import { asJson, ResultTables } from './results.js';
import { SpaceView } from './space.js';

const TABLES_EVERY_MS = 200;
const COPY_LABEL = 'Copy JSON';
/** Frames over which the rate is averaged. */
const RATE_FRAMES = 30;

const element = (id) => document.getElementById(id);
const page = {
  choose: element('choose'),
  file: element('file'),
  webcam: element('webcam'),
  maxHands: element('max-hands'),
  drop: element('drop'),
  view: element('view'),
  status: element('status'),
  error: element('error'),
  results: element('results'),
  hands: element('hands'),
  copy: element('copy'),
  space: element('space'),
  turn: element('turn'),
  runsOn: element('runs-on'),
};

let pose = null;
let tables = null;
let space = null;
/** What is shown: the picture as a canvas, and the hands in it. */
let shown = null;
let webcam = null;
/** Grows with every picture or start of the webcam, so that what is late is dropped. */
let turn = 0;

// ------------------------------------------------------------------------------------- showing

function say(text) {
  page.status.textContent = text;
}

/** Show an error; what is not meant for the user goes to the console too. */
function fail(error) {
  if (!(error instanceof UserError)) console.error(error);
  page.error.textContent =
    error instanceof UserError ? error.message : `Something went wrong: ${error.message ?? error}`;
  page.error.hidden = false;
}

function clearError() {
  page.error.hidden = true;
}

function count(number, noun) {
  return `${number || 'no'} ${noun}${number > 1 ? 's' : ''}`;
}

function show(picture, numbered, mirrored, withTables) {
  shown = { picture, numbered };
  page.drop.classList.add('filled');
  if (withTables) {
    tables.show(numbered);
    page.results.hidden = false;
    page.copy.disabled = numbered.length === 0;
  }
  draw(page.view, picture, numbered, mirrored);
  space.show(numbered, mirrored);
}

// ------------------------------------------------------------------------------------ a picture

async function openFile(file) {
  if (!file || pose === null) return;
  stopWebcam();
  clearError();
  turn += 1;
  const mine = turn;
  try {
    const picture = await readPicture(file);
    if (mine === turn) await showPicture(picture, mine);
  } catch (error) {
    if (mine === turn) fail(error);
  }
}

async function showPicture(picture, mine) {
  say('Looking for hands …');
  const start = performance.now();
  const hands = await pose.predict(picture, { maxHands: Number(page.maxHands.value) });
  if (mine !== turn) return;
  const numbered = hands.map((hand, number) => ({ number, hand }));
  const milliseconds = Math.round(performance.now() - start);
  const size = `${picture.width} x ${picture.height} px`;
  say(`${count(hands.length, 'hand')} in ${size}, ${milliseconds} ms`);
  show(picture, numbered, false, true);
}

// ------------------------------------------------------------------------------------ the webcam

async function startWebcam() {
  clearError();
  turn += 1;
  const mine = turn;
  page.webcam.disabled = true;
  try {
    const started = await Webcam.start();
    if (mine !== turn) {
      started.stop();
      return;
    }
    webcam = started;
    webcam.onEnded(() => {
      if (mine !== turn) return;
      stopWebcam();
      fail(new UserError('The webcam has stopped.'));
    });
    page.webcam.textContent = 'Stop webcam';
    page.webcam.disabled = false;
    await filmWebcam(started, mine);
  } catch (error) {
    if (mine === turn) {
      stopWebcam();
      fail(error);
    }
  } finally {
    page.webcam.disabled = false;
  }
}

/** Frame after frame, until something else is shown. */
async function filmWebcam(camera, mine) {
  const times = [];
  let tablesAt = 0;
  for (;;) {
    const picture = await camera.frame();
    if (mine !== turn) return;
    const now = performance.now();
    const seconds = times.length ? (now - times.at(-1)) / 1000 : 0;
    const frame = { seconds, maxHands: Number(page.maxHands.value), isFirst: !times.length };
    times.push(now);
    if (times.length > RATE_FRAMES) times.shift();
    const numbered = await pose.follow(picture, frame);
    if (mine !== turn) return;
    const withTables = now - tablesAt >= TABLES_EVERY_MS;
    show(picture, numbered, true, withTables);
    if (withTables) {
      tablesAt = now;
      const rate = (1000 * (times.length - 1)) / Math.max(now - times[0], 1);
      const fps = times.length > 1 ? `, ${rate.toFixed(0)} fps` : '';
      say(`${count(numbered.length, 'hand')}${fps}`);
    }
  }
}

function stopWebcam() {
  if (webcam === null) return;
  turn += 1;
  webcam.stop();
  webcam = null;
  page.webcam.textContent = 'Start webcam';
  if (shown) tables.show(shown.numbered);
  say('Webcam off.');
}

// ------------------------------------------------------------------------------------- the page

async function copyJson() {
  const text = JSON.stringify(asJson(shown.numbered, shown.picture, pose));
  try {
    await navigator.clipboard.writeText(text);
    page.copy.textContent = 'Copied';
  } catch {
    fail(new UserError('The browser did not let this page write to the clipboard.'));
  }
  setTimeout(() => {
    page.copy.textContent = COPY_LABEL;
  }, 1500);
}

function listen() {
  page.choose.addEventListener('click', () => page.file.click());
  page.file.addEventListener('change', () => {
    openFile(page.file.files[0]);
    page.file.value = ''; // so that the same file can be chosen again
  });
  page.webcam.addEventListener('click', () => (webcam ? stopWebcam() : startWebcam()));
  page.maxHands.addEventListener('change', () => {
    if (webcam || !shown) return;
    turn += 1;
    showPicture(shown.picture, turn).catch(fail);
  });
  page.copy.addEventListener('click', copyJson);
  for (const name of ['dragover', 'drop', 'dragleave']) {
    // On the whole window: a browser would open a file that is dropped beside the field.
    window.addEventListener(name, (event) => {
      event.preventDefault();
      page.drop.classList.toggle('over', name === 'dragover');
    });
  }
  window.addEventListener('drop', (event) => openFile(event.dataTransfer.files[0]));
}

async function start() {
  listen();
  say('Loading the models …');
  const given = new URLSearchParams(location.search);
  try {
    pose = await RemotePose.load(
      given.get('pose') ?? 'models/hand_pose.tflite',
      given.get('detector') ?? 'models/hand_detector.tflite',
      given.get('accelerator') ?? 'auto',
    );
  } catch (error) {
    say('');
    fail(error);
    return;
  }
  tables = new ResultTables(page.hands, pose.jointNames);
  space = new SpaceView(page.space, page.turn, pose.scaleBone);
  element('scale-bone').textContent = pose.scaleBone.replaceAll('_', ' ');
  page.runsOn.textContent = `The models run on ${pose.runsOn}, beside the page.`;
  for (const control of [page.choose, page.webcam, page.maxHands]) control.disabled = false;
  say('Ready.');
}

start();
