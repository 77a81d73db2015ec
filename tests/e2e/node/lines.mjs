// A driver's loop: a line of JSON in is a call, a line of JSON out is what its user got.
import { createInterface } from "node:readline";

// The SDK's own waits between resends run as fast as the clock of the gateway that it talks to.
const SPEED = Number(process.env.CLOCK_SPEED ?? "1");
const wait = globalThis.setTimeout;
globalThis.setTimeout = (work, ms = 0, ...rest) => wait(work, ms / SPEED, ...rest);

// Real milliseconds, for limits that a test states in them.
export const scaled = (ms) => ms * SPEED;

export async function drive(version, run, failure) {
  console.log(JSON.stringify({ version }));
  for await (const line of createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = await run(JSON.parse(line));
    } catch (error) {
      answer = failure(error) ?? { crash: String(error?.stack ?? error) };
    }
    console.log(JSON.stringify(answer));
  }
}
