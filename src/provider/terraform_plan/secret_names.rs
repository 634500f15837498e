//! Which attributes hold secrets whatever the plan marks: providers mark many of them, but not all.

use serde_json::{Map, Value};

use super::secret_texts::looks_secret;

/// Last words of names whose values are secrets: a name is divided into words at capitals and punctuation.
const LAST_WORDS: [&str; 49] = [
    // What a person or a program logs in with.
    "password",
    "passwords",
    "passwd",
    "passphrase",
    "pwd",
    "pass",
    "secret",
    "secrets",
    "token",
    "credential",
    "credentials",
    "community_string",
    // Members of secret stores.
    "secret_string",
    "secret_binary",
    "secret_value",
    "secret_data",
    "string_data",
    // Of parameters: the attribute without a mark beside `value`, which is marked.
    "insecure_value",
    // Keys that sign, encrypt or open something. `key` alone is mostly an identifier.
    "secret_key",
    "access_key",
    "account_key",
    "api_key",
    "apikey",
    "auth_key",
    "encryption_key",
    "host_key",
    "license_key",
    "master_key",
    "private_key",
    "private_key_pem",
    "private_key_pem_pkcs8",
    "private_key_openssh",
    "service_account_key",
    "shared_key",
    "pre_shared_key",
    "preshared_key",
    "psk",
    "signing_key",
    "key_material",
    "pkcs12",
    // Addresses that contain a password or a signature.
    "connection_string",
    "connection_strings",
    "connection_url",
    "connection_uri",
    "database_url",
    "dsn",
    "sas_url",
    "kube_config",
    "kubeconfig",
];

/// Names of lists and maps of environment variables: any variable may be a secret, and one that is added from outside
/// is never marked.
const ENVIRONMENTS: [&str; 9] = [
    "environment",
    "env",
    "environment_variables",
    "environment_variable",
    "env_variables",
    "env_vars",
    "env_var",
    "app_settings",
    "site_config_app_settings",
];

/// Beginnings of names of scripts that run at the first start of a machine, which often contain credentials.
const SCRIPTS: [&str; 5] = [
    "user_data",
    "custom_data",
    "startup_script",
    "metadata_startup_script",
    "cloud_init",
];

/// Attributes that are secret if another attribute of the resource has a value: name, other name, its value.
const SIBLINGS: [(&str, &str, &str); 1] = [
    // A parameter of the type SecureString is encrypted at rest. The plan shows its plain text.
    ("value", "type", "SecureString"),
];

/// Returns whether a text under this name is a password, a key or the like.
pub(super) fn is_password_like(name: &str) -> bool {
    let words = words(name);
    // Terraform's write-only attributes end in `_wo`.
    let words = words.strip_suffix("_wo").unwrap_or(&words);
    LAST_WORDS.iter().any(|last| {
        let before = words.strip_suffix(last);
        before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
    })
}

/// Returns whether the attribute is write-only: the state never contains its value.
pub(super) fn is_write_only(name: &str) -> bool {
    name.ends_with("_wo")
}

/// Returns whether the whole attribute is secret, going by its name, its value and its siblings.
pub(super) fn is_secret_attribute(name: &str, value: &Value, siblings: &Map<String, Value>) -> bool {
    let is_sibling = |(attribute, other, wanted): &(&str, &str, &str)| {
        name == *attribute && siblings.get(*other).and_then(Value::as_str) == Some(wanted)
    };
    is_secret_entry(name, value) || SIBLINGS.iter().any(is_sibling)
}

/// Returns whether the value of an entry is secret as a whole, or has a secret inside.
pub(super) fn is_secret_entry(name: &str, value: &Value) -> bool {
    let scalar = matches!(value, Value::String(_) | Value::Number(_));
    let container = matches!(value, Value::Array(_) | Value::Object(_));
    let by_name = (scalar || container) && is_password_like(name)
        || container && ENVIRONMENTS.contains(&words(name).as_str())
        || !matches!(value, Value::Bool(_)) && is_script(name);
    by_name || has_secret_entry(value)
}

fn is_script(name: &str) -> bool {
    SCRIPTS.iter().any(|script| name.starts_with(script))
}

fn has_secret_entry(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| is_secret_entry(key, value)),
        Value::Array(items) => items.iter().any(has_secret_entry),
        Value::String(text) => looks_secret(text),
        _ => false,
    }
}

/// Returns the name in lower case, with `_` between its words.
fn words(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for c in name.chars() {
        if c.is_uppercase() && after_small {
            words.push('_');
        }
        after_small = c.is_lowercase() || c.is_numeric();
        match c.is_alphanumeric() {
            true => words.extend(c.to_lowercase()),
            false => words.push('_'),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_passwords_are_recognized_by_their_last_word() {
        for name in [
            "password",
            "db_password",
            "masterUserPassword",
            "DB_PASSWORD",
            "secret_string_wo",
            "client-secret",
            "primary_access_key",
            "private_key_pem",
            "auth_token",
            "apiKey",
        ] {
            assert!(is_password_like(name), "{name}");
        }
        for name in [
            "secret_id",
            "secret_arn",
            "password_policy",
            "hash_key",
            "key_name",
            "public_key",
            "http_tokens",
            "bypass",
            "compass",
            "token_ttl",
            "range_key",
        ] {
            assert!(!is_password_like(name), "{name}");
        }
    }

    #[test]
    fn environments_and_scripts_are_secret_and_tags_of_that_name_are_not() {
        let none = Map::new();
        let secret = |name: &str, value: Value| is_secret_attribute(name, &value, &none);
        assert!(secret("environment", json!([{ "variables": { "A": "b" } }])));
        assert!(secret("user_data_base64", json!("aGk=")));
        assert!(secret(
            "containers",
            json!([{ "name": "a", "env": [{ "name": "A", "value": "b" }] }])
        ));
        assert!(!secret("tags", json!({ "environment": "prod" })));
        assert!(!secret("user_data_replace_on_change", json!(true)));
        assert!(!secret("manage_master_user_password", json!(true)));
    }

    #[test]
    fn the_value_of_a_secure_string_is_secret() {
        let siblings = |kind: &str| json!({ "type": kind }).as_object().cloned().unwrap();
        assert!(is_secret_attribute(
            "value",
            &json!("x"),
            &siblings("SecureString")
        ));
        assert!(!is_secret_attribute("value", &json!("x"), &siblings("String")));
    }
}
