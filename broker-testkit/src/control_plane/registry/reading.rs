//! Lists and watches: which objects, which events.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::definition::Definition;
use super::operation::{is_other_version, present, without_cluster};
use crate::control_plane::error::ApiError;
use crate::control_plane::machinery::selector::{FieldSelector, LabelSelector};
use crate::control_plane::plane::{Plane, View};
use crate::control_plane::sabotage::{self, Bug};
use crate::control_plane::storage::{Change, ChangeKind, Cursor, Expired, ObjectKey, Scope, Wanted};
use crate::control_plane::value;

/// Which objects of a resource are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) definition: Arc<Definition>,
    pub(crate) view: View,
    pub(crate) scope: Scope,
    /// Only the object of this name.
    pub(crate) name: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Selection {
    /// Whether an object is one of them.
    fn admits(&self, key: &ObjectKey, object: &Value) -> bool {
        self.scope.contains(key)
            && self.view.reaches(&key.cluster)
            && self.name.as_ref().is_none_or(|name| **name == *key.name)
            && self.view.shows(&self.definition.table, object)
            && self.labels.matches(object)
            && self.fields.matches(object)
    }

    fn present(&self, object: &Arc<Value>) -> Arc<Value> {
        present(&self.definition, &self.view, object)
    }

    /// What a change left of an object that is one of them.
    fn event(&self, kind: &'static str, change: &Arc<Change>) -> Event {
        if is_other_version(&self.definition, &change.object) {
            return Event::own(kind, self.present(&change.object));
        }
        Event { kind, content: Content::Shared { change: Arc::clone(change), plain: self.view.plain } }
    }
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Value>>,
    pub(crate) revision: u64,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<String>,
    /// How many objects come after this page, where that is known.
    pub(crate) remaining: Option<usize>,
}

impl Page {
    /// The list's metadata.
    pub(crate) fn metadata(&self) -> Value {
        let mut metadata = json!({"resourceVersion": self.revision.to_string()});
        if let Some(next) = &self.next {
            value::set(&mut metadata, &["continue"], json!(next));
        }
        if let Some(remaining) = self.remaining {
            value::set(&mut metadata, &["remainingItemCount"], json!(remaining));
        }
        metadata
    }
}

/// What a list request asks for besides the selection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paging {
    /// At most this many.
    pub(crate) limit: Option<u64>,
    /// What an earlier page named as its next.
    pub(crate) token: Option<String>,
    /// The world at exactly this revision.
    pub(crate) exactly: Option<u64>,
}

/// A list, or a page of one.
pub(crate) fn list(plane: &Plane, selection: &Selection, paging: &Paging) -> Result<Page, ApiError> {
    let table = &selection.definition.table;
    let token = paging.token.as_deref().map(Token::decode).transpose()?;
    let selective =
        selection.labels != LabelSelector::default() || selection.fields != FieldSelector::default();
    let limit = paging.limit.filter(|limit| *limit > 0).and_then(|l| usize::try_from(l).ok());
    let wanted = Wanted {
        at: token
            .as_ref()
            .filter(|_| !sabotage::is(Bug::PagesDrift))
            .map(|token| token.revision)
            .or(paging.exactly),
        after: token.as_ref().map(|token| &token.after),
        limit,
        counts: limit.is_some() && !selective && !selection.view.is_partial(),
    };
    let admits = |key: &ObjectKey, object: &Value| selection.admits(key, object);
    let listing = plane.store.page(table, &selection.scope, &wanted, admits).map_err(|expired| {
        if token.is_some() {
            ApiError::expired(
                "The provided continue parameter is too old to display a consistent list result. You can start a \
                 new list without the continue parameter.",
            )
        } else {
            ApiError::expired(expired.to_string())
        }
    })?;
    // Of one name there is one at most.
    let ends = selection.name.is_some() || selection.fields.fixed("metadata.name").is_some();
    let last = listing.items.last().filter(|_| listing.more > 0 && !ends);
    let next = last.map(|(key, _)| Token { revision: listing.revision, after: key.clone() }.encode());
    let remaining = Some(listing.more).filter(|more| *more > 0 && wanted.counts);
    let items = listing.items.iter().map(|(_, object)| selection.present(object)).collect();
    Ok(Page { items, revision: listing.revision, next, remaining })
}

/// Where a list goes on.
struct Token {
    revision: u64,
    after: ObjectKey,
}

impl Token {
    fn encode(&self) -> String {
        let content = json!([self.revision, self.after.cluster, self.after.namespace, self.after.name]);
        URL_SAFE_NO_PAD.encode(content.to_string())
    }

