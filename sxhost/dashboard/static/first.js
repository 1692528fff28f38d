// @ts-check
// What is wanted first: asked for at once, while the rest of the page is still on its way.
import { askAhead, path, takeLogin } from "./api.js";

/** What a screen needs beside what the page always has: all of it is loaded together. @type {Record<string, string[]>} */
const PARTS = {
  s: ["session", "approval", "composer", "conversation", "diff", "items", "log", "rule", "steps", "text"],
  inbox: ["inbox", "approval", "diff", "equal", "rule", "text"],
};

/** Have the browser load a screen's modules, which `import()` then finds. @param {string} screen */
export function preload(screen) {
  for (const name of PARTS[screen] || []) {
    const href = new URL(`./${name}.js`, import.meta.url).href;
    if (!document.head.querySelector(`link[href="${href}"]`)) document.head.append(Object.assign(document.createElement("link"), { rel: "modulepreload", href }));
  }
}

/** Where the end of a conversation is read. @param {string} id the session's */
export const endOf = (id) => `${path`sessions/${id}/transcript`}?limit=100&detail=compact`;

takeLogin();
const [, screen = "", id = "", view = ""] = location.hash.split("/");
preload(screen);
askAhead("sessions");
if (screen === "s" && !view && /^[\w.-]+$/.test(id)) askAhead(endOf(id));
