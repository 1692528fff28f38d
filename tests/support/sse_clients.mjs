// A public client of server-sent events: node sse_clients.mjs MODULES CLIENT URL END [BODY]
// It prints the messages that the client's user gets, as one array, once a message has END in it.
import { createRequire } from "node:module";

const [modules, name, url, end, body] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const got = [];
let over = false;
const headers = { Accept: "text/event-stream" };
if (body !== undefined) headers["Content-Type"] = "application/json";
const request = { method: body === undefined ? "GET" : "POST", headers, body };

function take(message) {
  if (over) return;
  got.push({ event: message.event || message.type || "message", data: message.data });
  if (message.event !== "ping" && message.type !== "ping") JSON.parse(message.data);
  over = message.data.includes(end);
  if (!over) return;
  process.stdout.write(JSON.stringify(got), () => process.exit(0));
}

function listen(source) {
  for (const kind of ["message", "hello", "listed"]) source.addEventListener(kind, take);
}

const clients = {
  async "@microsoft/fetch-event-source"() {
    globalThis.window = globalThis;
    globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
    const { fetchEventSource } = load("@microsoft/fetch-event-source");
    await fetchEventSource(url, { ...request, onmessage: take });
  },
  async "eventsource-parser"() {
    const { createParser } = load("eventsource-parser");
    const parser = createParser({
      onEvent: take,
      onError(error) { throw error; },
    });
    const text = new TextDecoder();
    const answer = await fetch(url, request);
    for await (const piece of answer.body) parser.feed(text.decode(piece, { stream: true }));
  },
  eventsource() {
    const { EventSource } = load("eventsource");
    listen(new EventSource(url));
  },
  "event-source-polyfill"() {
    globalThis.document = { readyState: "complete" };
    const { EventSourcePolyfill } = load("event-source-polyfill");
    listen(new EventSourcePolyfill(url));
  },
};

await clients[name]();
