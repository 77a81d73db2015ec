// Vercel's AI SDK as a process, with its provider for services that speak OpenAI's words. See tests/e2e/driver.py.
import { readFile } from "node:fs/promises";
import { drive } from "./lines.mjs";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { AISDKError, APICallError, generateImage, RetryError } from "ai";

const { version } = JSON.parse(await readFile(new URL("./node_modules/ai/package.json", import.meta.url), "utf8"));

async function pictured(call, text) {
  const images = await Promise.all(call.pictures.map((path) => readFile(path)));
  return { text, images, ...(call.mask ? { mask: await readFile(call.mask) } : {}) };
}

async function run(call) {
  const provider = createOpenAICompatible({ name: "gateway", baseURL: call.base_url, apiKey: call.key });
  const { prompt: text, model, n, size, ...options } = { ...call.params, ...call.extra };
  const maxRetries = call.client.max_retries;
  const answer = await generateImage({
    model: provider.imageModel(model),
    prompt: call.how === null ? text : await pictured(call, text),
    ...(n === undefined ? {} : { n, maxImagesPerCall: n }),
    ...(size === undefined ? {} : { size }),
    ...(maxRetries === undefined ? {} : { maxRetries }),
    providerOptions: { gateway: options },
    headers: call.headers ?? {},
  });
  const pictures = answer.images.map((image) => ({ b64_json: image.base64, media_type: image.mediaType }));
  return { pictures, heads: answer.responses[0].headers };
}

function failure(error) {
  if (!AISDKError.isInstance(error)) return undefined;
  const attempts = RetryError.isInstance(error) ? error.errors.length : 1;
  const last = RetryError.isInstance(error) ? error.lastError : error;
  const told = APICallError.isInstance(last) ? last : {};
  const { code, param, type } = told.data?.error ?? {};
  const status = told.statusCode ?? null;
  return { error: { class: error.name, text: last?.message ?? error.message, code, param, type, status, attempts } };
}

await drive(version, run, failure);
