// Settings inside files: written into a comment of a JPEG, a chunk of a PNG, WebP or WAV, a block of a FLAC or a tag before an
// MP3 or AAC, and read back from a file that somebody drops on the page. All other programs ignore them there.

const mark = 'text2image-audio ';
const jpegComment = 0xfe;
const jpegScan = 0xda;
const maxComment = 65000;
// The chunk of a RIFF file (WebP, WAV) and the block of a FLAC.
const chunkName = 'T2IA';
const flacApplication = 2;
const flacHead = 42;

const ascii = (bytes, at, length) => String.fromCharCode(...bytes.subarray(at, at + length));
const encode = (text) => new TextEncoder().encode(text);

let table = null;

/** crc returns the CRC-32 of bytes, or of all that was summed before and them. */
export function crc(bytes, before = 0) {
  table ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let c = ~before;
  for (const byte of bytes) c = table[(c ^ byte) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

function uint32(value, little = false) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, little);
  return bytes;
}

// A chunk of a RIFF file; its data has an even length.
const riffChunk = (name, data) => [encode(name), uint32(data.length, true), data, new Uint8Array(data.length % 2)];

// The size of a WebP picture and whether it is transparent, from its first chunk; only simple files have none in front.
function webpFeatures(bytes) {
  const view = new DataView(bytes.buffer);
  if (ascii(bytes, 12, 4) === 'VP8 ') return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff, alpha: false };
  const bits = view.getUint32(21, true);
  return { width: (bits & 0x3fff) + 1, height: ((bits >> 14) & 0x3fff) + 1, alpha: Boolean(bits & (1 << 28)) };
}

// Only extended WebP files may have chunks of others, so a simple one gets the chunk that makes it extended.
function webpHead(bytes) {
  if (ascii(bytes, 12, 4) === 'VP8X') return [];
  const { width, height, alpha } = webpFeatures(bytes);
  return riffChunk('VP8X', new Uint8Array([alpha ? 0x10 : 0, 0, 0, 0, ...uint32(width - 1, true).subarray(0, 3), ...uint32(height - 1, true).subarray(0, 3)]));
}

// The formats: is reports whether a file is of one, write returns the parts of the file with the text inside, and read those
// pieces of the file that may contain it.
const formats = [
  {
    is: (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8,
    write(bytes, text) {
      if (text.length > maxComment) return [bytes];
      return [bytes.subarray(0, 2), new Uint8Array([0xff, jpegComment, (text.length + 2) >> 8, (text.length + 2) & 0xff]), text, bytes.subarray(2)];
    },
    * read(bytes, view) {
      for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== jpegScan;) {
        const size = view.getUint16(at + 2);
        if (bytes[at + 1] === jpegComment) yield bytes.subarray(at + 4, at + 2 + size);
        at += 2 + size;
      }
    },
  },
  {
    is: (bytes) => ascii(bytes, 1, 3) === 'PNG',
    write(bytes, text) {
      const body = new Uint8Array([...encode('iTXtComment\0\0\0\0\0'), ...text]);
      // After the signature of 8 bytes and the header, which is always 25 bytes long.
      return [bytes.subarray(0, 33), uint32(body.length - 4), body, uint32(crc(body)), bytes.subarray(33)];
    },
    * read(bytes, view) {
      for (let at = 8; at + 12 <= bytes.length;) {
        const size = view.getUint32(at);
        if (ascii(bytes, at + 4, 4) === 'iTXt') yield bytes.subarray(at + 8, at + 8 + size);
        at += 12 + size;
      }
    },
  },
  {
    is: (bytes) => ascii(bytes, 0, 4) === 'RIFF' && ['WEBP', 'WAVE'].includes(ascii(bytes, 8, 4)),
    write(bytes, text) {
      const own = riffChunk(chunkName, text);
      const rest = [bytes.subarray(12), new Uint8Array(bytes.length % 2)];
      // In a WebP it must come last; in a WAV first, since sound that was streamed does not say how long it is.
      const parts = ascii(bytes, 8, 4) === 'WEBP' ? [...webpHead(bytes), ...rest, ...own] : [...own, ...rest];
      const size = parts.reduce((sum, part) => sum + part.length, 4);
      return [bytes.subarray(0, 4), uint32(size, true), bytes.subarray(8, 12), ...parts];
    },
    * read(bytes, view) {
      for (let at = 12; at + 8 <= bytes.length;) {
        const size = view.getUint32(at + 4, true);
        if (ascii(bytes, at, 4) === chunkName) yield bytes.subarray(at + 8, at + 8 + size);
        at += 8 + size + (size % 2);
      }
    },
  },
  {
    is: (bytes) => ascii(bytes, 0, 4) === 'fLaC',
    write(bytes, text) {
      const head = bytes.slice(0, flacHead);
      const last = head[4] & 0x80;
      head[4] &= 0x7f;
      const block = uint32(text.length + 4);
      block[0] = flacApplication | last;
      return [head, block, encode(chunkName), text, bytes.subarray(flacHead)];
    },
    * read(bytes, view) {
      for (let at = 4; at + 4 <= bytes.length;) {
        const size = view.getUint32(at) & 0xffffff;
        if ((bytes[at] & 0x7f) === flacApplication) yield bytes.subarray(at + 4, at + 4 + size);
        if (bytes[at] & 0x80) return;
        at += 4 + size;
      }
    },
  },
  {
    // MP3 and AAC: a tag of ID3 in front, or a frame of sound at once.
    is: (bytes) => ascii(bytes, 0, 3) === 'ID3' || (bytes[0] === 0xff && (bytes[1] & 0xe0) === 0xe0),
    write(bytes, text) {
      const body = new Uint8Array([3, ...encode('recipe\0'), ...text]);
      // Sizes have seven bits a byte.
      const size = (n) => new Uint8Array([(n >> 21) & 0x7f, (n >> 14) & 0x7f, (n >> 7) & 0x7f, n & 0x7f]);
      return [encode('ID3'), new Uint8Array([4, 0, 0]), size(body.length + 10), encode('TXXX'), size(body.length), new Uint8Array(2), body, bytes];
    },
    * read(bytes) {
      if (ascii(bytes, 0, 3) !== 'ID3') return;
      yield bytes.subarray(10, 10 + ((bytes[6] << 21) | (bytes[7] << 14) | (bytes[8] << 7) | bytes[9]));
    },
  },
];

/** withSettings returns the file with its settings inside; files of other types are returned as they are. */
export async function withSettings(blob, settings) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const format = bytes.length > flacHead && formats.find(({ is }) => is(bytes));
  return format ? new Blob(format.write(bytes, encode(mark + JSON.stringify(settings))), { type: blob.type }) : blob;
}

function parse(bytes) {
  const text = new TextDecoder().decode(bytes);
  const at = text.indexOf(mark);
  if (at < 0) return null;
  try {
    const settings = JSON.parse(text.slice(at + mark.length));
    return typeof (settings?.prompt ?? settings?.text) === 'string' ? settings : null;
  } catch {
    return null;
  }
}

/** readSettings returns the settings inside a file, or null. */
export async function readSettings(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const format = bytes.length > flacHead && formats.find(({ is }) => is(bytes));
  if (!format) return null;
  try {
    for (const piece of format.read(bytes, new DataView(bytes.buffer))) {
      const found = parse(piece);
      if (found) return found;
    }
  } catch (error) {
    // The file is damaged: it says that it is longer than it is.
    if (!(error instanceof RangeError)) throw error;
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
