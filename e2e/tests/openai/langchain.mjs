// LangChain's client, unchanged, on a chat model behind a gateway.
import assert from "node:assert/strict";
import { ChatOpenAI } from "@langchain/openai";

const chat = new ChatOpenAI({
  model: process.env.MODEL,
  apiKey: "unused",
  maxRetries: 0,
  maxTokens: 6,
  configuration: { baseURL: process.env.GATEWAY + "/v1" },
});

const whole = await chat.invoke("how long does a dormouse sleep");
assert.equal(whole.content, "the dormouse sleeps for seven months ");
assert.equal(whole.usage_metadata.output_tokens, 6);

let text = "";
for await (const chunk of await chat.stream("how long does a dormouse sleep")) {
  text += chunk.content;
}
assert.equal(text, "the dormouse sleeps for seven months ");

const together = await chat.batch(["one", "two", "three", "four"]);
assert.equal(together.length, 4);

console.log("langchain: 3 passed, 0 failed");
