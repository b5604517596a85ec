//! What can be offered to the agents of others: tools, prompts (skills), resources (memory). Content, schemas and questions are
//! JSON as the protocol writes them, so that nothing behind these traits needs to know the protocol's crate.

use super::watchers::McpChange;
use nunchi_core::{BoxFuture, Principal};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Who calls.
#[derive(Clone, Debug)]
pub struct McpCaller {
    /// Whose key it is; the owner, over stdio.
    pub principal: Arc<Principal>,
    /// What its program calls itself; nobody checks it.
    pub client: Option<String>,
    /// Intents it named in its address (`/mcp?intents=news,analysis`): only what they need is offered.
    pub intents: Vec<String>,
}

/// A tool on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedTool {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: Value,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// Whether it may destroy something.
    pub destructive: bool,
    /// Whether it touches more than the owner's own state.
    pub open_world: bool,
}

/// A call of a tool on offer.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedCall {
    /// The tool.
    pub tool: String,
    /// The arguments, unchecked.
    pub arguments: Value,
    /// What the client answered to [`McpAnswer::Needs`], by its names; `None` at the first attempt.
    pub inputs: Option<Map<String, Value>>,
    /// The state that went out with [`McpAnswer::Needs`]. It comes back from the client: it must be checked.
    pub state: Option<String>,
}

/// What a call answers.
#[derive(Clone, Debug, PartialEq)]
pub enum McpAnswer {
    /// An end.
    Content {
        /// Content blocks.
        content: Vec<Value>,
        /// The same as a value, where there is one.
        structured: Option<Value>,
        /// Whether the tool failed.
        failed: bool,
    },
    /// The client must answer something first, then call again (2026-07-28 only).
    Needs {
        /// Questions by name: `{"method": …, "params": …}`.
        requests: Map<String, Value>,
        /// What must come back with the answers.
        state: Option<String>,
    },
}

impl McpAnswer {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Content { content: vec![text_block(text)], structured: None, failed: false }
    }

    /// A failure that a model reads and acts on.
    pub fn failure(text: impl Into<String>) -> Self {
        Self::Content { content: vec![text_block(text)], structured: None, failed: true }
    }
}

fn text_block(text: impl Into<String>) -> Value {
    serde_json::json!({"type": "text", "text": text.into()})
}

/// Why a request is not answered at all.
#[derive(Clone, Debug, PartialEq)]
pub enum McpFault {
    /// There is no such tool, prompt or resource.
    Unknown(String),
    /// What was sent makes no sense.
    Invalid(String),
    /// The client must be able to do this (`sampling`, `elicitation`, `roots`) and says that it cannot.
    Missing(&'static str),
    /// We failed.
    Internal(String),
}

/// The way back to the client while its call is under way.
pub trait McpLink: Send + Sync {
    /// Tells how far it is, to clients that asked for it.
    fn progress<'a>(&'a self, done: f64, total: f64, message: &'a str) -> BoxFuture<'a, ()>;
    /// Tells a line of the log (`debug` … `emergency`), to clients that asked for it.
    fn log<'a>(&'a self, level: &'a str, data: Value) -> BoxFuture<'a, ()>;
    /// Whether the client says that it can do this: `sampling`, `elicitation`, `roots`.
    fn can(&self, what: &str) -> bool;
    /// Asks the client something by a request of the protocol (2025-11-25 only).
    fn ask<'a>(&'a self, method: &'a str, params: Value) -> BoxFuture<'a, Result<Value, McpFault>>;
}

/// Offers tools.
pub trait OfferTools: Send + Sync {
    /// Those there are for a caller, in a stable order.
    fn tools<'a>(&'a self, caller: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedTool>>;
    /// Calls one.
    fn call<'a>(
        &'a self,
        call: OfferedCall,
        caller: &'a McpCaller,
        link: &'a dyn McpLink,
    ) -> BoxFuture<'a, Result<McpAnswer, McpFault>>;
}

/// An argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether it must be given.
    pub required: bool,
}

/// A prompt on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedPrompt {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
}

/// A prompt asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct OfferedPromptCall {
    /// Its name.
    pub name: String,
    /// Its arguments, unchecked.
    pub arguments: Map<String, Value>,
    /// Answers to [`PromptAnswer::Needs`].
    pub inputs: Option<Map<String, Value>>,
}

/// A prompt, filled in.
#[derive(Clone, Debug, PartialEq)]
pub enum PromptAnswer {
    /// The messages: `{"role": …, "content": …}`.
    Messages {
        /// What it is for.
        description: String,
        /// The messages.
        messages: Vec<Value>,
    },
    /// The client must answer something first (2026-07-28 only).
    Needs {
        /// Questions by name.
        requests: Map<String, Value>,
    },
}

/// Offers prompts: skills.
pub trait OfferPrompts: Send + Sync {
    /// Those there are for a caller.
    fn prompts<'a>(&'a self, caller: &'a McpCaller) -> BoxFuture<'a, Vec<OfferedPrompt>>;
    /// One, filled in.
    fn prompt<'a>(
        &'a self,
        call: OfferedPromptCall,
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Result<PromptAnswer, McpFault>>;
    /// Values that an argument may have, given its beginning.
    fn complete<'a>(
        &'a self,
        prompt: &'a str,
        argument: &'a str,
        begun: &'a str,
    ) -> BoxFuture<'a, Vec<String>>;
}

/// A resource on offer, or a template of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedResource {
    /// Its URI, or the template of it.
    pub uri: String,
    /// Its name.
    pub name: String,
    /// What it holds.
    pub description: String,
    /// Its MIME type.
    pub mime: String,
}

/// A page of a list of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePage {
    /// Those on it.
    pub resources: Vec<OfferedResource>,
    /// What the next page is asked for with; `None`: this is the last one.
    pub next: Option<String>,
}

/// Offers resources: memory.
pub trait OfferResources: Send + Sync {
    /// Those there are for a caller: the first page, or the one that was promised under this name.
    fn resources<'a>(
        &'a self,
        page: Option<&'a str>,
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Result<ResourcePage, McpFault>>;
    /// Templates of further ones.
    fn templates(&self) -> Vec<OfferedResource>;
    /// Contents of one, as the protocol writes them; `None` when there is none.
    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Result<Option<Vec<Value>>, McpFault>>;
    /// Values that a template's argument (its name, and how it begins) may have.
    fn complete<'a>(
        &'a self,
        template: &'a str,
        argument: (&'a str, &'a str),
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Vec<String>>;
}

/// Sees when what is offered changes.
pub trait OfferChanges: Send + Sync {
    /// What has changed since it was asked before; the first time nothing has.
    fn changes(&self) -> BoxFuture<'_, Vec<McpChange>>;
}

/// All that a server offers.
#[derive(Clone)]
pub struct McpOffers {
    /// Tools.
    pub tools: Arc<dyn OfferTools>,
    /// Prompts.
    pub prompts: Option<Arc<dyn OfferPrompts>>,
    /// Resources.
    pub resources: Option<Arc<dyn OfferResources>>,
    /// Who sees changes of all these; `None`: whoever makes them tells them.
    pub changes: Option<Arc<dyn OfferChanges>>,
    /// How to use all this, for a model.
    pub instructions: String,
}
