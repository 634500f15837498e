use std::time::Duration;

use super::*;

fn new_token(roles: &[&str]) -> NewToken {
    NewToken {
        subject: "operator".to_owned(),
        email: None,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ttl: Duration::from_secs(3600),
    }
}

fn issued(new_token: NewToken) -> Result<String, IssueError> {
    issue(
        &SECRET.into(),
        ISSUER,
        ISSUER,
        &RolesClaim::default(),
        new_token,
        now(),
    )
}

#[test]
fn an_issued_token_is_accepted_until_it_expires() {
    let token = issued(NewToken {
        email: Some("ada@example.com".to_owned()),
        ..new_token(&["platform_viewer"])
    })
    .unwrap();
    let actor = verify(&token).unwrap();
    assert_eq!((actor.subject(), actor.name()), ("operator", "ada@example.com"));
    assert!(actor.may_read() && !actor.may_write());
    let later = now() + Duration::from_secs(3660);
    assert_eq!(verifier().verify(&token, later).unwrap_err().reason(), "expired");
}

#[test]
fn unknown_roles_are_issued() {
    let actor = verify(&issued(new_token(&["nobody", "platform admin"])).unwrap()).unwrap();
    assert_eq!(actor.name(), "operator");
    assert!(!actor.may_read());
}

#[test]
fn roles_are_issued_in_the_configured_claim() {
    for name in ["realm_access.roles", "https://example.com/roles"] {
        let claim = RolesClaim::parse(name).unwrap();
        let token = issue(
            &SECRET.into(),
            "i",
            "a",
            &claim,
            new_token(&["platform-admin"]),
            now(),
        )
        .unwrap();
        let verifier = TokenVerifier::hs256(&SECRET.into(), "i", "a", claim, RoleAliases::default()).unwrap();
        assert!(verifier.verify(&token, now()).unwrap().may_write(), "{name}");
    }
    let claim = RolesClaim::parse("exp").unwrap();
    let token = issue(
        &SECRET.into(),
        ISSUER,
        ISSUER,
        &claim,
        new_token(&["platform_admin"]),
        now(),
    )
    .unwrap();
    assert!(!verify(&token).unwrap().may_read());
}

#[test]
fn tokens_that_the_server_would_refuse_are_not_issued() {
    let weak = issue(
        &"short".into(),
        ISSUER,
        ISSUER,
        &RolesClaim::default(),
        new_token(&[]),
        now(),
    );
    assert!(matches!(weak, Err(IssueError::WeakSecret(WeakSecret))));
    for ttl in [
        Duration::MAX,
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(300_000_000_000),
    ] {
        let long = issued(NewToken {
            ttl,
            ..new_token(&[])
        });
        assert!(matches!(long, Err(IssueError::TtlTooLong)), "{ttl:?}");
    }
    let many = vec!["platform_admin"; 2_000];
    assert!(matches!(issued(new_token(&many)), Err(IssueError::TooLong)));
}
