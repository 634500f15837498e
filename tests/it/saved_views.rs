//! Saved views of the inbox: whose they are, and their limits.

use std::collections::BTreeSet;

use drift_inbox::domain::actor::{Actor, Role};
use drift_inbox::error::{Conflict, Error};
use drift_inbox::services::saved_views::{self, MAX_VIEWS, NewView};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

fn user(subject: &str, role: Role) -> Actor {
    Actor::new(
        subject,
        Some(format!("{subject}@example.com")),
        BTreeSet::from([role]),
    )
}

fn view(name: &str, link: &str) -> NewView {
    NewView {
        name: name.to_owned(),
        link: link.to_owned(),
        shared: false,
        is_default: false,
    }
}

async fn save(t: &TestApp, user: &Actor, new: NewView) -> Uuid {
    saved_views::save(t.db(), user, &new, t.now()).await.unwrap().0.id
}

/// Returns the names of the views that a user sees, and the name of the default one.
async fn seen(t: &TestApp, user: &Actor) -> (Vec<String>, Option<String>) {
    let found = saved_views::list(t.db().reader(), user.subject()).await.unwrap();
    let default = found.views.iter().find(|view| Some(view.id) == found.default);
    let default = default.map(|view| view.name.clone());
    (found.views.into_iter().map(|view| view.name).collect(), default)
}

#[tokio::test]
async fn a_view_is_seen_by_its_author_until_an_admin_shares_it() {
    let t = TestApp::new().await;
    let (ada, bob) = (
        user("ada", Role::PlatformAdmin),
        user("bob", Role::PlatformViewer),
    );
    let own = save(&t, &bob, view("mine", "kind=droplet")).await;
    let network = save(&t, &ada, view("network", "kind=firewall&group=cause")).await;
    assert_eq!(seen(&t, &bob).await, (vec!["mine".to_owned()], None));
    for id in [network, Uuid::now_v7()] {
        let unseen = saved_views::set_default(t.db(), "bob", Some(id)).await;
        assert!(matches!(unseen, Err(Error::NotFound(_))));
        assert!(matches!(
            saved_views::delete(t.db(), &bob, id).await,
            Err(Error::NotFound(_))
        ));
    }
    let shared = NewView {
        shared: true,
        ..view("network", "kind=firewall")
    };
    let refused = saved_views::save(t.db(), &bob, &shared, t.now()).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
    assert_eq!(
        save(&t, &ada, shared).await,
        network,
        "the same name is the same view"
    );
    let both = vec!["mine".to_owned(), "network".to_owned()];
    assert_eq!(seen(&t, &bob).await, (both.clone(), None));
    saved_views::set_default(t.db(), "bob", Some(network))
        .await
        .unwrap();
    assert_eq!(seen(&t, &bob).await, (both, Some("network".to_owned())));
    assert_eq!(seen(&t, &ada).await, (vec!["network".to_owned()], None));
    let refused = saved_views::delete(t.db(), &bob, network).await;
    assert!(matches!(refused, Err(Error::Forbidden { .. })));
    // A view that is not shared any more is no default of others.
    save(&t, &ada, view("network", "")).await;
    assert_eq!(seen(&t, &bob).await, (vec!["mine".to_owned()], None));
    saved_views::delete(t.db(), &ada, network).await.unwrap();
    assert!(matches!(
        saved_views::delete(t.db(), &ada, own).await,
        Err(Error::NotFound(_))
    ));
    saved_views::delete(t.db(), &bob, own).await.unwrap();
    assert_eq!(seen(&t, &bob).await, (vec![], None));
}

#[tokio::test]
async fn names_links_and_the_number_of_views_are_limited() {
    let t = TestApp::new().await;
    let ada = user("ada", Role::PlatformViewer);
    for new in [
        view("", "a=b"),
        view("  ", "a=b"),
        view("a\nb", "a=b"),
        view("a\0", "a=b"),
        view(&"x".repeat(101), "a=b"),
        view("a", "/?a=b"),
        view("a", "a=b#token=c"),
        view("a", "a=b c"),
        view("a", &"x".repeat(4097)),
    ] {
        let refused = saved_views::save(t.db(), &ada, &new, t.now()).await;
        assert!(
            matches!(refused, Err(Error::BadUserInput(_))),
            "{:?} {:?}",
            new.name,
            new.link
        );
    }
    for n in 0..MAX_VIEWS {
        save(&t, &ada, view(&format!("view {n}"), "")).await;
    }
    let refused = saved_views::save(t.db(), &ada, &view("one more", ""), t.now()).await;
    let limit = matches!(
        &refused,
        Err(Error::Conflict {
            conflict: Conflict::LimitReached,
            ..
        })
    );
    assert!(limit, "{refused:?}");
    save(&t, &ada, view("view 7", "kind=volume")).await;
    save(&t, &user("bob", Role::PlatformViewer), view("one more", "")).await;
    assert_eq!(seen(&t, &ada).await.0.len() as u64, MAX_VIEWS);
}

#[tokio::test]
async fn the_api_saves_lists_and_deletes_the_views_of_the_caller() {
    let t = TestApp::new().await;
    let list = "{ savedViews { viewId name link author isOwn isDefault shared } }";
    let save = "mutation($input: SaveViewInput!) { saveView(input: $input) { view { viewId isDefault } } }";
    let input =
        json!({ "name": "droplets", "link": "kind=droplet&-region=fra1", "isDefault": true, "shared": true });
    let saved = t.data(save, json!({ "input": input })).await["saveView"]["view"].clone();
    assert_eq!(saved["isDefault"], true);
    let id = &saved["viewId"];
    let listed = t.data(list, json!({})).await["savedViews"].clone();
    let wanted = json!([{ "viewId": id, "name": "droplets", "link": "kind=droplet&-region=fra1",
        "author": crate::support::ADMIN, "isOwn": true, "isDefault": true, "shared": true }]);
    assert_eq!(listed, wanted);
    let unset = "mutation { setDefaultView(input: {}) { viewId } }";
    assert_eq!(
        t.data(unset, json!({})).await["setDefaultView"]["viewId"],
        Value::Null
    );
    assert_eq!(t.data(list, json!({})).await["savedViews"][0]["isDefault"], false);
    let delete = "mutation($id: ID!) { deleteSavedView(input: { viewId: $id }) { viewId } }";
    t.data(delete, json!({ "id": id })).await;
    assert_eq!(t.data(list, json!({})).await["savedViews"], json!([]));
    assert_eq!(t.refusal(delete, json!({ "id": id })).await, "NOT_FOUND");
}
