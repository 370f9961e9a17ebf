//! Templates: the pattern of a helper object, read once, and rendered against the two copies of a move.
//!
//! A template is YAML text or an object. In either, the strings may hold `{{ .From.Name }}` (names and fields of the
//! copies, always text) and `${ … }` (the answer of an expression; a string that is one such expression and nothing else
//! becomes the answer itself, a number, a list or an object). Placeholders are taken out of the text before it is read as
//! YAML, and put into parsed values only: whatever a provider writes into a status, it can never add structure, and never
//! choose what kind of object is made, or where. Knows no stages and no clusters.
//!
//! Reading and rendering are total and bounded: the text, its parts, their nesting, the placeholders and the size of what
//! is rendered.

mod action;
mod error;
mod lex;
mod name;
mod pattern;
mod place;
mod read;
mod shell;
#[cfg(test)]
mod tests;
mod yaml;

use serde_json::{Map, Value};

use crate::expression::{Expression, Scope};
use crate::resource::Object;

use pattern::{Pattern, Renderer};

pub use error::{TemplateError, TemplateFault};
pub use name::is_object_name;
pub use place::{Place, Side};

/// The longest YAML text, and the largest object, of a template, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;
/// The most placeholders in one template.
pub const MAX_PLACEHOLDERS: usize = 256;
/// How deeply a template, and what is rendered from it, may be nested.
pub const MAX_NESTING: usize = 32;
/// The largest object that is rendered, counted in bytes of text and 16 for each part.
pub const MAX_RENDERED: usize = 256 << 10;

/// The pattern of an object to create, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    key: String,
    /// `None` where it creates nothing.
    fields: Option<Vec<(String, Pattern)>>,
}

/// What a template is rendered against.
#[derive(Clone, Copy, Debug)]
pub struct Rendering<'a> {
    /// The old copy.
    pub from: Side<'a>,
    /// The new copy.
    pub to: Side<'a>,
    /// What its expressions see.
    pub scope: &'a Scope,
}

impl Template {
    /// Reads a template. `key` is its name among its siblings and the object's name where it says none; `names` are what
    /// its expressions may refer to.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place.
    pub fn parse(key: &str, value: &Value, names: &[&str]) -> Result<Self, Vec<TemplateFault>> {
        read::read(key, value, names).map(|fields| Self { key: key.to_owned(), fields })
    }

    /// Whether this is only comments, told without reading its placeholders.
    pub fn is_blank(value: &Value) -> bool {
        read::is_blank(value)
    }

    /// Its name among its siblings.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it is only comments.
    pub fn creates_nothing(&self) -> bool {
        self.fields.is_none()
    }

    /// `apiVersion`, `kind` and, if it needs no rendering, the name of its object.
    pub fn identity(&self) -> Option<(&str, &str, Option<&str>)> {
        let fields = self.fields.as_deref()?;
        let of = |key: &str| fields.iter().find(|(name, _)| name == key).map(|(_, pattern)| pattern);
        let name = match of("metadata") {
            Some(Pattern::Map(metadata)) => {
                metadata.iter().find(|(key, _)| key == "name").map(|(_, name)| name)
            }
            _ => None,
        };
        let name = name.map_or(Some(self.key.as_str()), Pattern::fixed_text);
        Some((of("apiVersion")?.fixed_text()?, of("kind")?.fixed_text()?, name))
    }

    /// The expressions in it.
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found = Vec::new();
        for (_, pattern) in self.fields.iter().flatten() {
            pattern.expressions(&mut found);
        }
        found
    }

    /// Places where text from elsewhere becomes part of a shell's script, as JSON pointers into the object: a provider
    /// that writes `; rm -rf /` into its status would be obeyed.
    pub fn shell_scripts(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (key, pattern) in self.fields.iter().flatten() {
            shell::scripts(pattern, &format!("/{key}"), &mut found);
        }
        found
    }

    /// The object, in this namespace; `None` where the template creates nothing.
    ///
    /// A Job that does not say when its containers are restarted gets `restartPolicy: Never`.
    ///
    /// # Errors
    /// Where something is not there yet ([`TemplateError::Missing`]), or the values make no object.
    pub fn render(
        &self,
        rendering: &Rendering<'_>,
        namespace: &str,
    ) -> Result<Option<Object>, TemplateError> {
        let Some(fields) = &self.fields else { return Ok(None) };
        let mut renderer = Renderer::new(&self.key, rendering);
        let fields: Map<String, Value> = renderer.map(fields, "", MAX_NESTING)?;
        let Ok(mut object) = Object::try_from(Value::Object(fields)) else { return Ok(None) };
        let name = match object.name() {
            "" => self.key.clone(),
            name => name.to_owned(),
        };
        if !is_object_name(&name) {
            let found = crate::offer::shorten(&name, 64);
            return Err(TemplateError::Name { template: self.key.clone(), found });
        }
        object.set(&["metadata", "name"], name.into());
        if !namespace.is_empty() {
            object.set(&["metadata", "namespace"], namespace.into());
        }
        never_restarted(&mut object);
        Ok(Some(object))
    }
}

/// Jobs have no default, and what people write down rarely says it.
fn never_restarted(object: &mut Object) {
    let pods = ["spec", "template", "spec"];
    let gvk = object.gvk();
    let is_job = gvk.group == "batch" && gvk.kind == "Job";
    if is_job && object.get(&pods).is_some_and(|spec| spec.is_object() && spec.get("restartPolicy").is_none())
    {
        object.set(&["spec", "template", "spec", "restartPolicy"], "Never".into());
    }
}
