//! Answers the protocol's requests from what is offered.
#![expect(deprecated, reason = "the older era logs and asks by what the newer one gives up; both are spoken")]

use super::link::CallLink;
use super::offer::{
    McpAnswer, McpCaller, McpFault, McpOffers, OfferPrompts, OfferResources, OfferedCall, OfferedPrompt,
    OfferedPromptCall, OfferedResource, OfferedTool, PromptAnswer, ResourcePage,
};
use super::watchers::Watchers;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
    CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetPromptResult, Implementation, InputRequests, InputRequiredResult, InputResponses,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    PaginatedRequestParams, Prompt, PromptArgument, PromptMessage, ProtocolVersion,
    ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference, Resource,
    ResourceContents, ResourceTemplate, ServerCapabilities, ServerConfig, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, Tool, ToolAnnotations, UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long a client may take lists as fresh, in milliseconds. Changes are told to those who listen.
const LIST_TTL_MS: u64 = 60_000;
/// How often changes of what is offered are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Longest name of a client, in characters.
const MOST_NAME: usize = 64;
/// Most values of one completion.
const MOST_COMPLETIONS: usize = 100;

/// The eras that are spoken.
static VERSIONS: [ProtocolVersion; 4] = [
    ProtocolVersion::V_2025_03_26,
    ProtocolVersion::V_2025_06_18,
    ProtocolVersion::V_2025_11_25,
    ProtocolVersion::V_2026_07_28,
];

/// What all sessions share.
pub(crate) struct Served {
    pub(crate) offers: McpOffers,
    pub(crate) watchers: Watchers,
}

impl Served {
    /// Tells those who listen what has changed, now and then. Ends only with its task.
    pub(crate) async fn tell_changes(&self) {
        let Some(offer) = &self.offers.changes else { return std::future::pending().await };
        let mut looked = false;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            // After a first look to compare with, nothing is looked at while nobody listens.
            if looked && !self.watchers.has_any() {
                continue;
            }
            looked = true;
            for change in offer.changes().await {
                self.watchers.tell(&change).await;
            }
        }
    }
}

/// One session of the older era, one request of the newer one.
pub(crate) struct Handler {
    served: Arc<Served>,
    /// Who calls when the request does not say: the owner, over stdio.
    caller: Option<McpCaller>,
    level: Mutex<LoggingLevel>,
    session: OnceLock<Option<u64>>,
}

type Context = RequestContext<RoleServer>;

impl Handler {
    pub(crate) fn new(served: Arc<Served>, caller: Option<McpCaller>) -> Self {
        Self { served, caller, level: Mutex::new(LoggingLevel::Debug), session: OnceLock::new() }
    }

    /// Who calls: the door put it into the request; what its program calls itself, the protocol says.
    fn caller(&self, context: &Context) -> Result<McpCaller, ErrorData> {
        let parts = context.extensions.get::<http::request::Parts>();
        let known = parts.and_then(|parts| parts.extensions.get::<McpCaller>()).or(self.caller.as_ref());
        let unknown = || ErrorData::internal_error("the caller is not known", None);
        let client = context.client_info().map(|info| plain_name(&info.name)).filter(|name| !name.is_empty());
        Ok(McpCaller { client, ..known.cloned().ok_or_else(unknown)? })
    }

    fn prompts(&self) -> Result<&dyn OfferPrompts, ErrorData> {
        self.served
            .offers
            .prompts
            .as_deref()
            .ok_or_else(|| ErrorData::invalid_request("no prompts are offered", None))
    }

    fn resources(&self) -> Result<&dyn OfferResources, ErrorData> {
        let none = || ErrorData::invalid_request("no resources are offered", None);
        self.served.offers.resources.as_deref().ok_or_else(none)
    }

    fn capabilities(&self) -> ServerCapabilities {
        let offers = &self.served.offers;
        let mut all = json!({"tools": {"listChanged": true}, "logging": {}});
        if offers.prompts.is_some() {
            all["prompts"] = json!({"listChanged": true});
        }
        if offers.resources.is_some() {
            all["resources"] = json!({"listChanged": true, "subscribe": true});
        }
        if offers.prompts.is_some() || offers.resources.is_some() {
            all["completions"] = json!({});
        }
        serde_json::from_value(all).unwrap_or_default()
    }

