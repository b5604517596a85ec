"""Files and batches of the OpenAI SDK against the running binary: through a Batch API, and for a model that has none."""

import json
import time

import openai
import pytest


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.base + "/v1", api_key=server.key, max_retries=0)


def line(name, model, text):
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": text}]}
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}


def finished(client, batch):
    deadline = time.monotonic() + 60
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        assert time.monotonic() < deadline, batch
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    return batch


def lines_of(client, file_id):
    return {line["custom_id"]: line for line in map(json.loads, client.files.content(file_id).text.splitlines())}


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5", "ollama/llama3.2"])
def test_a_batch(client, model):
    lines = [line("a", model, "say: 하나"), line("b", model, "say: two"), line("c", "nobody/knows", "hi")]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n{ broken\n"
    file = client.files.create(file=("in.jsonl", text.encode()), purpose="batch")
    assert (file.object, file.purpose, file.bytes, file.filename) == ("file", "batch", len(text.encode()), "in.jsonl")
    assert client.files.content(file.id).read() == text.encode()
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"name": "야간"}
    )
    assert batch.object == "batch" and batch.metadata == {"name": "야간"}
    batch = finished(client, batch)
    assert batch.status == "completed"
    counts = batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (4, 2, 2)
    answers = lines_of(client, batch.output_file_id)
    said = {name: line["response"]["body"]["choices"][0]["message"]["content"] for name, line in answers.items()}
    assert said == {"a": "하나", "b": "two"}
    errors = lines_of(client, batch.error_file_id)
    assert set(errors) == {"c", None}
    assert errors["c"]["response"]["body"]["error"]["code"] == "model.unknown"
    output = client.files.retrieve(batch.output_file_id)
    assert output.bytes == len(client.files.content(batch.output_file_id).read())
    assert batch.id in [one.id for one in client.batches.list()]
    assert file.id in [one.id for one in client.files.list()]
    assert client.files.delete(file.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_what_cannot_be_a_batch(client, server):
    file = client.files.create(file=("in.jsonl", b"{}\n"), purpose="batch")
    for changed in [{"endpoint": "/v1/embeddings"}, {"completion_window": "1h"}]:
        wish = {"input_file_id": file.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"} | changed
        with pytest.raises(openai.BadRequestError):
            client.batches.create(**wish)
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("in.jsonl", b"{}\n"), purpose="fine-tune")
    stranger = openai.OpenAI(base_url=server.base + "/v1", api_key=server.cli("keys", "create", "stranger")["key"], max_retries=0)
    with pytest.raises(openai.NotFoundError):
        stranger.files.retrieve(file.id)
    with pytest.raises(openai.NotFoundError):
        stranger.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert list(stranger.files.list()) == []
