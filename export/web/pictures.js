/** Pictures and the webcam as pixels. */

import { UserError } from './errors.js';

/** Larger pictures are made smaller: browsers limit the size of a canvas. */
const MOST_SIDE_PX = 4096;
/** As in kerashand/cli/media.py. */
const LEAST_SIDE_PX = 8;
const WEBCAM = { video: { width: { ideal: 640 }, height: { ideal: 480 } }, audio: false };

/**
 * A picture that the user chose, upright as its EXIF orientation says.
 *
 * @param {Blob & {name?: string}} file
 * @returns {Promise<HTMLCanvasElement>} what is transparent lies on white
 * @throws {UserError} if it is not a picture
 */
export async function readPicture(file) {
  const name = file.name || 'This';
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new UserError(`${name} is not a picture that this browser can read.`);
  }
  const { width, height } = bitmap;
  if (Math.min(width, height) < LEAST_SIDE_PX) {
    throw new UserError(`${name} is too small to show a hand: ${width} x ${height} px.`);
  }
  const zoom = Math.min(MOST_SIDE_PX / Math.max(width, height), 1);
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(Math.round(width * zoom), 1);
  canvas.height = Math.max(Math.round(height * zoom), 1);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/**
 * The pixels of a canvas of `readPicture` or `Webcam`.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {ImageData}
 */
export function pixelsOf(canvas) {
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** The webcam, switched on. */
export class Webcam {
  /** @param {HTMLVideoElement} video that plays */
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement('canvas');
  }

  /**
   * Switch the webcam on.
   *
   * @returns {Promise<Webcam>}
   * @throws {UserError} if there is none, or the page may not use it
   */
  static async start() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new UserError('The webcam needs a page from https or localhost.');
    }
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    try {
      video.srcObject = await navigator.mediaDevices.getUserMedia(WEBCAM);
      await video.play();
    } catch (error) {
      for (const track of video.srcObject?.getTracks() ?? []) track.stop();
      throw new UserError(webcamMessage(error));
    }
    return new Webcam(video);
  }

  /** Call a function when the webcam has stopped by itself, as when it is pulled out. */
  onEnded(call) {
    for (const track of this.video.srcObject.getTracks()) track.onended = call;
  }

  /**
   * The next frame.
   *
   * @returns {Promise<HTMLCanvasElement>} the same canvas each time
   */
  async frame() {
    await new Promise((resolve) => {
      if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(resolve);
      else requestAnimationFrame(resolve);
    });
    const { canvas, video } = this;
    if (canvas.width !== video.videoWidth || canvas.height !== video.videoHeight) {
      canvas.width = video.videoWidth;
      canvas.height = video.videoHeight;
    }
    canvas.getContext('2d', { willReadFrequently: true }).drawImage(video, 0, 0);
    return canvas;
  }

  /** Switch it off. */
  stop() {
    for (const track of this.video.srcObject.getTracks()) track.stop();
  }
}

function webcamMessage(error) {
  const messages = {
    NotFoundError: 'No webcam was found.',
    NotAllowedError: 'This page was not allowed to use the webcam.',
    NotReadableError: 'The webcam cannot be read: another program may be using it.',
  };
  return messages[error.name] ?? `The webcam cannot be used: ${error.message}`;
}
