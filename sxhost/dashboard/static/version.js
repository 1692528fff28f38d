// @ts-check
// Whether the host has another version of this page by now than the one that runs here.
import { BASE } from "./api.js";
import { signal } from "./dom.js";

/** The addresses of the page's files begin with its version. */
const VERSION = /ui\/([0-9a-f]{16})\//;

const mine = VERSION.exec(import.meta.url)?.[1];

/** True once the host was found to have another version. */
export const outdated = signal(false);

/** Ask the host for its page: a browser that has this one still is told that it is good. */
export async function compareVersion() {
  try {
    const response = await fetch(BASE, { headers: { Accept: "text/html" } });
    const theirs = VERSION.exec(await response.text())?.[1];
    if (response.ok && theirs && theirs !== mine) outdated.value = true;
  } catch { /* the link says that the host is away */ }
}
