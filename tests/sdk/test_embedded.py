"""The SDKs against the model inside the binary, with nothing configured."""

import anthropic
import openai
import pytest

from conftest import Server, clean_env


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    home = tmp_path_factory.mktemp("alone")
    running = Server(home, clean_env())
    running.cli("models", "pull")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(alone):
    return openai.OpenAI(base_url=alone.base + "/v1", api_key=alone.key, max_retries=0, timeout=120)


QUESTION = [{"role": "user", "content": "What is 2+2? Answer briefly."}]


def test_chat_is_free_and_from_the_embedded_model(client):
    raw = client.chat.completions.with_raw_response.create(model="auto", max_tokens=40, messages=QUESTION)
    answer = raw.parse()
    assert "4" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert raw.headers["x-nunchi-model"].startswith("embedded/")
    assert float(raw.headers["x-nunchi-cost-usd"]) == 0


def test_stream(client):
    chunks = list(
        client.chat.completions.create(
            model="auto", max_tokens=24, messages=[{"role": "user", "content": "Name three colours."}], stream=True
        )
    )
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert len(pieces) > 3 and "".join(pieces).strip()
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_responses_and_messages(client, alone):
    answer = client.responses.create(model="auto", input="Say hello.", max_output_tokens=24)
    assert answer.output_text.strip() and answer.usage.output_tokens > 0
    other = anthropic.Anthropic(base_url=alone.base, api_key=alone.key, max_retries=0, timeout=120)
    with other.messages.stream(model="auto", max_tokens=24, messages=[{"role": "user", "content": "Say goodbye."}]) as stream:
        assert "".join(stream.text_stream).strip()


def test_embeddings_know_what_is_alike_in_two_languages(client):
    models = [model.id for model in client.models.list() if model.id.startswith("embedded/")]
    assert models
    texts = ["The cat sleeps on the sofa.", "고양이가 소파에서 자고 있다.", "Interest rates rose in March."]
    encoder = next(name for name in models if "use" in name.lower() or "sentence" in name.lower() or "encoder" in name.lower())
    vectors = [one.embedding for one in client.embeddings.create(model=encoder, input=texts).data]
    alike = lambda a, b: sum(x * y for x, y in zip(a, b))
    assert alike(vectors[0], vectors[1]) > alike(vectors[0], vectors[2]) + 0.2
