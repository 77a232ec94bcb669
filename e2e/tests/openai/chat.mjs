// The official OpenAI client, unchanged, on a chat model behind a gateway: GATEWAY is its base address, MODEL the model.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY + "/v1", apiKey: "unused", maxRetries: 0 });
const model = process.env.MODEL;
const messages = [{ role: "user", content: "how long does a dormouse sleep" }];

// The model may sleep: the gateway holds the request while it wakes.
const answer = await client.chat.completions.create({ model, messages, max_tokens: 6 });
assert.equal(answer.choices[0].message.content, "the dormouse sleeps for seven months ");
assert.equal(answer.usage.completion_tokens, 6);

let text = "";
let usage;
const stream = await client.chat.completions.create(
  { model, messages, max_tokens: 12, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  text += chunk.choices[0]?.delta?.content ?? "";
  usage = chunk.usage ?? usage;
}
assert.equal(text, "the dormouse sleeps for seven months ".repeat(2));
assert.equal(usage.completion_tokens, 12);

const completion = await client.completions.create({ model, prompt: "the", max_tokens: 3 });
assert.equal(completion.choices[0].text, "the dormouse sleeps ");

// An engine that breaks off in the middle is an error, not a short answer.
await assert.rejects(async () => {
  const broken = await client.chat.completions.create(
    { model, messages, max_tokens: 10, stream: true }, { headers: { "X-Fault": "Reset" } });
  for await (const _ of broken);
}, (error) => /broke off|terminated|aborted|socket/i.test(String(error) + String(error.cause)));

await assert.rejects(
  client.chat.completions.create({ model, messages }, { headers: { "X-Fault": "ServerError" } }),
  (error) => error instanceof OpenAI.InternalServerError && error.status === 500);

// A client that has read enough leaves.
const left = await client.chat.completions.create({ model, messages, max_tokens: 100000, stream: true });
let read = 0;
for await (const _ of left) {
  if (++read === 5) break;
}
assert.equal(read, 5);

console.log("openai: 6 passed, 0 failed");
