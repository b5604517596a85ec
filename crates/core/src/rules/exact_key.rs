//! The key of the exact cache: SHA-256 over everything that makes two requests the same question to the same audience.

use super::normalise::normalise_prompt;
use crate::chat::{
    CacheTtl, Json, Media, MediaSource, Message, ModelRequest, Part, ResponseFormat, Role, ToolChoice,
};
use crate::ports::CacheKey;
use crate::words::CallContext;
use sha2::{Digest, Sha256};

/// Fields of a caller's body that change nothing about the answer.
pub(super) const INERT_FIELDS: [&str; 9] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "timeout",
    "user",
];

/// Who shares answers with whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheScope {
    /// Only calls with the same virtual key.
    #[default]
    Key,
    /// All calls of the same user.
    User,
    /// Everybody.
    Everyone,
}

/// Computes the key. `policy` is the version of whatever maps the requested model to real ones.
///
/// Hashes the request as it came, before any masking: two people's different secrets never share an answer.
pub fn exact_key(
    request: &ModelRequest,
    context: &CallContext,
    scope: CacheScope,
    policy: &str,
    fold_case: bool,
) -> CacheKey {
    let mut hash = FieldHash::new("nunchi exact key 1");
    hash.text("model", &request.model);
    hash.text("policy", policy);
    hash_audience(&mut hash, context, scope);
    hash_messages(&mut hash, &request.messages, fold_case);
    hash_shape(&mut hash, request);
    CacheKey(hash.0.finalize().into())
}

/// The one plain text of a person that a request ends in: tool results and media are no question, and several wanted answers are
/// not one.
pub fn lone_question(request: &ModelRequest) -> Option<&str> {
    let last = request.messages.last()?;
    let mut texts = last.parts.iter().filter(|part| !matches!(part, Part::CachePoint(_)));
    let (Some(Part::Text(question)), None) = (texts.next(), texts.next()) else { return None };
    let alone = last.role == Role::User && request.choices <= 1 && !question.trim().is_empty();
    alone.then_some(question)
}

/// What questions that share an answer have in common: everything but the last message's text, that is system prompt, conversation
/// so far, tools, shape of the answer, parameters, audience.
pub fn kin_key(request: &ModelRequest, context: &CallContext, scope: CacheScope, policy: &str) -> CacheKey {
    let mut hash = FieldHash::new("nunchi kinship 1");
    hash.text("model", &request.model);
    hash.text("policy", policy);
    hash_audience(&mut hash, context, scope);
    if let Some((last, before)) = request.messages.split_last() {
        hash_messages(&mut hash, before, false);
        hash.text("name", last.name.as_deref().unwrap_or(""));
    }
    hash_shape(&mut hash, request);
    CacheKey(hash.0.finalize().into())
}

fn hash_messages(hash: &mut FieldHash, messages: &[Message], fold_case: bool) {
    for message in messages {
        hash.text("role", role_name(message.role));
        hash.text("name", message.name.as_deref().unwrap_or(""));
        for part in &message.parts {
            hash_part(hash, part, fold_case && message.role == Role::User);
        }
    }
}

fn hash_audience_of_key(hash: &mut FieldHash, context: &CallContext) {
    hash.bytes("key", context.principal.key.as_ref().map_or(&[][..], |key| key.0.as_bytes()));
}

fn hash_audience(hash: &mut FieldHash, context: &CallContext, scope: CacheScope) {
    match scope {
        CacheScope::Key => hash_audience_of_key(hash, context),
        CacheScope::User => match &context.principal.user {
            Some(user) => hash.bytes("user", user.0.as_bytes()),
            // Keys that belong to nobody share nothing with each other.
            None => hash_audience_of_key(hash, context),
        },
        CacheScope::Everyone => hash.text("everyone", ""),
    }
    hash.text("agent", context.agent.as_deref().unwrap_or(""));
    hash.text("phase", context.phase.as_deref().unwrap_or(""));
    hash.text("context", context.context_digest.as_deref().unwrap_or(""));
}

