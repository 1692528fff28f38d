// How pi-app-server answers commands, and what it announces: node pi_app_server.mjs DIST <frames >answers, as JSON.
// Each command is the first of a new server, without limits of their rate.
import path from "node:path";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(path.resolve(process.argv[2], name)));
const { PiSessionManager } = await load("session-manager.js");
const { DEFAULT_CONFIG, ResourceGovernor } = await load("resource-governor.js");
const many = 1e9;
const limits = { ...DEFAULT_CONFIG, maxCommandsPerMinute: many, maxGlobalCommandsPerMinute: many };

async function answer(frame) {
  const phases = [];
  const send = (text) => {
    const { type, data } = JSON.parse(text);
    if (type.startsWith("command_")) phases.push({ type, success: data.success });
  };
  try {
    const manager = new PiSessionManager(new ResourceGovernor(limits));
    const client = { send, subscribedSessions: new Set() };
    manager.addSubscriber(client);
    const response = await manager.executeCommand(JSON.parse(frame), client);
    return { response, phases };
  } catch (error) {
    const failed = { type: "response", command: "unknown", success: false };
    return { response: { ...failed, error: error.message }, phases };
  }
}

let asked = "";
for await (const piece of process.stdin.setEncoding("utf8")) asked += piece;
const answers = [];
for (const frame of JSON.parse(asked)) answers.push(await answer(frame));
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
