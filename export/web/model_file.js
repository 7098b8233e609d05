/** What an exported .tflite file says about itself: a zip archive is appended to the model. */

import { UserError } from './errors.js';

const MEMBER = 'kerashand.json';
const END_MARK = 0x06054b50;
const ENTRY_MARK = 0x02014b50;
const LOCAL_MARK = 0x04034b50;
const END_BYTES = 22;
const [STORED, DEFLATED] = [0, 8];

/**
 * The description in a model file.
 *
 * @param {Uint8Array} bytes the whole file
 * @param {string} name of the file, for messages
 * @returns {Promise<Object>} `task`, `image_size_px`, `joint_names`, `scale_bone` and more
 * @throws {UserError} if there is none
 */
export async function readDescription(bytes, name) {
  const packed = findMember(bytes);
  if (packed === null) {
    throw new UserError(`${name} was not exported by kerashand: it holds no description.`);
  }
  let description;
  try {
    const text = new TextDecoder().decode(await unpacked(packed));
    description = JSON.parse(text);
  } catch {
    throw new UserError(`${name} is damaged: its description is not JSON.`);
  }
  if (description === null || typeof description !== 'object' || Array.isArray(description)) {
    throw new UserError(`${name} is damaged: its description is not an object.`);
  }
  return description;
}

/**
 * The member as it is stored; null if there is no such member.
 *
 * @param {Uint8Array} bytes
 * @returns {{data: Uint8Array, method: number} | null}
 */
function findMember(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  if (end < 0) return null;
  const entries = view.getUint16(end + 10, true);
  const directoryBytes = view.getUint32(end + 12, true);
  // Offsets may count from the start of the archive instead of that of the file.
  const shift = end - directoryBytes - view.getUint32(end + 16, true);
  let entry = end - directoryBytes;
  try {
    for (let number = 0; number < entries; number += 1) {
      if (view.getUint32(entry, true) !== ENTRY_MARK) return null;
      const nameBytes = view.getUint16(entry + 28, true);
      const name = new TextDecoder().decode(bytes.subarray(entry + 46, entry + 46 + nameBytes));
      if (name === MEMBER) {
        const local = view.getUint32(entry + 42, true) + shift;
        if (view.getUint32(local, true) !== LOCAL_MARK) return null;
        const start =
          local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
        return {
          data: bytes.subarray(start, start + view.getUint32(entry + 20, true)),
          method: view.getUint16(entry + 10, true),
        };
      }
      entry += 46 + nameBytes + view.getUint16(entry + 30, true) + view.getUint16(entry + 32, true);
    }
  } catch (error) {
    if (error instanceof RangeError) return null; // an offset beyond the file
    throw error;
  }
  return null;
}

/** Where the archive's last record starts: only a comment may follow it. -1 if there is none. */
function findEnd(view) {
  const first = Math.max(view.byteLength - END_BYTES - 0xffff, 0);
  for (let at = view.byteLength - END_BYTES; at >= first; at -= 1) {
    const isEnd =
      view.getUint32(at, true) === END_MARK &&
      at + END_BYTES + view.getUint16(at + 20, true) === view.byteLength;
    if (isEnd) return at;
  }
  return -1;
}

/** The bytes of a stored or deflated member. */
async function unpacked({ data, method }) {
  if (method === STORED) return data;
  if (method !== DEFLATED) throw new Error(`unknown packing ${method}`);
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
