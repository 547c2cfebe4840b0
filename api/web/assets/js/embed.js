// Settings inside picture files: written into a comment of a JPEG or a text chunk of a PNG, and read back from a file that
// somebody drops on the page.

const mark = 'text2image-audio ';
const jpegStart = 0xffd8;
const jpegComment = 0xfe;
const jpegScan = 0xda;
const maxComment = 65000;
const pngStart = 0x89504e47;

const join = (...parts) => new Blob(parts);

let table = null;
function crc(bytes) {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let c = 0xffffffff;
  for (const byte of bytes) c = table[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function pngChunk(text) {
  const body = new TextEncoder().encode(`iTXtComment\0\0\0\0\0${text}`);
  const chunk = new Uint8Array(body.length + 8);
  const view = new DataView(chunk.buffer);
  view.setUint32(0, body.length - 4);
  chunk.set(body, 4);
  view.setUint32(body.length + 4, crc(body));
  return chunk;
}

/** withSettings returns the picture with its settings inside; files of other types are returned as they are. */
export async function withSettings(blob, settings) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const view = new DataView(bytes.buffer);
  const text = mark + JSON.stringify(settings);
  if (bytes.length > 4 && view.getUint16(0) === jpegStart) {
    const comment = new TextEncoder().encode(text);
    if (comment.length > maxComment) return blob;
    const head = new Uint8Array([0xff, jpegComment, (comment.length + 2) >> 8, (comment.length + 2) & 0xff]);
    return new Blob([join(bytes.subarray(0, 2), head, comment, bytes.subarray(2))], { type: blob.type });
  }
  if (bytes.length > 33 && view.getUint32(0) === pngStart) {
    // The header is always 25 bytes long, after the signature of 8.
    return new Blob([join(bytes.subarray(0, 33), pngChunk(text), bytes.subarray(33))], { type: blob.type });
  }
  return blob;
}

function parse(bytes) {
  const text = new TextDecoder().decode(bytes);
  const at = text.indexOf(mark);
  if (at < 0) return null;
  try {
    const settings = JSON.parse(text.slice(at + mark.length));
    return typeof settings?.prompt === 'string' ? settings : null;
  } catch {
    return null;
  }
}

/** readSettings returns the settings inside a picture file, or null. */
export async function readSettings(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const view = new DataView(bytes.buffer);
  if (bytes.length > 4 && view.getUint16(0) === jpegStart) {
    for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== jpegScan;) {
      const size = view.getUint16(at + 2);
      const found = bytes[at + 1] === jpegComment ? parse(bytes.subarray(at + 4, at + 2 + size)) : null;
      if (found) return found;
      at += 2 + size;
    }
  } else if (bytes.length > 33 && view.getUint32(0) === pngStart) {
    for (let at = 8; at + 12 <= bytes.length;) {
      const size = view.getUint32(at);
      const type = new TextDecoder().decode(bytes.subarray(at + 4, at + 8));
      const found = type === 'iTXt' ? parse(bytes.subarray(at + 8, at + 8 + size)) : null;
      if (found) return found;
      if (type === 'IEND') break;
      at += 12 + size;
    }
  }
  return null;
}

/** saveFile hands a file to the browser as a download. */
export function saveFile(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
