// The official Node SDK as a process. See tests/e2e/driver.py for the lines.
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { drive, scaled } from "./lines.mjs";
import OpenAI, { AzureOpenAI, OpenAIError, toFile } from "openai";
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

function connect(call) {
  const { max_retries: maxRetries, timeout, azure, api_version: apiVersion, default_headers: heads } = call.client;
  const options = {
    apiKey: call.key,
    ...(maxRetries === undefined ? {} : { maxRetries }),
    ...(timeout === undefined ? {} : { timeout: scaled(timeout * 1000) }),
    ...(heads === undefined ? {} : { defaultHeaders: heads }),
  };
  if (!azure) return new OpenAI({ baseURL: call.base_url, ...options });
  const deployment = call.client.azure_deployment;
  return new AzureOpenAI({ endpoint: call.base_url, apiVersion, deployment, ...options });
}

async function run(call) {
  const client = connect(call);
  if (call.call === "models") {
    const models = [];
    for await (const one of client.models.list()) models.push(one.id);
    return { models };
  }
  if (call.call === "model") return { models: [(await client.models.retrieve(call.model)).id] };
  if (call.call === "post") return { answer: await client.post(call.path, { body: call.body }) };
  const image = call.how === null ? {} : { image: await picture(call.how, call.pictures) };
  const mask = call.mask ? { mask: await toFile(await readFile(call.mask), "mask.png", { type: "image/png" }) } : {};
  const asked = { ...image, ...mask, ...call.params, ...call.extra };
  const { data: answer, response } = await client.images[call.call](asked, {
    headers: call.headers ?? {},
  }).withResponse();
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
    ...(call.raw ? { heads: Object.fromEntries(response.headers) } : {}),
  };
}

function failure(error) {
  // What breaks while an answer is read passes through the SDK as it is.
  const broken = error instanceof TypeError && error.message === "terminated";
  if (!(error instanceof OpenAIError || broken)) return undefined;
  const { code, param, type, status, requestID } = error;
  const body = error.error ?? null;
  const kind = error.constructor.name;
  const heads = Object.fromEntries(error.headers ?? []);
  return {
    error: { class: kind, text: error.message, code, param, type, status, request_id: requestID, body, heads },
  };
}

await drive(VERSION, run, failure);
