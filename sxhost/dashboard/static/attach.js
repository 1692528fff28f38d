// @ts-check
// Pictures that go with a message: scaled down until an event of the log has room for them.
import { h, html, useEffect, useState } from "./dom.js";
import { Thumbnail } from "./pictures.js";

/** Bytes of base64 that an event keeps of all its pictures (`sxhost.model.pictures`), and pictures of one message. */
const ROOM = 150_000, MOST = 4;

/** What agents take; others become one of them. */
const TAKEN = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** Sizes that are tried, in pixels of the longer side, each with a quality. @type {[number, number][]} */
const TRIES = [[1568, 0.85], [1568, 0.7], [1200, 0.75], [1000, 0.7], [800, 0.7], [640, 0.6], [400, 0.5]];

/** @typedef {import("./pictures.js").Picture} Picture */

/** The files that are pictures, with those that were chosen before. @param {File[]} before @param {Iterable<File>} added */
export const joined = (before, added) => [...before, ...[...added].filter((file) => file.type.startsWith("image/"))].slice(0, MOST);

/** Pictures that are about to be sent. @param {{files: File[], change: (files: File[]) => void, ready: (pictures: Picture[]) => void, fail: (words: string) => void}} props */
export function Tray({ files, change, ready, fail }) {
  const [pictures, setPictures] = useState(/** @type {Picture[]} */ ([]));
  useEffect(() => {
    let wanted = true;
    ready([]);
    Promise.all(files.map((file) => fitting(file, ROOM / files.length))).then((found) => {
      if (!wanted) return;
      setPictures(found);
      ready(found);
    }, () => {
      if (!wanted) return;
      fail("This is no picture that can be shown here.");
      change(files.slice(0, -1));
    });
    return () => { wanted = false; };
  }, [files]);
  return html`<div class="pictures">${pictures.length === files.length && pictures.map((picture, at) => html`<span key=${at}>
      ${h(Thumbnail, { picture, name: `picture ${at + 1} to send` })}<button class="quiet" aria-label=${`Leave out picture ${at + 1}`} onClick=${() => change(files.filter((file) => file !== files[at]))}>leave out</button></span>`)}</div>`;
}

/** A picture in so many bytes of base64: as it is if it fits, else smaller. @param {File} file @param {number} room @returns {Promise<Picture>} */
async function fitting(file, room) {
  if (file.type.startsWith("image/svg")) throw new TypeError("markup");
  const image = await createImageBitmap(file);  // what cannot be shown is not sent
  if (TAKEN.has(file.type) && (4 * file.size) / 3 + 4 <= room) return encoded(file);
  for (const [side, quality] of TRIES) {
    const blob = await drawn(image, side, quality);
    if ((4 * blob.size) / 3 + 4 <= room) return encoded(blob);
  }
  throw new RangeError("too large");
}

/** @param {ImageBitmap} image @param {number} side @param {number} quality @returns {Promise<Blob>} */
function drawn(image, side, quality) {
  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  const as = (/** @type {string} */ type) => new Promise((done) => canvas.toBlob(done, type, quality));
  // A browser that cannot write a type writes PNG, which is large.
  return as("image/webp").then((blob) => (blob?.type === "image/webp" ? blob : as("image/jpeg")));
}

/** @param {Blob} blob @returns {Promise<Picture>} */
function encoded(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done({ mime_type: blob.type, data: String(reader.result).split(",")[1] });
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(blob);
  });
}
