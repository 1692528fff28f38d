// Node's own `http`: the two hot requests, with nothing around them.
"use strict";
const http = require("http");

const sessions = new Map();
let last = 0;

function answer(response, value) {
  const body = JSON.stringify(value);
  response.writeHead(200, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(body);
}

function append(id, text) {
  const draft = JSON.parse(text);
  let events = sessions.get(id);
  if (events === undefined) sessions.set(id, (events = []));
  last += 1;
  events.push({ id: last, seq: events.length + 1, ts: Date.now(), event: draft.event, data: draft.data });
  if (events.length > 256) events.shift();
  return { ok: true, event_count: last, seq: last, id: last };
}

const server = http.createServer((request, response) => {
  if (request.method === "GET" && request.url === "/health") {
    answer(response, { status: "ok" });
    return;
  }
  const [, sessions_, id, events_] = request.url.split("/");
  if (request.method === "POST" && sessions_ === "sessions" && events_ === "events") {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => answer(response, append(id, Buffer.concat(pieces).toString())));
    return;
  }
  response.writeHead(404).end();
});

server.listen(0, "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