    fn watch(&self, uri: &str, wanted: bool) {
        if let Some(Some(session)) = self.session.get() {
            self.served.watchers.watch(*session, uri.to_owned(), wanted);
        }
    }

    /// The level of the log that a call wants: of the request in the newer era, of the session in the older one.
    fn level(&self, context: &Context) -> Option<LoggingLevel> {
        let stateless = context.protocol_version().is_some_and(|version| version.as_str() >= "2026-07-28");
        if stateless {
            return context.meta.log_level();
        }
        Some(*self.level.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let us = Implementation::new("nunchi", env!("CARGO_PKG_VERSION"));
        ServerConfig::new(self.capabilities())
            .with_server_info(us)
            .with_instructions(self.served.offers.instructions.clone())
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Cow::Borrowed(&VERSIONS)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.session.get_or_init(|| self.served.watchers.add_session(context.peer));
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.supported_by(&self.capabilities()))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let full = || ErrorData::internal_error("too many clients listen already", None);
        let number = self.served.watchers.add_stream(context.sink().clone()).ok_or_else(full)?;
        context.cancelled().await;
        self.served.watchers.remove_stream(number);
        Ok(())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.served.offers.tools.tools(&self.caller(&context)?).await;
        let tools = tools.into_iter().map(tool_of).collect();
        Ok(ListToolsResult::with_all_items(tools)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: Context,
    ) -> Result<CallToolResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let call = OfferedCall {
            tool: request.name.into_owned(),
            arguments: Value::Object(request.arguments.unwrap_or_default()),
            inputs: request.input_responses.map(inputs_of),
            state: request.request_state,
        };
        let (level, cancelled) = (self.level(&context), context.ct.clone());
        let link = CallLink { context, level };
        let answer = tokio::select! {
            answer = self.served.offers.tools.call(call, &caller, &link) => answer.map_err(fault)?,
            () = cancelled.cancelled() => return Err(ErrorData::internal_error("the call was cancelled", None)),
        };
        match answer {
            McpAnswer::Content { content, structured, failed } => {
                let content = content.into_iter().map(read::<ContentBlock>).collect::<Result<Vec<_>, _>>()?;
                let mut result =
                    if failed { CallToolResult::error(content) } else { CallToolResult::success(content) };
                result.structured_content = structured;
                Ok(result.into())
            }
            McpAnswer::Needs { requests, state } => Ok(needs(requests, state)?.into()),
        }
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        let prompts = match &self.served.offers.prompts {
            Some(offer) => offer.prompts(&self.caller(&context)?).await,
            None => Vec::new(),
        };
        let prompts = prompts.into_iter().map(prompt_of).collect();
        Ok(ListPromptsResult::with_all_items(prompts)
            .with_ttl_ms(LIST_TTL_MS)
            .with_cache_scope(CacheScope::Private))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let call = OfferedPromptCall {
            name: request.name,
            arguments: request.arguments.unwrap_or_default(),
            inputs: request.input_responses.map(inputs_of),
        };
        match self.prompts()?.prompt(call, &caller).await.map_err(fault)? {
            PromptAnswer::Messages { description, messages } => {
                let messages =
                    messages.into_iter().map(read::<PromptMessage>).collect::<Result<Vec<_>, _>>()?;
                Ok(GetPromptResult::new(messages).with_description(description).into())
            }
            PromptAnswer::Needs { requests } => Ok(needs(requests, None)?.into()),
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let page = match &self.served.offers.resources {
            Some(offer) => {
                offer.resources(cursor.as_deref(), &self.caller(&context)?).await.map_err(fault)?
            }
            None => ResourcePage::default(),
        };
        let resources = page.resources.into_iter().map(resource_of).collect();
        let mut result = ListResourcesResult::with_all_items(resources);
        result.next_cursor = page.next;
        Ok(result.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates =
            self.served.offers.resources.as_ref().map(|offer| offer.templates()).unwrap_or_default();
        let templates = templates.into_iter().map(template_of).collect();
        let result = ListResourceTemplatesResult::with_all_items(templates);
        Ok(result.with_ttl_ms(LIST_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let caller = self.caller(&context)?;
        let Some(contents) = self.resources()?.read(&request.uri, &caller).await.map_err(fault)? else {
            let data = json!({"uri": request.uri});
            return Err(ErrorData::resource_not_found("there is no such resource", Some(data)));
        };
        let contents = contents.into_iter().map(read::<ResourceContents>).collect::<Result<Vec<_>, _>>()?;
        let result = ReadResourceResult::new(contents);
        // What is remembered may change with the next word.
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Private).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: Context,
    ) -> Result<CompleteResult, ErrorData> {
        let (argument, begun) = (&request.argument.name, &request.argument.value);
        let mut values = match &request.r#ref {
            Reference::Prompt(prompt) => self.prompts()?.complete(&prompt.name, argument, begun).await,
            Reference::Resource(template) => {
                let caller = self.caller(&context)?;
                self.resources()?.complete(&template.uri, (argument, begun), &caller).await
            }
            _ => Vec::new(),
        };
        values.truncate(MOST_COMPLETIONS);
        let info = CompletionInfo::new(values).map_err(|error| ErrorData::internal_error(error, None))?;
        Ok(CompleteResult::new(info))
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.resources()?;
        self.watch(&request.uri, true);
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.resources()?;
        self.watch(&request.uri, false);
        Ok(())
    }
}

/// A stranger's name for itself, fit for lists.
fn plain_name(name: &str) -> String {
    let seen = |c: &char| c.is_alphanumeric() || " -_./@".contains(*c);
    name.trim().chars().filter(seen).take(MOST_NAME).collect()
}

fn tool_of(offered: OfferedTool) -> Tool {
    let schema = match offered.parameters {
        Value::Object(schema) => schema,
        _ => Map::from_iter([("type".to_owned(), Value::from("object"))]),
    };
    let hints = ToolAnnotations::new()
        .read_only(offered.read_only)
        .destructive(offered.destructive)
        .open_world(offered.open_world);
    Tool::new(offered.name, offered.description, schema).with_annotations(hints)
}

fn prompt_of(offered: OfferedPrompt) -> Prompt {
    let argument = |argument: super::offer::PromptArgument| {
        PromptArgument::new(argument.name)
            .with_description(argument.description)
            .with_required(argument.required)
    };
    let arguments: Vec<_> = offered.arguments.into_iter().map(argument).collect();
    let arguments = (!arguments.is_empty()).then_some(arguments);
    Prompt::new(offered.name, Some(offered.description), arguments)
}

fn resource_of(offered: OfferedResource) -> Resource {
    Resource::new(offered.uri, offered.name)
        .with_description(offered.description)
        .with_mime_type(offered.mime)
}

fn template_of(offered: OfferedResource) -> ResourceTemplate {
    ResourceTemplate::new(offered.uri, offered.name)
        .with_description(offered.description)
        .with_mime_type(offered.mime)
}

fn inputs_of(inputs: InputResponses) -> Map<String, Value> {
    inputs.into_iter().collect()
}

fn needs(requests: Map<String, Value>, state: Option<String>) -> Result<InputRequiredResult, ErrorData> {
    let requests: InputRequests = read(Value::Object(requests))?;
    Ok(InputRequiredResult::new(Some(requests), state))
}

/// JSON of an offer as a type of the protocol.
fn read<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| {
        tracing::error!(error = %error, "what is offered over MCP does not fit the protocol");
        ErrorData::internal_error("what is offered does not fit the protocol", None)
    })
}

fn fault(fault: McpFault) -> ErrorData {
    match fault {
        McpFault::Unknown(what) => ErrorData::invalid_params(format!("there is no {what}"), None),
        McpFault::Invalid(why) => ErrorData::invalid_params(why, None),
        McpFault::Missing(what) => {
            let needed: ClientCapabilities = serde_json::from_value(json!({what: {}})).unwrap_or_default();
            ErrorData::missing_required_client_capability(needed)
        }
        McpFault::Internal(why) => ErrorData::internal_error(why, None),
    }
}
