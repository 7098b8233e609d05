/**
 * What an exported .tflite file says about itself, in a zip archive that is appended to the network,
 * and whether it is what the export wrote, as in kerashand/runtime/model_file.py and operators.py.
 */

import { UserError } from './errors.js';

const MEMBER = 'kerashand.json';
const END_MARK = 0x06054b50;
const ENTRY_MARK = 0x02014b50;
const LOCAL_MARK = 0x04034b50;
const END_BYTES = 22;
const [STORED, DEFLATED] = [0, 8];
/** Operators that networks of kerashand are made of; kerashand/runtime/operators.py names them. */
const OPERATORS = new Set([
  0, 1, 2, 3, 4, 6, 9, 14, 17, 18, 19, 22, 23, 40, 41, 42, 45, 47, 53, 55, 57, 59, 69, 74, 75, 76, 82,
  83, 98, 99, 114
]);
const CUSTOM_OPERATOR = 32;

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
 * The network in a model file, if it is whole and made of operators that are used here.
 *
 * @param {Uint8Array} bytes the whole file
 * @param {Object} description
 * @param {string} name of the file, for messages
 * @returns {Promise<Uint8Array>}
 * @throws {UserError} if it does not have the checksum in the description, or holds other operators
 */
export async function checkedNetwork(bytes, description, name) {
  if (globalThis.crypto?.subtle === undefined) {
    throw new UserError('Over http browsers do not check files: open this page over https.');
  }
  const { bytes: count, sha256 } = description.checksum ?? {};
  const whole = Number.isInteger(count) && count >= 0 && count <= bytes.length;
  const network = bytes.subarray(0, whole ? count : 0);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', network));
  const digits = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  if (!whole || digits !== sha256) {
    throw new UserError(
      `${name} is damaged: it does not have the checksum that the export wrote. ` +
        'Copy it again, as a whole.',
    );
  }
  const foreign = [...operatorsIn(network, name)].filter((code) => !OPERATORS.has(code));
  if (foreign.length) {
    throw new UserError(
      `${name} is not run: it holds operators that networks of kerashand do not use ` +
        `(numbers ${foreign.slice(0, 10).join(', ')}).`,
    );
  }
  return network;
}

/** Numbers of the operators that a network declares: a vector of tables in a FlatBuffers table. */
function operatorsIn(network, name) {
  const view = new DataView(network.buffer, network.byteOffset, network.byteLength);
  const after = (place) => place + view.getUint32(place, true);
  const fieldOf = (table, index) => {
    const layout = table - view.getInt32(table, true);
    const entry = 4 + 2 * index;
    if (entry + 2 > view.getUint16(layout, true)) return 0;
    const offset = view.getUint16(layout + entry, true);
    return offset && table + offset;
  };
  const codes = new Set();
  try {
    const place = fieldOf(view.getUint32(0, true), 1);
    if (!place) return codes;
    const vector = after(place);
    const end = vector + 4 + 4 * view.getUint32(vector, true);
    for (let entry = vector + 4; entry < end; entry += 4) {
      const [old, custom, now] = [0, 1, 3].map((index) => fieldOf(after(entry), index));
      const code = Math.max(old ? view.getInt8(old) : 0, now ? view.getInt32(now, true) : 0);
      codes.add(custom ? CUSTOM_OPERATOR : code);
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // an offset beyond the file
    throw new UserError(`${name} is not a model that LiteRT.js can load.`);
  }
  return codes;
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
