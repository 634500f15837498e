//! Reads a plan once, from its beginning to its end, and keeps what is needed of it.
//!
//! Only one resource is a value in memory at a time; what is not needed is not kept.

use std::collections::BTreeSet;
use std::fmt;
use std::io::BufReader;

use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::config_reader::ModuleReader;
use super::configuration::Configuration;
use super::elements::{Output, ResourceChange, StateResource};
use super::keyed::DigestKey;
use super::refusal::Refusal;
use super::sensitive::Secrets;
use super::spool::{Gauge, Spool};
use super::strict::{MAX_DEPTH, Strict};

/// Receives the resources of a plan.
pub(super) trait Sink {
    /// Receives a resource of the state.
    fn state_resource(
        &mut self,
        text: &str,
        resource: &StateResource<'_>,
        secrets: &mut Secrets,
    ) -> Result<(), Refusal>;
    /// Receives a change that was found outside.
    fn drift(
        &mut self,
        text: &str,
        change: &ResourceChange<'_>,
        secrets: &mut Secrets,
    ) -> Result<(), Refusal>;
    /// Receives a planned change.
    fn planned(&mut self, change: &ResourceChange<'_>) -> Result<(), Refusal>;
}

/// What a plan says about itself.
#[derive(Default)]
pub(super) struct Header {
    pub(super) errored: Option<bool>,
    pub(super) complete: Option<bool>,
    pub(super) timestamp: Option<DateTime<Utc>>,
    pub(super) terraform_version: String,
    pub(super) has_changes: bool,
    pub(super) has_state: bool,
    has_format: bool,
    has_configuration: bool,
}

/// What was read of a plan.
pub(super) struct Document {
    pub(super) header: Header,
    pub(super) configuration: Configuration,
    pub(super) secrets: Secrets,
}

/// Reads a plan and passes its resources to the sink.
///
/// # Errors
///
/// The file is not a plan, ended with an error, or exceeds a limit.
pub(super) fn read(spool: Spool, key: &DigestKey, sink: &mut dyn Sink) -> Result<Document, Refusal> {
    let reader = spool.into_reader();
    let gauge = reader.gauge();
    let mut reading = Reading {
        gauge: &gauge,
        key,
        sink,
        header: Header::default(),
        configuration: Configuration::default(),
        secrets: Secrets::default(),
        variables: Vec::new(),
    };
    let mut parser = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 * 1024, reader));
    At(&mut reading, Part::Top)
        .deserialize(&mut parser)
        .map_err(|why| refusal(&why))?;
    let rest = parser.end();
    let header = &reading.header;
    if !header.has_format || !header.has_configuration || header.timestamp.is_none() {
        return Err(Refusal::NotAPlan);
    }
    rest.map_err(|why| refusal(&why))?;
    if header.errored == Some(true) {
        return Err(Refusal::Errored);
    }
    reading.note_variables();
    Ok(Document {
        header: reading.header,
        configuration: reading.configuration,
        secrets: reading.secrets,
    })
}

/// Returns the reason of a parser's error. Errors of this module begin with the code of their reason.
fn refusal(why: &serde_json::Error) -> Refusal {
    match why.classify() {
        Category::Syntax | Category::Eof => Refusal::NotJson,
        Category::Io => Refusal::TooLarge,
        Category::Data => {
            let text = why.to_string();
            let named = Refusal::ALL
                .into_iter()
                .find(|reason| text.starts_with(reason.code()));
            named.unwrap_or(Refusal::NotAPlan)
        }
    }
}

/// What has been read so far.
pub(super) struct Reading<'r> {
    gauge: &'r Gauge,
    pub(super) key: &'r DigestKey,
    sink: &'r mut dyn Sink,
    header: Header,
    configuration: Configuration,
    pub(super) secrets: Secrets,
    variables: Vec<(String, Value)>,
}

impl Reading<'_> {
    /// Adds the values of sensitive variables. Which ones are sensitive is known at the end of the file only.
    fn note_variables(&mut self) {
        for (name, value) in std::mem::take(&mut self.variables) {
            match self.configuration.root.sensitive_variables.contains(&name) {
                true => self.secrets.note(&value),
                false => self
                    .secrets
                    .note_named(&Value::Object([(name, value)].into_iter().collect())),
            }
        }
    }

    /// Reads the next key of an object.
    pub(super) fn key<'de, A: MapAccess<'de>>(
        &self,
        map: &mut A,
        seen: &mut BTreeSet<String>,
    ) -> Result<Option<String>, A::Error> {
        let Some(key) = self.gauge.holding(|| map.next_key::<String>())? else {
            return Ok(None);
        };
        if !seen.insert(key.clone()) {
            return Err(A::Error::custom(Refusal::NotAPlan.code()));
        }
        Ok(Some(key))
    }

    /// Reads the value of a key.
    pub(super) fn value<'de, A: MapAccess<'de>>(&self, map: &mut A) -> Result<Value, A::Error> {
        self.gauge.holding(|| map.next_value_seed(Strict(MAX_DEPTH)))
    }

    /// Reads the next item of a list.
    pub(super) fn item<'de, A: SeqAccess<'de>>(
        &self,
        items: &mut A,
    ) -> Result<Option<Box<RawValue>>, A::Error> {
        self.gauge.holding(|| items.next_element::<Box<RawValue>>())
    }

    fn output(&mut self, value: Value) {
        if let Ok(output) = serde_json::from_value::<Output>(value)
            && output.sensitive
        {
            self.secrets.note(&output.value);
        }
    }

    fn output_change(&mut self, value: &Value) {
        for (side, marks) in [("before", "before_sensitive"), ("after", "after_sensitive")] {
            if let (Some(value), Some(marks)) = (value.get(side), value.get(marks)) {
                self.secrets.note_marked(value, marks);
            }
        }
    }

    fn provider(&mut self, key: String, provider: &Value) {
        let Some(expressions) = provider.get("expressions") else {
            return;
        };
        self.secrets.note_named(expressions);
        if let Some(region) = expressions
            .pointer("/region/constant_value")
            .and_then(Value::as_str)
        {
            self.configuration.regions.insert(key, region.to_owned());
        }
    }

    fn element(&mut self, part: Part, text: &str) -> Result<(), Refusal> {
        match part {
            Part::StateResources => {
                let resource = StateResource::parse(text)?;
                self.sink.state_resource(text, &resource, &mut self.secrets)
            }
            Part::Drift => self
                .sink
                .drift(text, &ResourceChange::parse(text)?, &mut self.secrets),
            _ => self.sink.planned(&ResourceChange::parse(text)?),
        }
    }
}

