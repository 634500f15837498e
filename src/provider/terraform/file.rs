//! Parsers of the two formats: state files of version 4, and the output of `terraform show -json`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::instance::Instance;
use super::merge::Merge;
use super::{Mapped, Refused, Skipped, State, StateError, Type, flat, never_synced, type_of};
use crate::provider::json::{Object, as_utf8};

/// Maximum size of a state, in bytes.
pub const MAX_STATE_BYTES: u64 = 256 * 1024 * 1024;

#[derive(Deserialize)]
struct File<'a> {
    version: Option<Value>,
    format_version: Option<Value>,
    lineage: Option<String>,
    serial: Option<i64>,
    #[serde(borrow)]
    resources: Option<Vec<Object<Resource<'a>>>>,
    #[serde(borrow)]
    values: Option<Values<'a>>,
    encrypted_data: Option<IgnoredAny>,
    planned_values: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    module: Option<String>,
    mode: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    name: String,
    #[serde(borrow, default)]
    instances: Vec<Object<StoredInstance<'a>>>,
}

#[derive(Deserialize)]
struct StoredInstance<'a> {
    index_key: Option<Value>,
    status: Option<String>,
    deposed: Option<String>,
    // Parsed later, so that a number that is too large makes only its instance unreadable, not the whole state.
    #[serde(borrow)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow)]
    attributes_flat: Option<&'a RawValue>,
    dependencies: Option<Value>,
}

#[derive(Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    root_module: Option<Module<'a>>,
}

#[derive(Deserialize)]
struct Module<'a> {
    #[serde(borrow, default)]
    resources: Vec<Object<ShownResource<'a>>>,
    #[serde(borrow, default)]
    child_modules: Vec<Module<'a>>,
}

#[derive(Deserialize)]
struct ShownResource<'a> {
    address: String,
    mode: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(borrow)]
    values: Option<&'a RawValue>,
    #[serde(default)]
    tainted: bool,
    deposed_key: Option<String>,
    depends_on: Option<Value>,
}

/// Parses the text of a state. JSON that is nested deeper than 128 levels is an error.
///
/// # Errors
/// Returns the reason if the text is not a state that can be imported.
pub fn parse(text: &[u8]) -> Result<State, StateError> {
    let text = as_utf8(text).map_err(|why| StateError(why.to_owned()))?;
    if text.iter().all(u8::is_ascii_whitespace) {
        return refused("the file is empty");
    }
    match serde_json::from_slice::<Object<File<'_>>>(&text) {
        Ok(Object(file)) => read(file),
        Err(_) if has_lines_of_a_wrapper(&text) => refused(
            "a CI wrapper added lines around the JSON, such as [command]... or ::debug::...: disable the \
             wrapper (`terraform_wrapper: false` of setup-terraform), or call terraform directly \
             (`terraform-bin`)",
        ),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Reads a state from parsed JSON.
///
/// # Errors
/// The same as of [`parse`].
pub fn parse_value(value: Value) -> Result<State, StateError> {
    match value {
        Value::Object(_) => parse(value.to_string().as_bytes()),
        _ => refused("this is JSON, but not a Terraform state: it is not an object"),
    }
}

/// Returns whether a line starts with a workflow command or a group marker of a CI runner.
fn has_lines_of_a_wrapper(text: &[u8]) -> bool {
    let is_of_a_runner = |line: &[u8]| {
        // The first added line may directly follow the last brace of the JSON.
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"}").unwrap_or(line);
        line.starts_with(b"[command]")
            || line.starts_with(b"##[")
            || line
                .strip_prefix(b"::")
                .is_some_and(|rest| rest.windows(2).any(|pair| pair == b"::"))
    };
    text.split(|byte| *byte == b'\n').any(is_of_a_runner)
}

/// Converts an error of the parser without its message, which may quote the file.
fn unreadable(error: &serde_json::Error) -> StateError {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    StateError(match error.classify() {
        Category::Eof => format!("the file is incomplete: it ends at line {line}"),
        Category::Data => {
            format!("this is not a Terraform state: unexpected type at line {line}, column {column}")
        }
        _ => format!("this is not JSON: line {line}, column {column}"),
    })
}

fn refused<T>(why: impl Into<String>) -> Result<T, StateError> {
    Err(StateError(why.into()))
}

