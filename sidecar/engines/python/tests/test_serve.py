"""The small server, over real connections."""

import base64
import http.client
import json
import logging
import socket
import struct
import threading
import unittest
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from dormouse.serve import RequestError, Server


def lengths(texts: Sequence[str]) -> List[List[float]]:
    if "bad" in texts:
        raise ValueError("bad text")
    return [[float(len(text)), 0.5] for text in texts]


class ServeTest(unittest.TestCase):

    def setUp(self) -> None:
        self.closed = threading.Event()
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.server = Server("m", embeddings=lengths, chat=self.talk, aliases=["ns/m"], host="127.0.0.1", port=0)
        self.server.start()
        self.addCleanup(self.server.stop)
        logging.disable(logging.ERROR)
        self.addCleanup(logging.disable, logging.NOTSET)

    def talk(self, messages: List[Dict[str, Any]], request: Dict[str, Any]) -> Iterator[str]:
        try:
            said = messages[-1].get("content")
            if said == "teapot":
                raise RequestError(400, "no tea", param="messages")
            yield "you said "
            self.begun.set()
            if said == "wait":
                self.go_on.wait(10)
            if said == "fail":
                raise ValueError("lost the thread")
            while said == "forever":
                yield "x" * 1000
            yield str(said)
        finally:
            self.closed.set()

    def ask(self, method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None
            ) -> Tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, body if isinstance(body, (bytes, type(None))) else json.dumps(body),
                           headers or {})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        kind = answer.getheader("Content-Type", "")
        return answer.status, json.loads(content) if kind == "application/json" else content.decode()

    def embed(self, **fields: Any) -> Tuple[int, Any]:
        return self.ask("POST", "/v1/embeddings", {"model": "m", "input": "hello", **fields})

    def chat(self, said: str, **fields: Any) -> Tuple[int, Any]:
        return self.ask("POST", "/v1/chat/completions",
                        {"model": "m", "messages": [{"role": "user", "content": said}], **fields})

    def test_it_listens_before_the_model_is_there_and_says_so(self) -> None:
        self.assertEqual(503, self.ask("GET", "/health")[0])
        status, body = self.embed()
        self.assertEqual((503, "model_loading", "server_error"), (status, body["error"]["code"], body["error"]["type"]))
        self.server.open()
        self.assertEqual(200, self.ask("GET", "/health")[0])
        self.assertEqual(200, self.embed()[0])
        self.assertEqual(["m"], [model["id"] for model in self.ask("GET", "/v1/models")[1]["data"]])

    def test_embeddings_of_a_text_and_of_several_as_numbers_and_as_the_official_clients_ask(self) -> None:
        self.server.open()
        status, body = self.embed()
        self.assertEqual((200, [5.0, 0.5]), (status, body["data"][0]["embedding"]))
        _, body = self.embed(model="ns/m", input=["a", "bb"], encoding_format="base64")
        self.assertEqual([(0, (1.0, 0.5)), (1, (2.0, 0.5))],
                         [(e["index"], struct.unpack("<2f", base64.b64decode(e["embedding"]))) for e in body["data"]])
        self.assertEqual({"prompt_tokens": 2, "total_tokens": 2}, body["usage"])

    def test_what_is_wrong_with_a_request_is_named(self) -> None:
        self.server.open()
        for fields, status, param in (({"input": []}, 400, "input"), ({"input": None}, 400, "input"),
                                      ({"input": [1, 2]}, 400, "input"), ({"model": "other"}, 404, "model"),
                                      ({"encoding_format": "hex"}, 400, "encoding_format")):
            with self.subTest(fields=fields):
                answered, body = self.embed(**fields)
                self.assertEqual((status, param), (answered, body["error"]["param"]))
        for body, status in ((b"{", 400), (b"[]", 400), (b"\xff", 400)):
            self.assertEqual(status, self.ask("POST", "/v1/embeddings", body)[0])
        self.assertEqual(400, self.ask("POST", "/v1/chat/completions", {"model": "m", "messages": []})[0])
        self.assertEqual(404, self.ask("POST", "/v1/images", {"model": "m"})[0])
        self.assertEqual(404, self.ask("GET", "/v1/embeddings")[0])
        self.assertEqual(413, self.ask("POST", "/v1/embeddings", b"", {"Content-Length": str(1 << 40)})[0])
        self.assertEqual(411, self.ask("POST", "/v1/embeddings", b"", {"Content-Length": "-1"})[0])

    def test_a_model_that_fails_is_an_answer_and_the_next_request_is_served(self) -> None:
        self.server.open()
        status, body = self.embed(input="bad")
        self.assertEqual((500, "the model failed: ValueError: bad text"), (status, body["error"]["message"]))
        self.assertEqual(200, self.embed()[0])

    def test_a_chat_is_answered_whole_and_streamed(self) -> None:
        self.server.open()
        _, body = self.chat("hi")
        self.assertEqual("you said hi", body["choices"][0]["message"]["content"])
        _, text = self.chat("hi", stream=True)
        events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        self.assertEqual("[DONE]", events[-1])
        deltas = [json.loads(event)["choices"][0] for event in events[:-1]]
        self.assertEqual("you said hi", "".join(delta["delta"].get("content", "") for delta in deltas))
        self.assertEqual("stop", deltas[-1]["finish_reason"])

    def test_a_chat_that_fails_says_so_before_the_first_word_and_after_it(self) -> None:
        self.server.open()
        self.assertEqual(400, self.chat("teapot")[0])
        self.assertEqual(500, self.chat("fail")[0])
        status, text = self.chat("fail", stream=True)
        last = text.strip().split("\n")[-1]
        self.assertEqual((200, "the model failed: ValueError: lost the thread"),
                         (status, json.loads(last[6:])["error"]["message"]))

    def test_a_client_that_goes_away_ends_the_thinking(self) -> None:
        self.server.open()
        body = json.dumps({"model": "m", "stream": True, "messages": [{"content": "forever"}]})
        with socket.create_connection(("127.0.0.1", self.server.port), 10) as client:
            client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                           .encode())
            client.recv(1000)
        self.assertTrue(self.closed.wait(10))
        self.assertEqual(200, self.ask("GET", "/health")[0])

    def test_a_stop_waits_for_what_has_begun(self) -> None:
        self.server.open()
        answers: List[Any] = []
        thread = threading.Thread(target=lambda: answers.append(self.chat("wait")))
        thread.start()
        self.assertTrue(self.begun.wait(10))
        self.assertFalse(self.server.stop(grace=0.01))
        self.go_on.set()
        self.assertTrue(self.server.stop(grace=10))
        thread.join()
        self.assertEqual("you said wait", answers[0][1]["choices"][0]["message"]["content"])
        with self.assertRaises(OSError):
            self.ask("GET", "/health")

    def test_the_probe_is_a_request_that_the_model_answers(self) -> None:
        self.server.open()
        for server in (self.server, Server("m", chat=self.talk, host="127.0.0.1", port=0)):
            probe = server.probe()
            body = probe["body"].replace('"@batch"', f"[{probe['item']},{probe['item']}]")
            self.assertEqual(200, self.ask("POST", probe["path"], json.loads(body))[0])
            if server is not self.server:
                server.stop()


if __name__ == "__main__":
    unittest.main()
