//! Clients that want to hear when something changes: streams of the newer era, sessions of the older one.

use rmcp::service::{Peer, RoleServer, SubscriptionSink};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Most clients that are told; further ones must ask by themselves.
const MOST: usize = 1_024;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum McpChange {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The resource with this URI.
    Resource(String),
}

#[derive(Default)]
struct Held {
    next: u64,
    streams: HashMap<u64, SubscriptionSink>,
    sessions: HashMap<u64, (Peer<RoleServer>, HashSet<String>)>,
}

/// Those who listen.
#[derive(Clone, Default)]
pub(crate) struct Watchers(Arc<Mutex<Held>>);

impl Watchers {
    fn change<T>(&self, change: impl FnOnce(&mut Held) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether anybody listens.
    pub(crate) fn has_any(&self) -> bool {
        self.change(|held| {
            held.sessions.retain(|_, (peer, _)| !peer.is_transport_closed());
            !held.streams.is_empty() || !held.sessions.is_empty()
        })
    }

    /// Adds a stream; returns the number to take it away with.
    pub(crate) fn add_stream(&self, sink: SubscriptionSink) -> Option<u64> {
        self.change(|held| {
            let room = held.streams.len() < MOST;
            room.then(|| {
                held.next += 1;
                held.streams.insert(held.next, sink);
                held.next
            })
        })
    }

    /// Takes a stream away.
    pub(crate) fn remove_stream(&self, number: u64) {
        self.change(|held| drop(held.streams.remove(&number)));
    }

    /// Adds a session; those that are over make room.
    pub(crate) fn add_session(&self, peer: Peer<RoleServer>) -> Option<u64> {
        self.change(|held| {
            held.sessions.retain(|_, (peer, _)| !peer.is_transport_closed());
            let room = held.sessions.len() < MOST;
            room.then(|| {
                held.next += 1;
                held.sessions.insert(held.next, (peer, HashSet::new()));
                held.next
            })
        })
    }

    /// A session wants to hear of a resource, or no more.
    pub(crate) fn watch(&self, session: u64, uri: String, wanted: bool) {
        self.change(|held| {
            let Some((_, uris)) = held.sessions.get_mut(&session) else { return };
            if !wanted {
                uris.remove(&uri);
            } else if uris.len() < MOST {
                uris.insert(uri);
            }
        });
    }

    /// Tells everybody who wants to hear it. Who has gone away hears nothing, and that is no failure.
    pub(crate) async fn tell(&self, change: &McpChange) {
        let (streams, sessions) = self.change(|held| {
            let concerned = held.sessions.values().filter(|(_, uris)| match change {
                McpChange::Resource(uri) => uris.contains(uri),
                _ => true,
            });
            let peers: Vec<_> = concerned.map(|(peer, _)| peer.clone()).collect();
            (held.streams.values().cloned().collect::<Vec<_>>(), peers)
        });
        for stream in streams {
            let _gone = match change {
                McpChange::Tools => stream.notify_tool_list_changed().await,
                McpChange::Prompts => stream.notify_prompt_list_changed().await,
                McpChange::Resources => stream.notify_resource_list_changed().await,
                McpChange::Resource(uri) => stream.notify_resource_updated(uri.clone()).await,
            };
        }
        for peer in sessions {
            let _gone = match change {
                McpChange::Tools => peer.notify_tool_list_changed().await,
                McpChange::Prompts => peer.notify_prompt_list_changed().await,
                McpChange::Resources => peer.notify_resource_list_changed().await,
                McpChange::Resource(uri) => {
                    let params = rmcp::model::ResourceUpdatedNotificationParam::new(uri.clone());
                    peer.notify_resource_updated(params).await
                }
            };
        }
    }
}