/// A part of a plan that has members of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Top,
    Variables,
    Planned,
    PlannedModule,
    Outputs,
    OutputChanges,
    Prior,
    StateValues,
    StateModule,
    StateResources,
    StateModules,
    Drift,
    Changes,
    Configuration,
    Providers,
}

/// Reads one part.
struct At<'a, 'r>(&'a mut Reading<'r>, Part);

impl<'de> DeserializeSeed<'de> for At<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of a plan")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(reading, part) = self;
        if matches!(
            part,
            Part::StateResources | Part::StateModules | Part::Drift | Part::Changes
        ) {
            return Err(A::Error::custom(Refusal::NotAPlan.code()));
        }
        let mut seen = BTreeSet::new();
        while let Some(key) = reading.key(&mut map, &mut seen)? {
            reading.note_part(part, &key);
            match part_of(part, &key) {
                Some(inner) => map.next_value_seed(At(reading, inner))?,
                None => reading.member(part, key, &mut map)?,
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(reading, part) = self;
        match part {
            Part::StateModules => while items.next_element_seed(At(reading, Part::StateModule))?.is_some() {},
            Part::StateResources | Part::Drift | Part::Changes => {
                while let Some(element) = reading.item(&mut items)? {
                    let read = reading.element(part, element.get());
                    read.map_err(|reason| A::Error::custom(reason.code()))?;
                }
            }
            _ => return Err(A::Error::custom(Refusal::NotAPlan.code())),
        }
        Ok(())
    }
}

/// Returns the part that a member of another part is.
fn part_of(part: Part, key: &str) -> Option<Part> {
    Some(match (part, key) {
        (Part::Top, "variables") => Part::Variables,
        (Part::Top, "planned_values") => Part::Planned,
        (Part::Top, "resource_drift") => Part::Drift,
        (Part::Top, "resource_changes") => Part::Changes,
        (Part::Top, "output_changes") => Part::OutputChanges,
        (Part::Top, "prior_state") => Part::Prior,
        (Part::Top, "configuration") => Part::Configuration,
        (Part::Planned, "root_module") => Part::PlannedModule,
        (Part::Prior, "values") => Part::StateValues,
        (Part::Planned | Part::StateValues, "outputs") => Part::Outputs,
        (Part::StateValues, "root_module") => Part::StateModule,
        (Part::StateModule, "resources") => Part::StateResources,
        (Part::StateModule, "child_modules") => Part::StateModules,
        (Part::Configuration, "provider_config") => Part::Providers,
        _ => return None,
    })
}

impl Reading<'_> {
    /// Records that the plan has a part.
    fn note_part(&mut self, part: Part, key: &str) {
        match (part, key) {
            (Part::Top, "resource_changes") => self.header.has_changes = true,
            (Part::Top, "prior_state") => self.header.has_state = true,
            (Part::Top, "configuration") => self.header.has_configuration = true,
            _ => {}
        }
    }

    /// Reads a member that is a value, or skips it.
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        part: Part,
        key: String,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match (part, key.as_str()) {
            (Part::Top, _) => return self.top(&key, map),
            (Part::Variables, _) => {
                let variable = self.value(map)?;
                let value = variable.get("value").cloned().unwrap_or_default();
                self.variables.push((key, value));
            }
            (Part::Outputs, _) => {
                let output = self.value(map)?;
                self.output(output);
            }
            (Part::OutputChanges, _) => {
                let change = self.value(map)?;
                self.output_change(&change);
            }
            (Part::Providers, _) => {
                let provider = self.value(map)?;
                self.provider(key, &provider);
            }
            (Part::Configuration, "root_module") => {
                self.configuration.root = map.next_value_seed(ModuleReader(self))?;
            }
            (Part::PlannedModule, "resources" | "child_modules") => {
                self.header.has_changes = true;
                map.next_value::<IgnoredAny>()?;
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn top<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if !matches!(
            key,
            "format_version" | "errored" | "complete" | "timestamp" | "terraform_version"
        ) {
            map.next_value::<IgnoredAny>()?;
            return Ok(());
        }
        let value = self.value(map)?;
        let text = value.as_str().unwrap_or_default();
        match key {
            "format_version" => self.header.has_format = text.starts_with("1."),
            "errored" => self.header.errored = value.as_bool(),
            "complete" => self.header.complete = value.as_bool(),
            "timestamp" => {
                let time = DateTime::parse_from_rfc3339(text).ok();
                self.header.timestamp = time.map(|time| time.to_utc());
            }
            _ => self.header.terraform_version = text.to_owned(),
        }
        Ok(())
    }
}
