// @ts-check
// Copies to the clipboard, and says what was copied.
import { signal } from "./dom.js";

/** Milliseconds for which it is said. */
const SHOWN = 4000;

/** What was copied last; empty after a while. */
export const copied = signal("");

let timer = 0;

/** @param {string} text */
export async function copy(text) {
  if (!text) return;
  clearTimeout(timer);
  try {
    await navigator.clipboard.writeText(text);
    copied.value = `Copied: ${text}`;
  } catch {
    // A page that did not come over TLS has no clipboard.
    copied.value = `To copy: ${text}`;
  }
  timer = window.setTimeout(() => { copied.value = ""; }, SHOWN);
}