fn read(file: File<'_>) -> Result<State, StateError> {
    if file.encrypted_data.is_some() {
        return refused("the state is encrypted: import the output of `tofu show -json` instead");
    }
    if file.planned_values.is_some() {
        return refused(
            "this is a plan: import it with `drift-inbox import-plan`, or import the output of `terraform show -json` \
             without a plan",
        );
    }
    match (&file.version, &file.format_version) {
        (Some(version), _) => check_version(version)?,
        (None, Some(Value::String(format))) if format.starts_with("1.") || format.starts_with("0.") => {
            return Ok(read_show_output(file.values));
        }
        (None, Some(_)) => return refused("unknown format version of `terraform show -json`"),
        (None, None) => return refused("this is JSON, but not a Terraform state"),
    }
    let (Some(lineage), Some(serial), Some(resources)) = (file.lineage, file.serial, file.resources) else {
        return refused("the state is incomplete: lineage, serial or resources is missing");
    };
    if serial < 0 {
        return refused("the serial of the state is negative");
    }
    let mut reader = Reader::default();
    for Object(resource) in resources {
        reader.stored(resource);
    }
    let mut state = reader.finish();
    state.lineage = Some(lineage).filter(|lineage| !lineage.is_empty());
    state.serial = Some(serial);
    Ok(state)
}

fn check_version(version: &Value) -> Result<(), StateError> {
    match version.as_i64() {
        Some(4) => Ok(()),
        Some(old @ ..=3) => refused(format!(
            "the state has version {old}: upgrade it to version 4 with Terraform 0.12 or newer"
        )),
        Some(new) => refused(format!(
            "the state has version {new}; only version 4 is supported"
        )),
        None => refused("this is JSON, but not a Terraform state: its version is not a number"),
    }
}

/// Reads the output of `terraform show -json`. A stack of modules replaces recursion into nested modules.
fn read_show_output(values: Option<Values<'_>>) -> State {
    let mut reader = Reader::default();
    let mut modules: Vec<Module<'_>> = values.and_then(|values| values.root_module).into_iter().collect();
    while let Some(module) = modules.pop() {
        for Object(resource) in module.resources {
            reader.instance(AnyInstance {
                address: resource.address,
                managed: is_managed(resource.mode.as_deref()),
                type_name: &resource.type_name,
                tainted: resource.tainted,
                deposed: resource.deposed_key.is_some(),
                attributes: resource.values,
                flat: None,
                refers_to_volume: names_volume(resource.depends_on.as_ref()),
            });
        }
        modules.extend(module.child_modules);
    }
    reader.finish()
}

fn is_managed(mode: Option<&str>) -> bool {
    mode.is_none_or(|mode| mode == "managed")
}

/// An instance in either format.
struct AnyInstance<'r> {
    address: String,
    managed: bool,
    type_name: &'r str,
    tainted: bool,
    deposed: bool,
    attributes: Option<&'r RawValue>,
    flat: Option<&'r RawValue>,
    refers_to_volume: bool,
}

/// Returns whether the dependencies of an instance contain a volume.
fn names_volume(dependencies: Option<&Value>) -> bool {
    let addresses = dependencies.and_then(Value::as_array).into_iter().flatten();
    addresses
        .filter_map(Value::as_str)
        .any(|address| address.split('.').any(|part| part == "digitalocean_volume"))
}

impl AnyInstance<'_> {
    /// Returns the readable attributes, and the reason if some are not readable.
    fn read(&self) -> (Map<String, Value>, Option<String>) {
        match (self.attributes, self.flat) {
            (Some(attributes), _) => parse_attributes(attributes),
            (None, Some(flat)) => parse_flat_attributes(self.type_name, flat),
            (None, None) => (
                Map::new(),
                Some("the instance has no attributes in the state".to_owned()),
            ),
        }
    }
}

/// Returns the readable attributes, and the reason if one is not readable.
fn parse_attributes(text: &RawValue) -> (Map<String, Value>, Option<String>) {
    if let Ok(attributes) = serde_json::from_str(text.get()) {
        return (attributes, None);
    }
    let Ok(each) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text.get()) else {
        return (
            Map::new(),
            Some("its attributes are not a JSON object".to_owned()),
        );
    };
    let (mut attributes, mut fault) = (Map::new(), None);
    for (name, value) in each {
        match serde_json::from_str(value.get()) {
            Ok(value) => _ = attributes.insert(name, value),
            Err(_) => {
                fault = Some(format!(
                    "its attribute {name:?} has a number that is too large, or is nested too deep"
                ));
            }
        }
    }
    (attributes, fault)
}

