"""The OpenAI SDK against the running binary, in front of every provider's dialect."""

import json

import openai
import pytest
from pydantic import BaseModel

from conftest import seen

CHAT_MODELS = [
    "openai/gpt-5-mini",
    "openai-responses/gpt-5-mini",
    "anthropic/claude-haiku-4-5",
    "gemini/gemini-2.5-flash",
    "ollama/llama3.2",
    "perplexity/sonar",
]
TOOL_MODELS = [model for model in CHAT_MODELS if not model.startswith("perplexity")]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": WEATHER}}


class Trip(BaseModel):
    city: str
    days: int


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=server.base + "/v1", api_key=server.key, max_retries=0)


def user(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_chat(client, model):
    raw = client.chat.completions.with_raw_response.create(model=model, messages=user(f"say: hello {model}"))
    answer = raw.parse()
    assert answer.choices[0].message.content == f"hello {model}"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > 0
    assert raw.headers["x-nunchi-cache"] == "miss"
    assert raw.headers["x-nunchi-model"] == model
    assert float(raw.headers["x-nunchi-cost-usd"]) >= 0


@pytest.mark.parametrize("model", CHAT_MODELS)
def test_stream_with_usage(client, model):
    chunks = list(
        client.chat.completions.create(
            model=model, messages=user(f"say: 안녕하세요 {model} 🙂"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == f"안녕하세요 {model} 🙂"
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


def test_a_stream_without_usage_has_none(client):
    chunks = client.chat.completions.create(model="openai/gpt-5-mini", messages=user("say: no usage please"), stream=True)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("model", TOOL_MODELS)
def test_tools(client, model):
    messages = user("use the get_weather tool")
    with client.chat.completions.stream(model=model, messages=messages, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city"}
    messages += [
        {"role": "assistant", "content": None, "tool_calls": [{"id": call.id, "type": "function", "function": {
            "name": call.function.name, "arguments": call.function.arguments}}]},
        {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 degrees"},
    ]
    answer = client.chat.completions.create(model=model, messages=messages, tools=[TOOL])
    assert "sunny, 21 degrees" in answer.choices[0].message.content


@pytest.mark.parametrize("model", TOOL_MODELS)
def test_parallel_tools(client, model):
    other = {"type": "function", "function": {"name": "get_time", "parameters": WEATHER}}
    answer = client.chat.completions.create(model=model, messages=user("use all tools"), tools=[TOOL, other])
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert len({call.id for call in calls}) == 2
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("model", [m for m in CHAT_MODELS])
def test_structured_output(client, model):
    answer = client.chat.completions.parse(model=model, messages=user("a trip as json"), response_format=Trip)
    assert isinstance(answer.choices[0].message.parsed, Trip)


def test_the_cache_answers_again(client):
    ask = lambda: client.chat.completions.with_raw_response.create(
        model="openai/gpt-5-mini", messages=user("say: a timeless truth")
    )
    first, again = ask(), ask()
    assert (first.headers["x-nunchi-cache"], again.headers["x-nunchi-cache"]) == ("miss", "exact")
    assert first.parse().choices[0].message.content == again.parse().choices[0].message.content
    assert float(again.headers["x-nunchi-cost-usd"]) == 0


def test_images_reach_the_upstream(client, upstreams):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [
        {"type": "text", "text": "say: a picture"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}},
    ]
    for name, model in [
        ("anthropic", "claude-haiku-4-5"),
        ("openai-responses", "gpt-5-mini"),
        ("gemini", "gemini-2.5-flash"),
        ("ollama", "llama3.2"),
    ]:
        client.chat.completions.create(model=f"{name}/{model}", messages=[{"role": "user", "content": parts}])
        assert pixel in json.dumps(seen(upstreams, name.removesuffix("-responses"))["requests"][-1]["body"])


@pytest.mark.parametrize("model", TOOL_MODELS)
def test_responses(client, model):
    answer = client.responses.create(model=model, input=f"say: responses {model}")
    assert answer.output_text == f"responses {model}"
    assert answer.usage.output_tokens > 0
    with client.responses.stream(model=model, input=f"say: streamed {model}") as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == f"streamed {model}"
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    tool = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
    called = client.responses.create(model=model, input="use the get_weather tool", tools=[tool])
    assert [item.name for item in called.output if item.type == "function_call"] == ["get_weather"]
    parsed = client.responses.parse(model=model, input="a trip as json", text_format=Trip)
    assert isinstance(parsed.output_parsed, Trip)


@pytest.mark.parametrize("model", ["openai/text-embedding-3-small", "gemini/gemini-embedding-001", "ollama/nomic-embed-text"])
def test_embeddings(client, model):
    answer = client.embeddings.create(model=model, input=["하나", "two"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) > 1
    assert answer.data[0].embedding != answer.data[1].embedding


def test_models(client):
    ids = {model.id for model in client.models.list()}
    assert "auto" in ids and any(name.startswith("embedded/") for name in ids)


@pytest.mark.parametrize("model", TOOL_MODELS)
def test_errors(client, model):
    ask = lambda text, **more: client.chat.completions.create(model=model, messages=user(text), **more)
    with pytest.raises(openai.BadRequestError):
        ask("fail 400")
    with pytest.raises(openai.RateLimitError):
        ask("fail 429")
    with pytest.raises(openai.APIStatusError) as failed:
        ask("fail 500")
    assert failed.value.status_code >= 500
    with pytest.raises(openai.APIError):
        list(ask("break the stream", stream=True))


def test_an_unknown_model_and_a_wrong_key(client, server):
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="nobody/knows", messages=user("hi"))
    assert unknown.value.code == "model.unknown"
    stranger = openai.OpenAI(base_url=server.base + "/v1", api_key="nk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "key.unknown"


def test_citations_are_kept(client):
    answer = client.chat.completions.create(model="perplexity/sonar", messages=user("cite your sources"))
    assert answer.model_extra["citations"]


def test_upstreams_saw_no_mistake(client, upstreams):
    for name in upstreams:
        assert seen(upstreams, name)["violations"] == [], name
