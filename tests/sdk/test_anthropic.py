"""The Anthropic SDK against the running binary, in front of its own dialect and others."""

import anthropic
import pytest

MODELS = [
    "anthropic/claude-haiku-4-5",
    "openai/gpt-5-mini",
    "openai-responses/gpt-5-mini",
    "gemini/gemini-2.5-flash",
    "ollama/llama3.2",
]
TOOL = {
    "name": "get_weather",
    "description": "Weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture(scope="module")
def client(server):
    return anthropic.Anthropic(base_url=server.base, api_key=server.key, max_retries=0)


def user(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", MODELS)
def test_messages(client, model):
    raw = client.messages.with_raw_response.create(
        model=model, max_tokens=200, system="Be brief.", messages=user(f"say: message {model}")
    )
    answer = raw.parse()
    assert answer.content[0].text == f"message {model}"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert raw.headers["x-nunchi-model"] == model


@pytest.mark.parametrize("model", MODELS)
def test_stream(client, model):
    with client.messages.stream(model=model, max_tokens=200, messages=user(f"say: 흐르는 글 {model}")) as stream:
        assert "".join(stream.text_stream) == f"흐르는 글 {model}"
        final = stream.get_final_message()
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_tools(client, model):
    messages = user("use the get_weather tool")
    with client.messages.stream(model=model, max_tokens=200, messages=messages, tools=[TOOL]) as stream:
        for _ in stream:
            pass
        message = stream.get_final_message()
    call = next(block for block in message.content if block.type == "tool_use")
    assert message.stop_reason == "tool_use" and set(call.input) == {"city"}
    messages += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    answer = client.messages.create(model=model, max_tokens=200, messages=messages, tools=[TOOL])
    assert "sunny" in answer.content[0].text


def test_thinking_keeps_its_signature(client):
    answer = client.messages.create(
        model="anthropic/claude-haiku-4-5",
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=user("think"),
    )
    assert answer.content[0].type == "thinking" and answer.content[0].signature


def test_count_tokens(client):
    few = client.messages.count_tokens(model="anthropic/claude-haiku-4-5", messages=user("hello"))
    many = client.messages.count_tokens(model="anthropic/claude-haiku-4-5", messages=user("hello " * 500))
    assert 0 < few.input_tokens < 50 < many.input_tokens


def test_cached_tokens_stay_apart(client, server):
    answer = client.messages.create(model="anthropic/claude-haiku-4-5", max_tokens=50, messages=user("use the cache"))
    usage = answer.usage
    assert usage.cache_read_input_tokens > 0
    row = server.cli("stats", "--by", "provider", "--period", "today")
    assert "anthropic" in str(row)


@pytest.mark.parametrize("status,error", [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError)])
def test_errors(client, status, error):
    with pytest.raises(error) as failed:
        client.messages.create(model="anthropic/claude-haiku-4-5", max_tokens=50, messages=user(f"fail {status}"))
    assert failed.value.body["type"] == "error"


def test_a_broken_stream_is_told(client):
    with pytest.raises(anthropic.APIError):
        with client.messages.stream(
            model="anthropic/claude-haiku-4-5", max_tokens=50, messages=user("break the stream")
        ) as stream:
            list(stream.text_stream)