fn parse_flat_attributes(type_name: &str, text: &RawValue) -> (Map<String, Value>, Option<String>) {
    let Ok(flat) = serde_json::from_str::<Map<String, Value>>(text.get()) else {
        return (
            Map::new(),
            Some("its attributes_flat is not a JSON object".to_owned()),
        );
    };
    match flat::decode(type_name, &flat) {
        Ok(attributes) => (attributes, None),
        Err(why) => {
            let fault = format!(
                "its attributes_flat cannot be read ({why}): refresh the state with Terraform 0.12 or newer"
            );
            (flat, Some(fault))
        }
    }
}

/// Passes the instances to import to `merge`, and counts the others.
#[derive(Default)]
struct Reader {
    merge: Merge,
    skipped: Skipped,
}

impl Reader {
    fn stored(&mut self, resource: Resource) {
        let base = match &resource.module {
            Some(module) if !module.is_empty() => {
                format!("{module}.{}.{}", resource.type_name, resource.name)
            }
            _ => format!("{}.{}", resource.type_name, resource.name),
        };
        for Object(instance) in resource.instances {
            let address = match &instance.index_key {
                None | Some(Value::Null) => base.clone(),
                // JSON and Terraform quote strings in the same way, except that a template starts with `${` or `%{`.
                Some(key) => format!(
                    "{base}[{}]",
                    key.to_string().replace("${", "$${").replace("%{", "%%{")
                ),
            };
            self.instance(AnyInstance {
                address,
                managed: is_managed(resource.mode.as_deref()),
                type_name: &resource.type_name,
                tainted: instance.status.as_deref() == Some("tainted"),
                deposed: instance.deposed.is_some(),
                attributes: instance.attributes,
                flat: instance.attributes_flat,
                refers_to_volume: names_volume(instance.dependencies.as_ref()),
            });
        }
    }

    fn instance(&mut self, found: AnyInstance<'_>) {
        if !found.managed {
            self.skipped.data += 1;
            return;
        }
        // The type identifies the provider. Its address does not: it differs in mirrors, forks and older versions.
        if !found.type_name.starts_with("digitalocean_") {
            self.skipped.foreign += 1;
            return;
        }
        let Some(known) = type_of(found.type_name) else {
            let of_type = self.skipped.unsupported.entry(found.type_name.to_owned());
            *of_type.or_default() += 1;
            return;
        };
        if found.deposed {
            self.skipped.deposed += 1;
            return;
        }
        let (attributes, fault) = found.read();
        let has_id = super::fields::id(&attributes, "id").is_some();
        let instance = Instance {
            address: found.address,
            type_name: found.type_name.to_owned(),
            attributes,
            refers_to_volume: found.refers_to_volume,
        };
        let mapped = (known.mapping)(&instance);
        let fault = fault.or_else(|| {
            let nameless = mapped.is_none() && has_id;
            nameless.then(|| "its attributes do not identify the resource".to_owned())
        });
        match (mapped, fault) {
            (mapped, Some(fault)) => self.add_unreadable(known, instance.address, mapped, fault),
            (None, None) => self.skipped.without_id += 1,
            (Some(mapped), None) if found.tainted => {
                self.skipped.tainted += 1;
                self.merge.add_held(mapped, None);
            }
            (Some(mapped), None) => match never_synced(found.type_name, &instance.attributes) {
                Some(reason) => self.merge.refuse(mapped, reason),
                None => self.merge.add(mapped),
            },
        }
    }

    /// Adds an unreadable instance. The spec of its resource stays as it is.
    fn add_unreadable(&mut self, known: &Type, address: String, mapped: Option<Vec<Mapped>>, fault: String) {
        if let Some(held) = known.contained_kind {
            self.merge
                .add_held_without_id(held, address.clone(), fault.clone());
        }
        match (mapped, known.kind) {
            (Some(mapped), Some(_)) => self.merge.add_held(mapped, Some(&fault)),
            // Without an id, the instance may be any resource of the kind.
            (None, Some(kind)) => self.merge.add_held_without_id(kind, address, fault),
            (mapped, None) => {
                self.merge.add_held(mapped.unwrap_or_default(), None);
                self.merge.refused.push(Refused {
                    kind: known.name.to_owned(),
                    provider_id: String::new(),
                    address,
                    reason: fault,
                });
            }
        }
    }

    fn finish(self) -> State {
        State {
            skipped: self.skipped,
            ..self.merge.finish()
        }
    }
}