    fn decode(text: &str) -> Result<Self, ApiError> {
        let malformed = || ApiError::bad_request("continue key is not valid");
        let content = URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed())?;
        let (revision, cluster, namespace, name): (u64, String, String, String) =
            serde_json::from_slice(&content).map_err(|_| malformed())?;
        Ok(Self { revision, after: ObjectKey::new(&cluster, &namespace, &name) })
    }
}

/// One event of a watch.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK`.
    pub(crate) kind: &'static str,
    content: Content,
}

/// What an event shows.
#[derive(Debug, Clone)]
enum Content {
    /// An object of this watch's own.
    Own(Arc<Value>),
    /// What a change left, as every watch shows it; without its cluster where a server looks like plain Kubernetes.
    Shared { change: Arc<Change>, plain: bool },
}

impl Event {
    fn own(kind: &'static str, object: Arc<Value>) -> Self {
        Self { kind, content: Content::Own(object) }
    }

    /// The object.
    pub(crate) fn object(&self) -> Arc<Value> {
        match &self.content {
            Content::Own(object) => Arc::clone(object),
            Content::Shared { change, plain: false } => Arc::clone(&change.object),
            Content::Shared { change, plain: true } => Arc::new(without_cluster(&change.object)),
        }
    }

    /// Adds the object as JSON.
    pub(crate) fn write(&self, text: &mut Vec<u8>) {
        match &self.content {
            Content::Own(object) => value::write(object, text),
            Content::Shared { change, plain } => text.extend_from_slice(change.text.get(*plain, || {
                let mut text = Vec::new();
                value::write(&self.object(), &mut text);
                text
            })),
        }
    }
}

/// Where a watch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// With what is there.
    Now,
    /// With what is there, then a bookmark that says that this was all.
    NowWithMark,
    /// After a revision.
    After(u64),
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Watch {
    selection: Selection,
    cursor: Cursor,
    revision: u64,
}

impl Watch {
    /// Begins to watch; answers what is to be sent at once.
    pub(crate) fn begin(
        plane: &Plane,
        selection: Selection,
        start: Start,
    ) -> Result<(Self, Vec<Event>), Expired> {
        let table = &selection.definition.table;
        if let Start::After(revision) = start {
            let cursor = plane.store.watch(table, revision)?;
            return Ok((Self { selection, cursor, revision }, Vec::new()));
        }
        let (listing, cursor) = plane.store.list_and_watch(table, &selection.scope);
        let mut events: Vec<Event> = listing
            .items
            .iter()
            .filter(|(key, object)| selection.admits(key, object))
            .map(|(_, object)| Event::own("ADDED", selection.present(object)))
            .collect();
        let watch = Self { selection, cursor, revision: listing.revision };
        if start == Start::NowWithMark {
            let mut mark = watch.bookmark_object();
            value::set_annotation(&mut mark, "k8s.io/initial-events-end", "true");
            events.push(Event::own("BOOKMARK", Arc::new(mark)));
        }
        Ok((watch, events))
    }

    /// What is watched.
    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Waits for news.
    pub(crate) async fn changed(&mut self) {
        self.cursor.changed().await;
    }

    /// The events since the last call.
    pub(crate) fn read(&mut self) -> Result<Vec<Event>, Expired> {
        let batch = self.cursor.read()?;
        self.revision = batch.revision;
        Ok(batch.changes.iter().filter_map(|change| self.translate(change)).collect())
    }

    /// A bookmark of how far this watch has come.
    pub(crate) fn bookmark(&self) -> Event {
        Event::own("BOOKMARK", Arc::new(self.bookmark_object()))
    }

    fn bookmark_object(&self) -> Value {
        let definition = &self.selection.definition;
        let mut bookmark = json!({
            "kind": definition.kind,
            "apiVersion": definition.api_version(),
            "metadata": {"resourceVersion": self.revision.to_string()},
        });
        definition.schema.add_what_is_always_there(&mut bookmark);
        bookmark
    }

    /// What a change means to those who see only the selection: an object that leaves it is gone.
    fn translate(&self, change: &Arc<Change>) -> Option<Event> {
        let selection = &self.selection;
        let before = change.previous.as_ref().is_some_and(|object| selection.admits(&change.key, object));
        let after = change.kind != ChangeKind::Deleted && selection.admits(&change.key, &change.object);
        match (before, after) {
            (false, false) => None,
            (false, true) => Some(selection.event("ADDED", change)),
            (true, true) => Some(selection.event("MODIFIED", change)),
            (true, false) if change.kind == ChangeKind::Deleted => Some(selection.event("DELETED", change)),
            (true, false) if sabotage::is(Bug::LeavingUnseen) => None,
            (true, false) => {
                let mut last = Value::clone(change.previous.as_ref()?);
                value::set(&mut last, &["metadata", "resourceVersion"], json!(change.revision.to_string()));
                Some(Event::own("DELETED", selection.present(&Arc::new(last))))
            }
        }
    }
}
