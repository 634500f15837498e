use super::*;
use serde_json::json;

fn roles(claims: &Value, claim: &str) -> Vec<&'static str> {
    let claim = RolesClaim::parse(claim).unwrap();
    let found = roles_from_claims(claims, &claim, &RoleAliases::default());
    found.into_iter().map(Role::as_str).collect()
}

#[test]
fn underscore_and_hyphen_spell_the_same_role() {
    for (name, role) in [
        ("platform_admin", Role::PlatformAdmin),
        ("platform-admin", Role::PlatformAdmin),
        ("platform_viewer", Role::PlatformViewer),
        ("platform-viewer", Role::PlatformViewer),
    ] {
        assert_eq!(RoleAliases::default().get(name), Some(role), "{name}");
    }
    assert!(Role::PlatformViewer < Role::PlatformAdmin);
    assert_eq!(Role::PlatformAdmin.to_string(), "platform_admin");
}

#[test]
fn similar_names_are_not_roles() {
    for name in [
        "",
        "Platform_Admin",
        "PLATFORM_ADMIN",
        " platform_admin",
        "platform_admin ",
        "platform_admin\0",
        "platform_admin\n",
        "platform_\u{430}dmin",
        "platform\u{2010}admin",
        "platform admin",
        "platform_adm",
        "xplatform_admin",
        "platform_admins",
        "platformadmin",
        "platform_admin,platform_viewer",
        "*",
        "admin",
        "viewer",
        "system",
    ] {
        assert_eq!(RoleAliases::default().get(name), None, "{name:?}");
    }
}

#[test]
fn aliases_are_read_and_matched_exactly() {
    let text = " ops=platform_admin, CN=audit = platform-viewer ,platform-admin=platform_admin";
    let aliases = RoleAliases::parse(text).unwrap();
    assert_eq!(aliases.get("ops"), Some(Role::PlatformAdmin));
    assert_eq!(aliases.get("CN=audit"), Some(Role::PlatformViewer));
    assert_eq!(aliases.get("platform_viewer"), Some(Role::PlatformViewer));
    assert_eq!(aliases.get("Ops"), None);
    assert_eq!(aliases.get("audit"), None);
    assert_eq!(RoleAliases::parse("  "), Ok(RoleAliases::default()));
}

#[test]
fn another_system_assigns_roles_by_aliases_only_if_there_are_any() {
    let none = RoleAliases::default().of_another_system();
    assert_eq!(none.get("platform_admin"), Some(Role::PlatformAdmin));
    let text = "ops=platform_admin,platform-viewer=platform_viewer";
    let aliases = RoleAliases::parse(text).unwrap().of_another_system();
    assert_eq!(aliases.get("ops"), Some(Role::PlatformAdmin));
    assert_eq!(aliases.get("platform-viewer"), Some(Role::PlatformViewer));
    for name in ["platform_admin", "platform-admin", "platform_viewer"] {
        assert_eq!(aliases.get(name), None, "{name}");
    }
}

