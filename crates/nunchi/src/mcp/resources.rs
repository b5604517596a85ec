//! Memory as resources for the agents of others: facts that hold, page by page and one by one, and what fits a question. Memory is the
//! owner's, so only who administers sees any of it; what holds a secret nobody does.

use nunchi_core::{
    AccessRole, BoxFuture, Clock, Fact, FactFilter, FactId, FactKind, FactState, Label, Memory, MemoryError,
    holds_secret, mask_secrets,
};
use nunchi_tools::{McpCaller, McpFault, OfferResources, OfferedResource, ResourcePage};
use serde_json::{Value, json};
use std::sync::Arc;

/// Where one fact is.
const FACTS: &str = "memory://facts/";
/// Where facts are that fit a question.
const SEARCH: &str = "memory://search/";
/// Facts of a page.
const PAGE: usize = 100;
/// Most facts that a question finds.
const MOST_FOUND: u32 = 20;
/// Longest name of a fact in a list, in characters.
const MOST_NAME: usize = 60;

/// The owner's memory.
pub(super) struct MemoryResources {
    memory: Arc<dyn Memory>,
    clock: Arc<dyn Clock>,
}

impl MemoryResources {
    pub(super) fn new(memory: Arc<dyn Memory>, clock: Arc<dyn Clock>) -> Self {
        Self { memory, clock }
    }

    fn may_be_told(&self, fact: &Fact) -> bool {
        fact.holds(self.clock.now()) && !holds_secret(&fact.text)
    }

    async fn page(&self, after: Option<&str>) -> Result<ResourcePage, McpFault> {
        let unreadable = || McpFault::Invalid("there is no such page".into());
        let before = after.map(|id| id.parse::<FactId>().map_err(|_| unreadable())).transpose()?;
        let filter = FactFilter {
            kind: Some(FactKind::Fact),
            state: Some(FactState::Active),
            before,
            limit: u32::try_from(PAGE + 1).ok(),
            ..FactFilter::default()
        };
        let mut facts = self.memory.facts(filter).await.map_err(|error| fault(&error))?;
        let more = facts.len() > PAGE;
        facts.truncate(PAGE);
        let next = facts.last().filter(|_| more).map(|fact| fact.id.to_string());
        facts.retain(|fact| self.may_be_told(fact));
        Ok(ResourcePage { resources: facts.iter().map(offered).collect(), next })
    }

    async fn found(&self, question: &str) -> Result<Vec<Value>, McpFault> {
        let found = self.memory.search(question, None, MOST_FOUND).await.map_err(|error| fault(&error))?;
        let facts = found.into_iter().map(|ranked| ranked.fact);
        Ok(facts.filter(|fact| self.may_be_told(fact)).map(|fact| content(&fact)).collect())
    }

    async fn one(&self, id: FactId) -> Result<Option<Vec<Value>>, McpFault> {
        match self.memory.fact(id).await {
            Ok(fact) => Ok(Some(fact).filter(|fact| self.may_be_told(fact)).map(|fact| vec![content(&fact)])),
            Err(MemoryError::Unknown(_)) => Ok(None),
            Err(error) => Err(fault(&error)),
        }
    }
}

impl OfferResources for MemoryResources {
    fn resources<'a>(
        &'a self,
        page: Option<&'a str>,
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Result<ResourcePage, McpFault>> {
        Box::pin(
            async move { if is_owner(caller) { self.page(page).await } else { Ok(ResourcePage::default()) } },
        )
    }

    fn templates(&self) -> Vec<OfferedResource> {
        let template = |uri: &str, name: &str, description: &str| OfferedResource {
            uri: uri.to_owned(),
            name: name.to_owned(),
            description: description.to_owned(),
            mime: MIME.to_owned(),
        };
        vec![
            template(
                "memory://search/{query}",
                "search",
                "What is remembered that fits a question, the best first.",
            ),
            template("memory://facts/{id}", "fact", "One thing that is remembered."),
        ]
    }

    fn read<'a>(
        &'a self,
        uri: &'a str,
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Result<Option<Vec<Value>>, McpFault>> {
        Box::pin(async move {
            if !is_owner(caller) {
                return Ok(None);
            }
            if let Some(question) = uri.strip_prefix(SEARCH).map(decoded).filter(|text| !text.is_empty()) {
                return self.found(&question).await.map(Some);
            }
            match uri.strip_prefix(FACTS).and_then(|id| id.parse().ok()) {
                Some(id) => self.one(id).await,
                None => Ok(None),
            }
        })
    }

    fn complete<'a>(
        &'a self,
        template: &'a str,
        (_, begun): (&'a str, &'a str),
        caller: &'a McpCaller,
    ) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async move {
            if !is_owner(caller) || !template.starts_with(FACTS) {
                return Vec::new();
            }
            let page = self.page(None).await.unwrap_or_default();
            let ids =
                page.resources.into_iter().filter_map(|fact| fact.uri.strip_prefix(FACTS).map(str::to_owned));
            ids.filter(|id| id.starts_with(begun)).collect()
        })
    }
}

const MIME: &str = "text/plain";

fn is_owner(caller: &McpCaller) -> bool {
    caller.principal.role == AccessRole::Admin
}

fn offered(fact: &Fact) -> OfferedResource {
    let text = mask_secrets(&fact.text);
    let name = match text.char_indices().nth(MOST_NAME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    };
    OfferedResource { uri: uri(fact.id), name, description: about(fact), mime: MIME.to_owned() }
}

/// Since when it is known, and whose word it is.
fn about(fact: &Fact) -> String {
    let whose = match fact.label {
        Label::Owner => "the owner's word",
        Label::Tool => "what a tool or the assistant found",
        Label::Stranger => "a stranger's word, perhaps not true",
    };
    let topic = fact.topic.as_deref().map(|topic| format!(", about {topic}")).unwrap_or_default();
    format!("{whose}, known since {}{topic}", fact.created.strftime("%Y-%m-%d"))
}

fn content(fact: &Fact) -> Value {
    let text = format!("{}\n[{}]", mask_secrets(&fact.text), about(fact));
    json!({"uri": uri(fact.id), "mimeType": MIME, "text": text})
}

/// The address of a fact.
pub(super) fn uri(id: FactId) -> String {
    format!("{FACTS}{id}")
}

/// Percent signs resolved; a plus is a plus.
fn decoded(text: &str) -> String {
    let pair = format!("q={}", text.replace('+', "%2B").replace('&', "%26"));
    let value = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    value.unwrap_or_default().trim().to_owned()
}

fn fault(error: &MemoryError) -> McpFault {
    tracing::warn!(%error, "memory cannot be read");
    McpFault::Internal("memory cannot be read".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_in_an_address() {
        for (text, question) in
            [("tea%20with%20milk", "tea with milk"), ("1+1%3D%26", "1+1=&"), ("%EC%B0%A8", "차")]
        {
            assert_eq!(decoded(text), question);
        }
    }
}
