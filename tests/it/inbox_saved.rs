//! Filters with several values and exclusions on the inbox page, and saved views.

use crate::support::browser::{ENTER, ESCAPE};
use crate::support::page::{ROW, TOTAL, filter_by, signed_in, signed_in_as, three_differences};

const CHIP: &str = "[data-testid=chip]";
const VIEWS: &str = "[data-testid=views-dialog]";
const CONFIRM: &str = "[data-testid=confirm-dialog]";
const VIEW: &str = "[data-testid=saved-view]";

#[tokio::test]
async fn a_filter_takes_several_values_and_exclusions_from_words_menus_and_links() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser
        .fill("[data-testid=search]", "kind:droplet,volume -field:tags ")
        .await;
    browser.see_text(TOTAL, "2 open").await;
    assert_eq!(browser.count(CHIP).await, 3);
    assert_eq!(browser.path().await, "/?kind=droplet&kind=volume&-field=tags");
    // The menu has the same values, and excludes one.
    filter_by(&browser, "not-kind", "droplet").await;
    browser.see_text(TOTAL, "1 open").await;
    browser
        .see("[data-testid=facet-not-kind][data-value=droplet][aria-pressed=true]")
        .await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("filters").await;
    browser.prefer("dark").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.resize(390, 844).await;
    browser.shoot("filters-phone").await;
    browser.resize(1280, 900).await;
    browser.prefer("light").await;
    browser.see_text(ROW, "size_gigabytes").await;
    filter_by(&browser, "kind", "droplet").await;
    browser.see_text(TOTAL, "2 open").await;
    // A link has it all.
    browser.go("/?-kind=volume&-field=tags").await;
    browser.see_text(TOTAL, "1 open").await;
    browser.see_text(ROW, "size_slug").await;
    browser.see_none("[data-testid=unread-parameters]").await;
    // Statuses of both lists.
    browser.fill("[data-testid=search]", "status:open,stale ").await;
    browser
        .until("location.search.includes('status=open&status=stale')")
        .await;
    browser.see_text(ROW, "size_slug").await;
    browser.fill("[data-testid=search]", "-status:closd ").await;
    browser
        .see_text("#search-problem", "status is one of open, closed, accepted")
        .await;
}

#[tokio::test]
async fn a_saved_view_has_a_name_and_a_link_and_the_default_one_opens_at_start() {
    let served = three_differences().await;
    let browser = signed_in_as(&served, &["platform_viewer"]).await;
    browser.see(ROW).await;
    browser.go("/?kind=volume&group=cause").await;
    browser.see("[data-testid=cause]").await;
    browser.press("v").await;
    browser.see(VIEWS).await;
    browser.see_text(VIEWS, "No view has been saved yet").await;
    browser.see_none("[data-testid=view-shared]").await;
    browser.fill("[data-testid=view-name]", "Volumes by cause").await;
    browser.click("[data-testid=view-default]").await;
    browser.press(ENTER).await;
    browser.see_text(VIEW, "Volumes by cause").await;
    browser
        .see(&format!("{VIEW} [data-testid=default-view][aria-pressed=true]"))
        .await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("saved-views").await;
    browser.prefer("dark").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.resize(390, 844).await;
    browser.shoot("saved-views-phone").await;
    browser.resize(1280, 900).await;
    browser.prefer("light").await;
    // The next visit begins with it; a link keeps what it says.
    browser.go("/").await;
    browser
        .until("location.search === '?kind=volume&group=cause'")
        .await;
    browser.see("[data-testid=cause]").await;
    browser.go("/?kind=droplet").await;
    browser.see_text(TOTAL, "2 open").await;
    browser.press("v").await;
    browser.click(&format!("{VIEW} a")).await;
    browser.see_none(VIEWS).await;
    browser.see_text(TOTAL, "1 open").await;
    browser.press("v").await;
    browser.click("[data-testid=default-view]").await;
    browser
        .see(&format!("{VIEW} [data-testid=default-view][aria-pressed=false]"))
        .await;
    // A view is deleted after a question, which Escape answers with no.
    browser.click("[data-testid=delete-view]").await;
    browser.see_text(CONFIRM, "Volumes by cause").await;
    assert_eq!(browser.axe().await, Vec::<String>::new());
    browser.shoot("saved-views-delete").await;
    browser.press(ESCAPE).await;
    browser.see_none(CONFIRM).await;
    browser.see_text(VIEW, "Volumes by cause").await;
    browser.click("[data-testid=delete-view]").await;
    browser.click("[data-testid=confirm]").await;
    browser.see_none(CONFIRM).await;
    browser.see_text(VIEWS, "No view has been saved yet").await;
    browser.go("/").await;
    browser.see_text(TOTAL, "3 open").await;
    assert_eq!(browser.path().await, "/");
}

#[tokio::test]
async fn an_admin_shares_a_view() {
    let served = three_differences().await;
    let browser = signed_in(&served).await;
    browser.see_text(TOTAL, "3 open").await;
    browser.click("[data-testid=open-views]").await;
    browser.fill("[data-testid=view-name]", "Everything").await;
    browser.click("[data-testid=view-shared]").await;
    browser.click("[data-testid=save-view]").await;
    browser.see_text(VIEW, "shared").await;
    browser.click("[data-testid=delete-view]").await;
    browser.see_text(CONFIRM, "All users see it").await;
    browser.press(ESCAPE).await;
    browser.see_none(CONFIRM).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
