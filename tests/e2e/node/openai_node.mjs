// The official Node SDK as a process. See tests/e2e/driver.py for the lines.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { drive, scaled } from "./lines.mjs";
import OpenAI, { OpenAIError, toFile } from "openai";
import { VERSION } from "openai/version";

async function picture(how, paths) {
  switch (how) {
    case "bytes":
      return toFile(await readFile(paths[0]), "picture.bin");
    case "file":
      return new File([await readFile(paths[0])], basename(paths[0]), { type: "image/png" });
    case "chunked":
      return createReadStream(paths[0]);
    case "list":
      return Promise.all(paths.map(async (path) => toFile(await readFile(path), basename(path))));
    case "files":
      return paths.map((path) => createReadStream(path));
  }
  throw new Error(how);
}

async function run(call) {
  const { max_retries: maxRetries, timeout } = call.client ?? {};
  const client = new OpenAI({
    baseURL: call.base_url,
    apiKey: call.key,
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(timeout === undefined ? {} : { timeout: scaled(timeout * 1000) }),
  });
  if (call.call === "models") {
    const models = [];
    for await (const one of client.models.list()) models.push(one.id);
    return { models };
  }
  if (call.call === "model") return { models: [(await client.models.retrieve(call.model)).id] };
  const image = call.how === null ? {} : { image: await picture(call.how, call.pictures) };
  const answer = await client.images.edit(
    { ...image, ...call.params, ...call.extra },
    { headers: call.headers ?? {} },
  );
  if (call.params.stream) {
    const events = [];
    for await (const event of answer) events.push(event);
    return { events };
  }
  return {
    pictures: answer.data,
    created: answer.created,
    size: answer.size,
    output_format: answer.output_format,
    usage: answer.usage !== undefined,
    request_id: answer._request_id,
  };
}

function failure(error) {
  // What breaks while an answer is read passes through the SDK as it is.
  const broken = error instanceof TypeError && error.message === "terminated";
  if (!(error instanceof OpenAIError || broken)) return undefined;
  const { code, param, type, status, requestID } = error;
  const body = error.error ?? null;
  const kind = error.constructor.name;
  return {
    error: { class: kind, text: error.message, code, param, type, status, request_id: requestID, body },
  };
}

await drive(VERSION, run, failure);
