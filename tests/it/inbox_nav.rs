//! The navigation of the inbox page: each view has a link, a key and an address, and is accessible on every screen.

use serde_json::Value;

use crate::support::browser::{Browser, ESCAPE};
use crate::support::page::{ALL_SCREENS, look_at, signed_in, three_differences};

struct View {
    id: String,
    title: String,
    key: String,
}

/// Reads the table of the views from the page.
async fn views(browser: &Browser) -> Vec<View> {
    let rows = browser
        .run("return import('/web/views.js').then(({ VIEWS }) => VIEWS.map(({ id, title, key }) => [id, title, key]))")
        .await;
    let views: Vec<View> = serde_json::from_value::<Vec<[String; 3]>>(rows)
        .unwrap()
        .into_iter()
        .map(|[id, title, key]| View { id, title, key })
        .collect();
    assert!(views.len() >= 4, "the table of views is not complete");
    views
}

/// Waits until a view is shown and loaded.
async fn see_view(browser: &Browser, view: &View) {
    browser
        .see_text("section:not([hidden]) > .pane-head > h2", &view.title)
        .await;
    browser.see_text("nav a[aria-current=page]", &view.title).await;
    browser.see_none("section:not([hidden]) .skeleton").await;
}

#[tokio::test]
async fn each_view_is_accessible_on_every_screen() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    for view in views(&browser).await {
        browser.go(&format!("/?view={}", view.id)).await;
        see_view(&browser, &view).await;
        assert_eq!(
            browser.texts("section:not([hidden]) [role=alert]").await,
            Vec::<String>::new(),
            "{}",
            view.id
        );
        look_at(&browser, &format!("nav-{}", view.id), &ALL_SCREENS).await;
    }
}

#[tokio::test]
async fn each_view_is_reached_by_its_keys_and_by_its_link_on_a_phone() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    let views = views(&browser).await;
    for view in &views {
        browser.run("document.activeElement.blur()").await;
        browser.press("g").await;
        browser.press(&view.key).await;
        see_view(&browser, view).await;
        let focused = browser.run("return document.activeElement.textContent").await;
        assert!(focused.as_str().unwrap().contains(&view.title), "{focused}");
    }
    browser.resize(390, 800).await;
    let more = "[data-testid=nav-more]";
    for view in &views {
        let link = format!("nav a[data-view={}]", view.id);
        let in_menu = browser
            .run(&format!(
                "return document.querySelector(`.nav-menu a[data-view={}]`) !== null",
                view.id
            ))
            .await;
        if in_menu == Value::Bool(true) {
            browser.click(more).await;
        }
        browser.click(&link).await;
        see_view(&browser, view).await;
        browser.see_none(".nav-menu:not([hidden])").await;
    }
    // The narrowest screen that the page supports. Escape closes the menu and returns the focus to its button.
    browser.resize(320, 800).await;
    browser.click(more).await;
    browser.see(".nav-menu:not([hidden])").await;
    look_at(&browser, "nav-menu", &[(320, "light"), (320, "dark")]).await;
    browser.resize(320, 800).await;
    browser.click(more).await;
    browser.press(ESCAPE).await;
    browser.see_none(".nav-menu:not([hidden])").await;
    let focused = browser.run("return document.activeElement.dataset.testid").await;
    assert_eq!(focused, "nav-more");
    // A wide screen has room for all links.
    browser.resize(1920, 900).await;
    browser.see_none("[data-testid=nav-more]").await;
}
