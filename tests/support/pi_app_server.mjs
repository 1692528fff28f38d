// How pi-app-server answers commands: node pi_app_server.mjs DIST <frames >answers, both as JSON.
// Each command is the first of a new server, without limits of their rate.
import path from "node:path";
import { pathToFileURL } from "node:url";

const load = (name) => import(pathToFileURL(path.resolve(process.argv[2], name)));
const { PiSessionManager } = await load("session-manager.js");
const { DEFAULT_CONFIG, ResourceGovernor } = await load("resource-governor.js");
const many = 1e9;
const limits = { ...DEFAULT_CONFIG, maxCommandsPerMinute: many, maxGlobalCommandsPerMinute: many };

async function answer(frame) {
  try {
    const manager = new PiSessionManager(new ResourceGovernor(limits));
    return await manager.executeCommand(JSON.parse(frame), {});
  } catch (error) {
    return { type: "response", command: "unknown", success: false, error: error.message };
  }
}

let asked = "";
for await (const piece of process.stdin.setEncoding("utf8")) asked += piece;
const answers = [];
for (const frame of JSON.parse(asked)) answers.push(await answer(frame));
process.stdout.write(JSON.stringify(answers), () => process.exit(0));
