// @ts-check
// Has the browser keep the page's own files, so that it opens while its host is away.
import { BASE } from "./api.js";

/** Where a script's address is no text, but a type: the one policy that the page may have makes this one alone. */
const POLICY = "sxhost-worker";

/** Register the service worker; browsers have none for a page that came in the clear from elsewhere. */
export async function keepShell() {
  if (!("serviceWorker" in navigator)) return;
  const address = new URL("worker.js", BASE).href;
  const types = /** @type {any} */ (window).trustedTypes?.createPolicy(POLICY, { createScriptURL: () => address });
  await navigator.serviceWorker.register(types ? types.createScriptURL("") : address, { scope: BASE.href, updateViaCache: "none" });
}
