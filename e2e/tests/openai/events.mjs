// An independent parser of server-sent events, on a chat model that sleeps and is woken with Heartbeat.
import assert from "node:assert/strict";
import { createParser } from "eventsource-parser";

const events = [];
const comments = [];
const parser = createParser({
  onEvent: (event) => events.push(event.data),
  onComment: (comment) => comments.push(comment),
  onError: (error) => assert.fail(error),
});
const answer = await fetch(process.env.GATEWAY + "/v1/chat/completions", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({
    model: process.env.MODEL,
    stream: true,
    max_tokens: 6,
    messages: [{ role: "user", content: "hello" }],
  }),
});
assert.equal(answer.status, 200);
assert.match(answer.headers.get("content-type"), /^text\/event-stream/);
for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) parser.feed(piece);

assert.equal(events.at(-1), "[DONE]");
const deltas = events.slice(0, -1).map((data) => JSON.parse(data).choices[0].delta);
const thoughts = deltas.filter((delta) => delta.reasoning_content);
assert.equal(deltas.map((delta) => delta.content ?? "").join(""), "the dormouse sleeps for seven months ");
if (process.env.ASLEEP) {
  assert.ok(comments.some((comment) => /dormouse phase=\w+.* position=1/.test(comment)), String(comments));
  assert.ok(thoughts.length > 0, "thoughts are told while the model wakes");
  assert.equal(deltas.findIndex((delta) => delta.content), thoughts.length, "thoughts come before the answer");
}

console.log("eventsource-parser: 1 passed, 0 failed");
