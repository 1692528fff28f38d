// @ts-check
// Pictures of a conversation: small in their place, read when they come near the screen, large on a click.
// They are shown by a `data:` address of a known type, so that none is anything but a picture.
import { get, path } from "./api.js";
import { h, html, useEffect, useRef, useState } from "./dom.js";

/** Never SVG: it is markup. */
const TYPES = new Set(["image/png", "image/jpeg", "image/gif", "image/webp"]);

/** Pixels from the screen at which a picture is read. */
const NEAR = "400px";

/** @typedef {{mime_type: string, data?: string}} Picture */

/** The address of a picture; "" if it cannot be shown. @param {Picture} picture */
export const addressOf = ({ mime_type: type, data }) => (TYPES.has(type) && data && /^[A-Za-z0-9+/]+=*$/.test(data) ? `data:${type};base64,${data}` : "");

/** The pictures of an item. @param {{item: any}} props */
export function Pictures({ item }) {
  const [whole, setWhole] = useState(/** @type {Picture[] | null} */ (null));
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      get(`${path`sessions/${item.session}/transcript`}?after=${item.seq - 1}&limit=1`)
        .then((page) => { if (page.items[0]?.seq === item.seq) setWhole(page.items[0].images || []); }, () => {});
    }, { rootMargin: NEAR });
    if (place.current) watcher.observe(place.current);
    return () => watcher.disconnect();
  }, [item.session, item.seq, item.last]);
  const shown = /** @type {Picture[]} */ (whole || item.images);
  return html`<div class="pictures" ref=${place}>${shown.map((picture, at) => h(Thumbnail, { key: at, picture, name: `picture ${at + 1} of ${shown.length}` }))}</div>`;
}

/** One picture, which a click shows in its full size. @param {{picture: Picture, name: string}} props */
export function Thumbnail({ picture, name }) {
  const [open, setOpen] = useState(false);
  const [broken, setBroken] = useState(false);
  const address = addressOf(picture);
  if (broken || (picture.data && !address)) return html`<span class="dim">a picture that cannot be shown</span>`;
  if (!address) return html`<span class="picture" aria-busy="true"></span>`;
  return html`<button class="picture" aria-label=${`Show ${name}`} onClick=${() => setOpen(true)}><img src=${address} alt=${name} decoding="async" onError=${() => setBroken(true)} /></button>
    ${open && h(Large, { address, name, close: () => setOpen(false) })}`;
}

/** @param {{address: string, name: string, close: () => void}} props */
function Large({ address, name, close }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => { box.current?.showModal(); }, []);
  return html`<dialog class="large" ref=${box} aria-label=${name} onClose=${close} onClick=${() => box.current?.close()}>
    <p><a download=${name.replaceAll(" ", "-")} href=${address} onClick=${(/** @type {Event} */ event) => event.stopPropagation()}>Save</a> <button class="quiet">Close</button></p>
    <img src=${address} alt=${name} /></dialog>`;
}
