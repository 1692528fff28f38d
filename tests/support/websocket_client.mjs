// The client `ws`: node websocket_client.mjs MODULES URL [SUBPROTOCOL...]
// It prints what a server chose and sent first, or how it refused, as `new WebSocket` does.
import { createRequire } from "node:module";

const [modules, url, ...offered] = process.argv.slice(2);
const { WebSocket } = createRequire(`${modules}/`)("ws");
const socket = new WebSocket(url, offered);
const got = {};
socket.on("open", () => { got.protocol = socket.protocol; got.extensions = socket.extensions; });
socket.on("message", (data, isBinary) => {
  if (got.first === undefined) socket.close(4000, "enough");
  got.first ??= isBinary ? "binary" : data.toString();
});
socket.on("error", error => { got.error = error.message; });
socket.on("close", code => { process.stdout.write(JSON.stringify({ ...got, code })); });
