use serde_json::json;

use super::super::paging::{ApiList, ListError, list};
use super::server::{Answer, Server, not_found, status};
use super::*;

const VOLUMES: ApiList<'static> = ApiList {
    path: &["volumes"],
    query: &[("region", "nyc3")],
    key: "volumes",
    id: "id",
    paged: true,
};

/// Returns volumes with these ids.
fn volumes(ids: std::ops::Range<u32>) -> Value {
    ids.map(|id| json!({ "id": id })).collect()
}

fn page(ids: std::ops::Range<u32>, total: impl Into<Value>) -> Answer {
    server::json(json!({ "volumes": volumes(ids), "meta": { "total": total.into() } }))
}

async fn listed(server: &Server, limits: Limits) -> std::result::Result<Vec<Value>, ListError> {
    list(&server.client(limits), &VOLUMES, soon()).await
}

/// Lists volumes from a server that always returns these pages. Returns the number of items or the reason.
async fn result_of<const N: usize>(pages: [Answer; N]) -> std::result::Result<usize, String> {
    let server = Server::start(move |request| {
        let number = (1..=N).find(|number| request.contains(&format!("&page={number}&")));
        pages[number.unwrap() - 1].clone()
    })
    .await;
    match listed(&server, quick()).await {
        Ok(items) => Ok(items.len()),
        Err(ListError::Incomplete(why)) => Err(why),
        other => panic!("{other:?}"),
    }
}

fn incomplete(why: &str) -> std::result::Result<usize, String> {
    Err(format!("/v2/volumes: {why}"))
}

#[tokio::test]
async fn every_page_is_requested_with_the_filters_of_the_list() {
    let pages = [page(0..200, 401), page(200..400, 401), page(400..401, 401)];
    let server = Server::in_turn(pages).await;
    let limits = Limits {
        in_flight: 1,
        ..quick()
    };
    assert_eq!(listed(&server, limits).await.unwrap().len(), 401);
    assert_eq!(
        server.requests(),
        [1, 2, 3].map(|page| format!("volumes?region=nyc3&page={page}&per_page=200"))
    );
}

#[tokio::test]
async fn an_empty_list_is_complete() {
    assert_eq!(result_of([page(0..0, 0)]).await, Ok(0));
    let null = json!({ "volumes": null, "meta": { "total": 0 } });
    assert_eq!(result_of([server::json(null)]).await, Ok(0));
}

#[tokio::test]
async fn a_list_that_lacks_items_is_incomplete() {
    assert_eq!(
        result_of([page(0..3, 4)]).await,
        incomplete("3 different items were returned, but the total is 4 (meta.total)")
    );
    assert_eq!(
        result_of([page(0..200, 300), page(100..200, 300)]).await,
        incomplete("200 different items were returned, but the total is 300 (meta.total)")
    );
    // A volume was created while the pages were read. The total of the last page counts.
    assert_eq!(result_of([page(0..200, 300), page(200..301, 301)]).await, Ok(301));
}

#[tokio::test]
async fn a_list_without_a_total_is_incomplete() {
    assert_eq!(
        result_of([page(0..3, Value::Null)]).await,
        incomplete("the response has no total (meta.total)")
    );
    assert_eq!(
        result_of([page(0..200, 201), page(200..201, Value::Null)]).await,
        incomplete("the last page has no total (meta.total)")
    );
    assert_eq!(
        result_of([server::json(json!({ "meta": { "total": 0 } }))]).await,
        incomplete("the response has no list of volumes")
    );
    let nameless = json!({ "volumes": [{ "name": "v" }], "meta": { "total": 1 } });
    assert_eq!(
        result_of([server::json(nameless)]).await,
        incomplete("an item has no id")
    );
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_once_more() {
    let server = Server::in_turn([page(0..3, 4), page(0..4, 4)]).await;
    assert_eq!(listed(&server, quick()).await.unwrap().len(), 4);
    let server = Server::in_turn([page(0..3, 4), page(0..2, 4), page(0..4, 4)]).await;
    assert!(listed(&server, quick()).await.is_err(), "and no third time");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_number_of_pages_of_a_list_is_limited() {
    let two_pages = || Limits {
        pages: 2,
        in_flight: 1,
        ..quick()
    };
    let server = Server::in_turn([page(0..200, 400), page(200..400, 400)]).await;
    assert_eq!(listed(&server, two_pages()).await.unwrap().len(), 400);
    let server = Server::in_turn([page(0..200, 401), page(200..400, 401)]).await;
    assert_eq!(
        listed(&server, two_pages()).await,
        Err(ListError::Incomplete(
            "/v2/volumes: 401 items need more than 2 pages".to_owned()
        ))
    );
}

#[tokio::test]
async fn a_list_without_pages_is_complete_in_one_response() {
    let whole = ApiList {
        paged: false,
        ..VOLUMES
    };
    let server = Server::in_turn([server::json(json!({ "volumes": volumes(0..300) }))]).await;
    let items = list(&server.client(quick()), &whole, soon()).await.unwrap();
    assert_eq!(items.len(), 300);
    assert_eq!(server.requests(), ["volumes?region=nyc3"]);
}

#[tokio::test]
async fn the_reason_for_an_unreadable_list_names_its_path() {
    let text = str::to_owned;
    for (answer, unlisted) in [
        (status(401, ""), ListError::Unauthorized),
        (
            status(403, ""),
            ListError::Forbidden(text("/v2/volumes: the token may not read it (403)")),
        ),
        (
            not_found(),
            ListError::Absent(text("/v2/volumes: not found (404)")),
        ),
        (
            status(422, ""),
            ListError::Incomplete(text("/v2/volumes: the response status is 422")),
        ),
    ] {
        let server = Server::in_turn([answer]).await;
        assert_eq!(listed(&server, quick()).await, Err(unlisted));
    }
}
