// @ts-check
// The service worker: it keeps the page's own files, so that the page opens while its host is away.
// Nothing else passes through it: no data, no login, no other address.

/** @type {any} */
const worker = self;

/** The page's version, and its files: the host fills them in. */
const VERSION = "{version}", FILES = "{files}".split(" ");

const SCOPE = worker.registration.scope;
/** Hosts under other prefixes of this origin have caches of their own. */
const OURS = `sxhost ${SCOPE} `, SHELL = OURS + VERSION;
const PAGE = new Request(SCOPE, { headers: { Accept: "text/html" } });
const KEPT = new Set(FILES.map((name) => new URL(`ui/${VERSION}/${name}`, SCOPE).href));

/** Milliseconds in which a host answers that is there. */
const ANSWERS_WITHIN = 4000;

worker.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(keep()));
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(leaveOthers()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && withoutFragment(request.url) === SCOPE) event.respondWith(page(request));
  else if (KEPT.has(request.url)) event.respondWith(file(request));
});

/** @param {string} address */
const withoutFragment = (address) => address.split("#")[0];

/** Keep this version whole, or not at all. */
async function keep() {
  const shell = await caches.open(SHELL);
  await shell.addAll([PAGE, ...KEPT]);
  await worker.skipWaiting();
}

async function leaveOthers() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name.startsWith(OURS) && name !== SHELL).map((name) => caches.delete(name)));
}

/** The host's own page, whenever it answers: so an update is never hidden. @param {Request} request */
async function page(request) {
  const answer = await Promise.race([fetch(request).catch(() => null), pause(ANSWERS_WITHIN)]);
  if (answer?.ok && !answer.headers.has("Sxhost-Worker")) await leave();
  // What a proxy says of a host that is away is no answer.
  return answer && answer.status < 500 ? answer : (await kept(PAGE)) || answer || Response.error();
}

/** @param {Request} request */
const file = async (request) => (await kept(request)) || fetch(request);

/** @param {Request} request @returns {Promise<Response | undefined>} */
const kept = (request) => caches.match(request, { cacheName: SHELL, ignoreVary: true });

/** @param {number} ms @returns {Promise<null>} */
const pause = (ms) => new Promise((done) => { setTimeout(() => done(null), ms); });

/** Go for good: what answers here has no worker. */
async function leave() {
  await caches.delete(SHELL);
  await worker.registration.unregister();
}
