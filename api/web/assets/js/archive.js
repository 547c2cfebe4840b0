// Many files as one: a ZIP archive without compression, since pictures and sound are compressed already. Only one file at a
// time is in memory; what is written so far is a Blob, which browsers keep on disk.
import { crc } from './embed.js';

const utf8Names = 0x0800;
const version = 20;
const slice = 1 << 20;
const maxBytes = 0xffffffff;

// A record of the format: [size in bytes, value] for each field.
function record(...fields) {
  const bytes = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return bytes;
}

// Computes the checksum in pieces, so that a large file does not hold up the page.
async function checksum(blob) {
  let sum = 0;
  for (let at = 0; at < blob.size; at += slice) sum = crc(new Uint8Array(await blob.slice(at, at + slice).arrayBuffer()), sum);
  return sum;
}

// The format counts time in the local time zone, in steps of two seconds since 1980.
function dosTime(date) {
  return [(date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1), ((date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate()];
}

function uniqueName(name, taken) {
  const dot = name.lastIndexOf('.');
  let wanted = name;
  for (let n = 2; taken.has(wanted.toLowerCase()); n += 1) wanted = `${name.slice(0, dot)} (${n})${name.slice(dot)}`;
  taken.add(wanted.toLowerCase());
  return wanted;
}

/** zip returns an archive of files, an async iterable of {name, blob, date}. It fails beyond 4 GB, the limit of the format. */
export async function zip(files) {
  const taken = new Set();
  let archive = new Blob([], { type: 'application/zip' });
  const directory = [];
  for await (const { name, blob, date } of files) {
    const [time, day] = dosTime(date);
    const path = new TextEncoder().encode(uniqueName(name, taken));
    const common = [[2, version], [2, utf8Names], [2, 0], [2, time], [2, day], [4, await checksum(blob)], [4, blob.size], [4, blob.size], [2, path.length], [2, 0]];
    directory.push(record([4, 0x02014b50], [2, version], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, archive.size]), path);
    archive = new Blob([archive, record([4, 0x04034b50], ...common), path, blob], { type: 'application/zip' });
    if (archive.size > maxBytes) throw new RangeError('The archive is too large.');
  }
  const start = archive.size;
  const index = new Blob(directory);
  const count = directory.length / 2;
  return new Blob([archive, index, record([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, index.size], [4, start], [2, 0])], { type: 'application/zip' });
}
