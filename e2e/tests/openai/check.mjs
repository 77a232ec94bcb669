// The official OpenAI client, unchanged, against a Dormouse gateway: GATEWAY is its base address.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.GATEWAY + "/v1", apiKey: "unused", maxRetries: 0 });

const models = await client.models.list();
assert.ok(models.data.some((model) => model.id === "all-minilm-l6-v2"), "the model is listed");

// The model may sleep: the gateway holds the request while it wakes.
const answer = await client.embeddings.create({
  model: "all-minilm-l6-v2",
  input: ["a dormouse sleeps for seven months", "the gateway holds the request"],
});
assert.equal(answer.data.length, 2);
assert.equal(answer.data[0].embedding.length, 384);
const norm = Math.hypot(...answer.data[0].embedding);
assert.ok(Math.abs(norm - 1) < 1e-3, `unit length, got ${norm}`);

await assert.rejects(
  client.embeddings.create({ model: "nobody-knows-this", input: "x" }),
  (error) => error instanceof OpenAI.NotFoundError && /nobody-knows-this/.test(error.message),
);

console.log("4 passed, 0 failed");