#[test]
fn an_invalid_alias_is_refused_by_name() {
    for (text, part) in [
        ("ops", "`ops`"),
        ("ops=platform_admin,", "``"),
        ("ops=platform_admin, =platform_viewer", "`=platform_viewer`"),
        ("a=platform_admin,ops=owner", "`ops=owner`"),
        ("a=Platform_Admin", "`a=Platform_Admin`"),
        ("ops=", "`ops=`"),
        ("ops=platform_admin,ops=platform_viewer", "`ops=platform_viewer`"),
        (
            "platform_viewer=platform_admin",
            "`platform_viewer=platform_admin`",
        ),
    ] {
        let message = RoleAliases::parse(text).unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn roles_are_found_by_name_and_by_path() {
    let keycloak = json!({"realm_access": {"roles": ["offline_access", "platform_admin"]}});
    assert_eq!(roles(&keycloak, "realm_access.roles"), ["platform_admin"]);
    assert!(roles(&keycloak, "roles").is_empty());
    assert!(roles(&keycloak, "realm_access").is_empty());
    assert!(roles(&keycloak, "realm_access.roles.0").is_empty());

    let url = json!({"https://example.com/roles": ["platform-viewer"]});
    assert_eq!(roles(&url, "https://example.com/roles"), ["platform_viewer"]);

    let deep = json!({"a": {"b": {"c": ["platform_admin", "platform_viewer"]}}});
    assert_eq!(roles(&deep, "a.b.c"), ["platform_viewer", "platform_admin"]);
}

#[test]
fn a_claim_with_the_whole_name_precedes_a_path() {
    let both = json!({"a.b": ["platform_viewer"], "a": {"b": ["platform_admin"]}});
    assert_eq!(roles(&both, "a.b"), ["platform_viewer"]);
    let useless = json!({"a.b": "platform_viewer", "a": {"b": ["platform_admin"]}});
    assert!(roles(&useless, "a.b").is_empty());
}

#[test]
fn a_claim_must_have_a_name() {
    assert_eq!(RolesClaim::parse(" roles ").unwrap(), RolesClaim::default());
    for text in ["", "  ", ".", ".roles", "roles.", "a..b"] {
        let message = RolesClaim::parse(text).unwrap_err().to_string();
        assert!(
            message.contains(&format!("{:?} is not", text.trim())),
            "{message}"
        );
    }
}

#[test]
fn only_a_list_of_strings_is_a_list_of_roles() {
    for value in [
        json!(null),
        json!("platform_admin"),
        json!("platform_admin platform_viewer"),
        json!("platform_admin,platform_viewer"),
        json!(1),
        json!(true),
        json!({"platform_admin": {}}),
        json!({"0": "platform_admin"}),
        json!([["platform_admin"]]),
        json!([{"name": "platform_admin"}]),
        json!(["platform_admin", 1]),
        json!(["platform_admin", null]),
        json!([["x"], "platform_admin"]),
        json!([]),
    ] {
        assert!(roles(&json!({ "roles": value }), "roles").is_empty(), "{value}");
    }
    for claims in [
        json!(null),
        json!([["platform_admin"]]),
        json!("roles"),
        json!({}),
    ] {
        assert!(roles(&claims, "roles").is_empty(), "{claims}");
    }
}

#[test]
fn a_role_in_another_claim_is_ignored() {
    for name in [
        "role",
        "groups",
        "scope",
        "admin",
        "Roles",
        "roles ",
        "permissions",
    ] {
        let claims = json!({ name: ["platform_admin"] });
        assert!(roles(&claims, "roles").is_empty(), "{name}");
    }
}

#[test]
fn an_actor_has_the_rights_of_its_highest_role() {
    use Role::{PlatformAdmin, PlatformViewer};
    for (held, read, write) in [
        (vec![], false, false),
        (vec![PlatformViewer], true, false),
        (vec![PlatformAdmin], true, true),
        (vec![PlatformAdmin, PlatformViewer], true, true),
    ] {
        let actor = Actor::new("u1", None, held.iter().copied().collect());
        assert_eq!((actor.may_read(), actor.may_write()), (read, write), "{held:?}");
    }
}

#[test]
fn the_name_of_an_actor_is_its_email_or_operator() {
    let with_email = Actor::new("u1", Some("ada@example.com".into()), BTreeSet::new());
    assert_eq!(
        (with_email.name(), with_email.subject()),
        ("ada@example.com", "u1")
    );
    assert_eq!(with_email.email(), Some("ada@example.com"));
    assert_eq!(Actor::new("u1", None, BTreeSet::new()).name(), "operator");
}

#[test]
fn an_actor_with_the_subject_system_is_not_the_system() {
    let system = Actor::system();
    assert_eq!(
        (system.name(), system.subject(), system.email()),
        ("system", "system", None)
    );
    assert_eq!(system.identity, Identity::System);
    assert!(system.may_read() && system.may_write());
    let forged = Actor::new("system", Some("system".into()), system.roles().clone());
    assert_eq!(forged.name(), "operator");
    assert_ne!(forged.identity, Identity::System);
    assert_ne!(forged, system);
}

#[test]
fn a_roles_claim_and_an_actor_return_their_input() {
    let path = RolesClaim::parse("realm_access.roles").unwrap();
    assert_eq!(path.as_str(), "realm_access.roles");
    let held = std::collections::BTreeSet::from([Role::PlatformViewer]);
    assert_eq!(Actor::new("user-1", None, held.clone()).roles(), &held);
}
