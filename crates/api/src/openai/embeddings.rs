//! `POST /v1/embeddings`.

use crate::answer::request_id;
use crate::failure::{Failure, Shape};
use crate::problem::Problem;
use crate::state::ApiState;
use crate::wire::{read_body, wire_object};
use crate::{body, door, headers};
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use nunchi_core::{EmbedReply, EmbedRequest, Lang, RequestId};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;

/// Most texts of one request, as OpenAI allows.
const MAX_INPUTS: usize = 2_048;
/// Longest vector that can be asked for.
const MAX_DIMENSIONS: u32 = 65_536;

wire_object! {
    /// The body.
    Body { model: String, input: Input, encoding_format: String, dimensions: u32, user: String }
}

/// One text or several.
#[derive(Debug)]
pub(crate) struct Input(Vec<String>);

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Input;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings (token arrays are not read: send the text)")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Input, E> {
                Ok(Input(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Input, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = seq.next_element()? {
                    if texts.len() == MAX_INPUTS {
                        return Err(A::Error::custom(format_args!("more than {MAX_INPUTS} texts")));
                    }
                    texts.push(text);
                }
                Ok(Input(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// One text; anything else is told what is wanted.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl Visitor<'_> for One {
            type Value = Text;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string (token arrays are not read: send the text)")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_any(One)
    }
}

/// Makes vectors of texts.
pub(crate) async fn embeddings(State(state): State<ApiState>, request: Request) -> Response {
    let id = request_id(&request);
    let lang = state.lang(request.headers());
    match embed(&state, request, id, lang).await {
        Ok(response) => response,
        Err(failure) => failure.response(Shape::OpenAi, Some(id)),
    }
}

async fn embed(state: &ApiState, request: Request, id: RequestId, lang: Lang) -> Result<Response, Failure> {
    let (parts, stream) = request.into_parts();
    let principal = door::principal(state, &parts.headers, lang)?;
    let fail = |problem| Failure::of_problem(&problem, lang);
    let context = door::context(&parts.headers, id, principal).map_err(fail)?;
    let settings = &state.parts.settings;
    let bytes = body::read(&parts.headers, stream, settings.max_body_bytes, settings.body_patience).await;
    let (asked, base64) = translate(&bytes.map_err(fail)?).map_err(fail)?;
    let asked_model = asked.model.clone();
    let made = state.parts.embedder.embed(asked, context).await;
    let reply = made.map_err(|error| Failure::of_model(&error, lang))?;
    let mut response = Response::new(render(&reply, &asked_model, base64).into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::tell_info(headers, &reply.info);
    Ok(response)
}

/// The request in our words, and whether the vectors are wanted as base64.
fn translate(bytes: &[u8]) -> Result<(EmbedRequest, bool), Problem> {
    let body: Body = read_body(bytes)?;
    let model = body.model.filter(|model| !model.is_empty()).ok_or_else(|| Problem::missing("model"))?;
    let Input(inputs) = body.input.ok_or_else(|| Problem::missing("input"))?;
    if inputs.is_empty() {
        return Err(Problem::invalid("input", "at least one text is needed"));
    }
    if let Some(index) = inputs.iter().position(String::is_empty) {
        return Err(Problem::invalid(format!("input[{index}]"), "the text is empty"));
    }
    if let Some(wanted) = body.dimensions.filter(|wanted| !(1..=MAX_DIMENSIONS).contains(wanted)) {
        return Err(Problem::invalid("dimensions", format!("{wanted} is not from 1 to {MAX_DIMENSIONS}")));
    }
    let base64 = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Problem::invalid(
                "encoding_format",
                format!("\"{other}\" is neither float nor base64"),
            ));
        }
    };
    Ok((EmbedRequest { model, inputs, dimensions: body.dimensions }, base64))
}

#[derive(Serialize)]
struct Listing<'a> {
    object: &'static str,
    data: Vec<Row<'a>>,
    model: &'a str,
    usage: Counts,
}

#[derive(Serialize)]
struct Row<'a> {
    object: &'static str,
    index: usize,
    embedding: Shown<'a>,
}

#[derive(Serialize)]
struct Counts {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// A vector as it is written.
enum Shown<'a> {
    Floats(&'a [f32]),
    Base64(&'a [f32]),
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Floats(vector) => vector.serialize(serializer),
            Self::Base64(vector) => {
                let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&STANDARD.encode(bytes))
            }
        }
    }
}

fn render(reply: &EmbedReply, asked_model: &str, base64: bool) -> Vec<u8> {
    let shown = |vector| if base64 { Shown::Base64(vector) } else { Shown::Floats(vector) };
    let rows = reply.vectors.iter().enumerate();
    let prompt_tokens = reply.usage.prompt_tokens();
    let listing = Listing {
        object: "list",
        data: rows
            .map(|(index, vector)| Row { object: "embedding", index, embedding: shown(vector) })
            .collect(),
        model: if reply.info.model.is_empty() { asked_model } else { &reply.info.model },
        usage: Counts { prompt_tokens, total_tokens: prompt_tokens },
    };
    serde_json::to_vec(&listing).unwrap_or_default()
}
