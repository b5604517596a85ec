//! Measures how well the embedded model uses tools: whether it calls one, which, with what arguments, and how fast.
//!
//! `cargo run --release -p nunchi-local --example tools -- [CHAT_WEIGHTS]`; weights are fetched first. `-v` prints what was wrong.

mod requests;

use futures_util::StreamExt;
use nunchi_core::{
    CallContext, Message, Model, ModelRequest, Part, Principal, RequestId, Role, ToolDefinition,
    assemble_reply,
};
use nunchi_local::{
    ChatConfig, ChatEngine, DEFAULT_CHAT_WEIGHTS, DEFAULT_ENCODER_WEIGHTS, EncoderEngine, FetchOptions,
    LocalModel, WeightStore, default_weights_dir,
};
use requests::{COMPARED, HELD_OUT, Labelled, TOOLS, TUNING};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failed = Box<dyn Error>;

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let verbose = words.iter().any(|word| word == "-v");
    let chat = words.iter().find(|word| *word != "-v").map_or(DEFAULT_CHAT_WEIGHTS, String::as_str);
    let dir = std::env::var_os("NUNCHI_WEIGHTS_DIR").map(PathBuf::from).or_else(default_weights_dir);
    let store = Arc::new(WeightStore::new(dir.ok_or("neither NUNCHI_WEIGHTS_DIR nor HOME is set")?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for id in [chat, DEFAULT_ENCODER_WEIGHTS] {
        runtime.block_on(store.fetch(id, &FetchOptions::default(), &|_| {}))?;
    }
    let (engine, thread) = ChatEngine::start(ChatConfig::new(chat), Arc::clone(&store))?;
    let (encoder, encoding) = EncoderEngine::start(DEFAULT_ENCODER_WEIGHTS, 4, Arc::clone(&store))?;
    let model = LocalModel::new(engine, Some(encoder), store, chat, 8_192);
    runtime.block_on(ask(&model, &TUNING[0]))?;
    for (name, set) in [("tuning", &TUNING[..]), ("compared", &COMPARED), ("held out", &HELD_OUT)] {
        let measured = runtime.block_on(measure(&model, set, verbose))?;
        println!("{chat}, {name}: {measured}");
    }
    drop(model);
    thread.join().map_err(|_| "the engine panicked")?;
    encoding.join().map_err(|_| "the encoder panicked")?;
    Ok(())
}

/// What came of a set of requests.
#[derive(Default)]
struct Measured {
    needed: usize,
    called: usize,
    right_tool: usize,
    with_arguments: usize,
    right_arguments: usize,
    unneeded: usize,
    called_in_vain: usize,
    unfit: usize,
    times: Vec<Duration>,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut times = self.times.clone();
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        write!(
            f,
            "of {} that need a tool {} called one, {} the right one; of those {} of {} with the right arguments; of {} that \
             need none {} called one; {} arguments not by the schema; a call took {median:.0?} (median)",
            self.needed,
            self.called,
            self.right_tool,
            self.right_arguments,
            self.with_arguments,
            self.unneeded,
            self.called_in_vain,
            self.unfit,
        )
    }
}

async fn measure(model: &LocalModel, set: &[Labelled], verbose: bool) -> Result<Measured, Failed> {
    let mut measured = Measured::default();
    for request in set {
        let (text, tool, holds) = request;
        let start = Instant::now();
        let call = ask(model, request).await?;
        let took = start.elapsed();
        let right = call.as_ref().map_or("", |(name, _)| name) == *tool;
        if tool.is_empty() {
            measured.unneeded += 1;
            measured.called_in_vain += usize::from(call.is_some());
        } else {
            measured.needed += 1;
            measured.called += usize::from(call.is_some());
            measured.right_tool += usize::from(right);
        }
        let mut told = right;
        if let Some((_, arguments)) = &call {
            measured.times.push(took);
            measured.unfit += usize::from(serde_json::from_str::<serde_json::Value>(arguments).is_err());
            if right && !holds.is_empty() {
                let plain = arguments.to_lowercase();
                told = holds.iter().all(|part| plain.contains(&part.to_lowercase()));
                measured.with_arguments += 1;
                measured.right_arguments += usize::from(told);
            }
        }
        if verbose && !told {
            println!("  {text} | {tool} | {call:?}");
        }
    }
    Ok(measured)
}

/// The call that the model makes, if it makes one.
async fn ask(model: &LocalModel, (text, ..): &Labelled) -> Result<Option<(String, String)>, Failed> {
    let mut request = ModelRequest::new("auto", vec![Message::text(Role::User, *text)]);
    request.max_output_tokens = Some(64);
    for (name, description, schema) in TOOLS {
        request.tools.push(ToolDefinition {
            name: name.to_owned(),
            description: Some(description.to_owned()),
            parameters: Some(serde_json::value::RawValue::from_string(schema.to_owned())?),
            strict: None,
            builtin: None,
        });
    }
    let context = CallContext::new(RequestId(Default::default()), Arc::new(Principal::owner()));
    let reply = model.call(request, context).await?;
    let mut events = Vec::new();
    let mut stream = reply.stream;
    while let Some(frame) = stream.next().await {
        events.extend(frame?.events);
        // Only whether and what it calls is asked.
        if events.iter().any(|event| matches!(event, nunchi_core::ReplyEvent::Text(_))) {
            return Ok(None);
        }
    }
    let body = assemble_reply(&events);
    let call = body.choices.into_iter().flat_map(|choice| choice.parts).find_map(|part| match part {
        Part::ToolCall { name, arguments, .. } => Some((name, arguments)),
        _ => None,
    });
    Ok(call)
}
