//! Reads the modules of a configuration.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::configuration::{Call, Declared, Instances, Module, attributes};
use super::document::Reading;
use super::elements::object;
use super::refusal::Refusal;
use super::{strict, values};

/// Reads one module.
pub(super) struct ModuleReader<'a, 'r>(pub(super) &'a mut Reading<'r>);

impl<'de> DeserializeSeed<'de> for ModuleReader<'_, '_> {
    type Value = Module;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Module, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ModuleReader<'_, '_> {
    type Value = Module;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a module")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Module, A::Error> {
        let (reading, mut module, mut seen) = (self.0, Module::default(), BTreeSet::new());
        while let Some(key) = reading.key(&mut map, &mut seen)? {
            match key.as_str() {
                "resources" => map.next_value_seed(Resources(reading, &mut module))?,
                "module_calls" => map.next_value_seed(Calls(reading, &mut module))?,
                "variables" => {
                    let variables = reading.value(&mut map)?;
                    module.note_variables(reading, variables);
                }
                "outputs" => {
                    let outputs = reading.value(&mut map)?;
                    note_outputs(reading, outputs);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(module)
    }
}

impl Module {
    /// Records which variables are sensitive, and their default values as secrets.
    fn note_variables(&mut self, reading: &mut Reading<'_>, variables: Value) {
        for (name, variable) in values::entries(variables) {
            let default = variable.get("default").cloned().unwrap_or_default();
            if variable.get("sensitive").and_then(Value::as_bool) == Some(true) {
                reading.secrets.note(&default);
                self.sensitive_variables.insert(name);
            } else {
                let named = [(name, default)].into_iter().collect();
                reading.secrets.note_named(&Value::Object(named));
            }
        }
    }
}

fn note_outputs(reading: &mut Reading<'_>, outputs: Value) {
    for output in values::entries(outputs).values() {
        let is_sensitive = output.get("sensitive").and_then(Value::as_bool) == Some(true);
        if let (true, Some(value)) = (is_sensitive, output.pointer("/expression/constant_value")) {
            reading.secrets.note(value);
        }
    }
}

/// Reads the list of the resources of a module.
struct Resources<'a, 'r, 'm>(&'a mut Reading<'r>, &'m mut Module);

impl<'de> DeserializeSeed<'de> for Resources<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Resources<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of resources")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self(reading, module) = self;
        while let Some(item) = reading.item(&mut items)? {
            let added = add_resource(reading, module, item.get());
            added.map_err(|reason| A::Error::custom(reason.code()))?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct ResourceText {
    #[serde(default)]
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    provider_config_key: String,
    #[serde(default)]
    expressions: Map<String, Value>,
    count_expression: Option<Value>,
    for_each_expression: Option<Value>,
}

fn add_resource(reading: &mut Reading<'_>, module: &mut Module, text: &str) -> Result<(), Refusal> {
    let whole = strict::value(text).map_err(|_| Refusal::NotAPlan)?;
    // Provisioners, connections and write-only attributes may contain passwords as constants.
    reading.secrets.note_named(&whole);
    let resource: ResourceText = object(text)?;
    if resource.mode != "managed" {
        return Ok(());
    }
    let count = resource.count_expression.as_ref();
    let declared = Declared {
        attributes: attributes(&resource.kind, &resource.expressions, reading.key),
        instances: Instances::of(count, resource.for_each_expression.as_ref()),
        provider: resource.provider_config_key,
    };
    let name = format!("{}.{}", resource.kind, resource.name);
    match module.resources.insert(name, declared) {
        Some(_) => Err(Refusal::NotAPlan),
        None => Ok(()),
    }
}

/// Reads the calls of modules.
struct Calls<'a, 'r, 'm>(&'a mut Reading<'r>, &'m mut Module);

impl<'de> DeserializeSeed<'de> for Calls<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Calls<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("calls of modules")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (Self(reading, module), mut seen) = (self, BTreeSet::new());
        while let Some(name) = reading.key(&mut map, &mut seen)? {
            let call = map.next_value_seed(CallReader(reading))?;
            module.calls.insert(name, call);
        }
        Ok(())
    }
}

/// Reads one call.
struct CallReader<'a, 'r>(&'a mut Reading<'r>);

impl<'de> DeserializeSeed<'de> for CallReader<'_, '_> {
    type Value = Call;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Call, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CallReader<'_, '_> {
    type Value = Call;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a call of a module")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Call, A::Error> {
        let (reading, mut call, mut seen) = (self.0, Call::default(), BTreeSet::new());
        let (mut count, mut each, mut arguments) = (None, None, Map::new());
        while let Some(key) = reading.key(&mut map, &mut seen)? {
            match key.as_str() {
                "module" => call.module = map.next_value_seed(ModuleReader(reading))?,
                "count_expression" => count = Some(reading.value(&mut map)?),
                "for_each_expression" => each = Some(reading.value(&mut map)?),
                "expressions" => arguments = values::entries(reading.value(&mut map)?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        call.instances = Instances::of(count.as_ref(), each.as_ref());
        for name in &call.module.sensitive_variables {
            if let Some(value) = arguments
                .get(name)
                .and_then(|argument| argument.get("constant_value"))
            {
                reading.secrets.note(value);
            }
        }
        reading.secrets.note_named(&Value::Object(arguments));
        Ok(call)
    }
}