/// Everything but the conversation: tools, shape of the answer, parameters.
fn hash_shape(hash: &mut FieldHash, request: &ModelRequest) {
    for tool in &request.tools {
        hash.text("tool", &tool.name);
        hash.text("does", tool.description.as_deref().unwrap_or(""));
        hash.json("parameters", tool.parameters.as_ref());
        hash.json("builtin", tool.builtin.as_ref());
        hash.text("strict", flag(tool.strict));
    }
    match &request.tool_choice {
        ToolChoice::Auto => hash.text("choice", "auto"),
        ToolChoice::None => hash.text("choice", "none"),
        ToolChoice::Required => hash.text("choice", "required"),
        ToolChoice::Named(name) => hash.text("choose", name),
    }
    hash.text("parallel", flag(request.parallel_tool_calls));
    match &request.format {
        ResponseFormat::Text => hash.text("format", "text"),
        ResponseFormat::JsonObject => hash.text("format", "json"),
        ResponseFormat::JsonSchema(schema) => {
            hash.text("schema", &schema.name);
            hash.json("schema", Some(&schema.schema));
            hash.text("strict", flag(schema.strict));
        }
    }
    hash_parameters(hash, request);
    let mut rest: Vec<_> =
        request.rest.iter().filter(|(name, _)| !INERT_FIELDS.contains(&name.as_str())).collect();
    rest.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, value) in rest {
        hash.text("field", name);
        hash.json("value", Some(value));
    }
}

fn hash_parameters(hash: &mut FieldHash, request: &ModelRequest) {
    let sampling = &request.sampling;
    for number in
        [sampling.temperature, sampling.top_p, sampling.presence_penalty, sampling.frequency_penalty]
    {
        hash.bytes("number", &number.map_or([0xff; 8], f64::to_be_bytes));
    }
    let cap = request.max_output_tokens;
    let seed = sampling.seed.map(i64::cast_unsigned);
    for number in
        [sampling.top_k, seed, sampling.top_logprobs.map(u64::from), cap, Some(u64::from(request.choices))]
    {
        hash.text("given", flag(Some(number.is_some())));
        hash.bytes("number", &number.unwrap_or(0).to_be_bytes());
    }
    for stop in &sampling.stop {
        hash.text("stop", stop);
    }
    if let Some(reasoning) = &request.reasoning {
        hash.text("effort", &format!("{:?}", reasoning.effort));
        hash.bytes("thinking", &reasoning.budget_tokens.unwrap_or(u64::MAX).to_be_bytes());
        hash.text("summary", reasoning.summary.as_deref().unwrap_or(""));
    }
}

fn hash_part(hash: &mut FieldHash, part: &Part, human: bool) {
    match part {
        Part::Text(text) => hash.text("text", &normalise_prompt(text, human)),
        Part::Media(media) => hash_media(hash, media),
        Part::Thinking { text, .. } => hash.text("thinking", text),
        Part::RedactedThinking(data) => hash.text("redacted", data),
        Part::ToolCall { id, name, arguments, .. } => {
            hash.text("call", id);
            hash.text("tool", name);
            hash.text("arguments", arguments);
        }
        Part::ToolResult { call_id, content, is_error } => {
            hash.text("result", call_id);
            hash.text("error", flag(Some(*is_error)));
            for inner in content {
                hash_part(hash, inner, false);
            }
        }
        Part::Refusal(text) => hash.text("refusal", text),
        // Where a provider caches its prefix does not change what it answers.
        Part::CachePoint(CacheTtl::FiveMinutes | CacheTtl::OneHour) => {}
    }
}

fn hash_media(hash: &mut FieldHash, media: &Media) {
    hash.text("media", &media.media_type);
    hash.text("detail", &format!("{:?}", media.detail));
    match &media.source {
        MediaSource::Url(url) => hash.text("url", url),
        MediaSource::Base64(data) => hash.bytes("base64", data),
        MediaSource::FileId(id) => hash.text("file", id),
    }
}

