//! The formats: a state of version 4, and the output of `terraform show -json`.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::merge::Merge;
use super::{NoState, PROVIDER, Skipped, State, mapping};

/// Largest state that is read, in bytes.
pub const MAX_STATE_BYTES: u64 = 256 * 1024 * 1024;

/// What an instance has: attributes that are read, and where it stands.
pub(super) struct Instance {
    pub(super) address: String,
    pub(super) attributes: Map<String, Value>,
}

#[derive(Deserialize)]
struct File {
    version: Option<Value>,
    format_version: Option<Value>,
    lineage: Option<String>,
    serial: Option<i64>,
    resources: Option<Vec<Resource>>,
    values: Option<Values>,
    encrypted_data: Option<IgnoredAny>,
    planned_values: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Resource {
    module: Option<String>,
    mode: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    name: String,
    provider: Option<String>,
    #[serde(default)]
    instances: Vec<StoredInstance>,
}

#[derive(Deserialize)]
struct StoredInstance {
    index_key: Option<Value>,
    status: Option<String>,
    deposed: Option<String>,
    attributes: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Values {
    root_module: Option<Module>,
}

#[derive(Deserialize)]
struct Module {
    #[serde(default)]
    resources: Vec<Shown>,
    #[serde(default)]
    child_modules: Vec<Module>,
}

#[derive(Deserialize)]
struct Shown {
    address: String,
    mode: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    provider_name: Option<String>,
    values: Option<Map<String, Value>>,
    #[serde(default)]
    tainted: bool,
    deposed_key: Option<String>,
}

/// Reads a state from the text of a file. The parser refuses what is nested deeper than 128 levels.
pub fn parse(text: &[u8]) -> Result<State, NoState> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return refused("the file is empty");
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    read(serde_json::from_slice(text).map_err(|error| unreadable(&error))?)
}

/// Reads a state from JSON that is parsed already.
pub fn parse_value(value: Value) -> Result<State, NoState> {
    read(File::deserialize(value).map_err(|error| unreadable(&error))?)
}

/// Never the parser's own words, which may quote the file.
fn unreadable(error: &serde_json::Error) -> NoState {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    NoState(match error.classify() {
        Category::Eof => format!("the file ends too early, at line {line}: it is cut off"),
        Category::Data => format!(
            "this is no Terraform state: something has another type than it should at line {line}, column {column}"
        ),
        _ => format!("this is no JSON: line {line}, column {column}"),
    })
}

fn refused<T>(why: impl Into<String>) -> Result<T, NoState> {
    Err(NoState(why.into()))
}

fn read(file: File) -> Result<State, NoState> {
    if file.encrypted_data.is_some() {
        return refused("the state is encrypted: give the output of `tofu show -json` instead");
    }
    if file.planned_values.is_some() {
        return refused(
            "this is a plan: give the state, or the output of `terraform show -json` without a plan",
        );
    }
    match (&file.version, &file.format_version) {
        (Some(version), _) => check_version(version)?,
        (None, Some(Value::String(format))) if format.starts_with("1.") || format.starts_with("0.") => {
            return Ok(shown(file.values));
        }
        (None, Some(_)) => return refused("this format of `terraform show -json` is not known"),
        (None, None) => return refused("this is JSON, but no Terraform state"),
    }
    let (Some(lineage), Some(serial), Some(resources)) = (file.lineage, file.serial, file.resources) else {
        return refused("this is no whole state: it lacks lineage, serial or resources");
    };
    if serial < 0 {
        return refused("the serial of the state is negative");
    }
    let mut reader = Reader::default();
    resources.into_iter().for_each(|resource| reader.stored(resource));
    let mut state = reader.finish();
    state.lineage = Some(lineage).filter(|lineage| !lineage.is_empty());
    state.serial = Some(serial);
    Ok(state)
}

fn check_version(version: &Value) -> Result<(), NoState> {
    match version.as_i64() {
        Some(4) => Ok(()),
        Some(old @ ..=3) => refused(format!(
            "the state has version {old}: let Terraform 0.12 or newer write it anew, to version 4"
        )),
        Some(new) => refused(format!(
            "the state has version {new}; version 4 is what can be read"
        )),
        None => refused("this is JSON, but no Terraform state: its version is no number"),
    }
}

/// Modules stand inside each other; a list of those to come needs no recursion.
fn shown(values: Option<Values>) -> State {
    let mut reader = Reader::default();
    let mut modules: Vec<Module> = values.and_then(|values| values.root_module).into_iter().collect();
    while let Some(module) = modules.pop() {
        for resource in module.resources {
            reader.instance(Found {
                address: resource.address,
                managed: is_managed(resource.mode.as_deref()),
                type_name: &resource.type_name,
                provider: resource.provider_name.as_deref(),
                tainted: resource.tainted,
                deposed: resource.deposed_key.is_some(),
                attributes: resource.values,
            });
        }
        modules.extend(module.child_modules);
    }
    reader.finish()
}

fn is_managed(mode: Option<&str>) -> bool {
    mode.is_none_or(|mode| mode == "managed")
}

/// One instance, whatever the format.
struct Found<'r> {
    address: String,
    managed: bool,
    type_name: &'r str,
    provider: Option<&'r str>,
    tainted: bool,
    deposed: bool,
    attributes: Option<Map<String, Value>>,
}

/// Sorts instances, and hears those that count.
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
        for instance in resource.instances {
            let address = match &instance.index_key {
                None | Some(Value::Null) => base.clone(),
                // JSON quotes a text as Terraform does.
                Some(key) => format!("{base}[{key}]"),
            };
            self.instance(Found {
                address,
                managed: is_managed(resource.mode.as_deref()),
                type_name: &resource.type_name,
                provider: resource.provider.as_deref(),
                tainted: instance.status.as_deref() == Some("tainted"),
                deposed: instance.deposed.is_some(),
                attributes: instance.attributes,
            });
        }
    }

    fn instance(&mut self, found: Found<'_>) {
        if !found.managed {
            self.skipped.data += 1;
            return;
        }
        if !is_ours(found.type_name, found.provider) {
            self.skipped.foreign += 1;
            return;
        }
        let Some(mapping) = mapping(found.type_name) else {
            let of_type = self.skipped.unsupported.entry(found.type_name.to_owned());
            *of_type.or_default() += 1;
            return;
        };
        if found.deposed {
            self.skipped.deposed += 1;
            return;
        }
        let instance = Instance {
            address: found.address,
            attributes: found.attributes.unwrap_or_default(),
        };
        match mapping(&instance) {
            None => self.skipped.without_id += 1,
            Some(said) if found.tainted => {
                self.skipped.tainted += 1;
                self.merge.add_held(said);
            }
            Some(said) => self.merge.add(said),
        }
    }

    fn finish(mut self) -> State {
        let (desired, held) = self.merge.finish(&mut self.skipped);
        State {
            desired,
            held,
            skipped: self.skipped,
            ..State::default()
        }
    }
}

/// Of DigitalOcean's own provider, from whatever registry, under whatever alias: the source address ends like
/// this, and old states have only the name.
fn is_ours(type_name: &str, provider: Option<&str>) -> bool {
    let ours = provider.is_none_or(|provider| {
        provider.contains(&format!("{PROVIDER}/{PROVIDER}"))
            || provider.contains(&format!("provider.{PROVIDER}"))
    });
    ours && type_name.starts_with("digitalocean_")
}