fn flag(value: Option<bool>) -> &'static str {
    match value {
        None => "-",
        Some(true) => "yes",
        Some(false) => "no",
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// Hashes named fields with their lengths, so that no two field lists run together.
struct FieldHash(Sha256);

impl FieldHash {
    fn new(domain: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.text("domain", domain);
        hash
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        let mut head = [0_u8; 12];
        head[..4].copy_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes());
        head[4..].copy_from_slice(&(value.len() as u64).to_be_bytes());
        self.0.update(head);
        self.0.update(name);
        self.0.update(value);
    }

    fn text(&mut self, name: &str, value: &str) {
        self.bytes(name, value.as_bytes());
    }

    fn json(&mut self, name: &str, value: Option<&Json>) {
        self.text(name, value.map_or("", |json| json.get()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Message;
    use crate::words::{KeyId, Principal, RequestId};
    use std::sync::Arc;
    use uuid::Uuid;

    fn key_of(change: impl FnOnce(&mut ModelRequest, &mut CallContext)) -> CacheKey {
        let mut request = ModelRequest::new("auto", vec![Message::text(Role::User, "What is a monad?")]);
        let mut context = CallContext::new(RequestId(Uuid::nil()), Arc::new(Principal::owner()));
        change(&mut request, &mut context);
        exact_key(&request, &context, CacheScope::Key, "p1", true)
    }

    #[test]
    fn what_does_not_matter() {
        let base = key_of(|_, _| {});
        assert_eq!(base, key_of(|r, _| r.stream = true));
        assert_eq!(base, key_of(|r, _| r.end_user = Some("u".into())));
        assert_eq!(base, key_of(|_, c| c.request = RequestId(Uuid::max())));
        assert_eq!(base, key_of(|r, _| r.messages[0] = Message::text(Role::User, "  what is  a monad?\r\n")));
    }

    #[test]
    fn what_matters() {
        type Change = Box<dyn FnOnce(&mut ModelRequest, &mut CallContext)>;
        let changes: Vec<Change> = vec![
            Box::new(|_, _| {}),
            Box::new(|r, _| r.model = "gpt-5".into()),
            Box::new(|r, _| r.messages.insert(0, Message::text(Role::System, "Be brief."))),
            Box::new(|r, _| r.messages[0].role = Role::Assistant),
            Box::new(|r, _| r.sampling.temperature = Some(0.0)),
            Box::new(|r, _| r.sampling.top_p = Some(0.0)),
            Box::new(|r, _| r.sampling.top_k = Some(0)),
            Box::new(|r, _| r.sampling.seed = Some(0)),
            Box::new(|r, _| r.max_output_tokens = Some(9)),
            Box::new(|r, _| r.choices = 2),
            Box::new(|r, _| r.tool_choice = ToolChoice::None),
            Box::new(|r, _| r.format = ResponseFormat::JsonObject),
            Box::new(|_, c| c.phase = Some("plan".into())),
            Box::new(|_, c| c.agent = Some("plan".into())),
            Box::new(|_, c| c.context_digest = Some("plan".into())),
            Box::new(|_, c| {
                let key = Some(KeyId(Uuid::max()));
                c.principal = Arc::new(Principal { key, ..Principal::owner() });
            }),
        ];
        let keys: Vec<_> = changes.into_iter().map(key_of).collect();
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert_ne!(a, b, "change {i} is not told from a later one");
            }
        }
    }

    #[test]
    fn kin_is_everything_but_the_question() {
        let kin_of = |change: &dyn Fn(&mut ModelRequest)| {
            let mut request = ModelRequest::new("auto", vec![Message::text(Role::User, "What is a monad?")]);
            change(&mut request);
            let context = CallContext::new(RequestId(Uuid::nil()), Arc::new(Principal::owner()));
            let kin = kin_key(&request, &context, CacheScope::Key, "p1");
            lone_question(&request).map(|question| (kin, question.to_owned()))
        };
        let (base, question) = kin_of(&|_| {}).unwrap();
        assert_eq!(question, "What is a monad?");
        let other = kin_of(&|r| r.messages[0] = Message::text(Role::User, "And a functor?")).unwrap();
        assert_eq!((other.0, other.1.as_str()), (base, "And a functor?"));
        let talk = |about: &'static str| {
            kin_of(&move |r| {
                r.messages.insert(0, Message::text(Role::User, about));
                r.messages[1] = Message::text(Role::User, "continue");
            })
        };
        assert_ne!(talk("Tell me of Rome."), talk("Tell me of Troy."));
        assert_ne!(kin_of(&|r| r.format = ResponseFormat::JsonObject).unwrap().0, base);
        let no_question: [&dyn Fn(&mut ModelRequest); 4] =
            [&|r| r.messages[0].role = Role::Assistant, &|r| r.messages.clear(), &|r| r.choices = 2, &|r| {
                r.messages[0].parts.push(Part::Text("and more".into()))
            }];
        assert!(no_question.iter().all(|change| kin_of(change).is_none()));
    }

    #[test]
    fn the_last_user_message_is_not_enough() {
        let talk = |about: &str| {
            key_of(|r, _| {
                r.messages.insert(0, Message::text(Role::User, about));
                r.messages[1] = Message::text(Role::User, "continue");
            })
        };
        assert_ne!(talk("Tell me of Rome."), talk("Tell me of Troy."));
    }
}
