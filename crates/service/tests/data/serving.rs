//! The event service over the wire: credit, cursors, filters, bounds.

use std::time::Duration;

use bursar_proto::event::v1::subscribe_request::Message as Said;
use bursar_proto::event::v1::{
    Cursor, FetchRequest, ListConsumersRequest, SubscribeCredit, SubscribeRequest, SubscribeResponse,
    SubscribeStart,
};
use bursar_service::error::{reason_of, violations_of};
use bursar_service::events::{EventSource as _, NewEvent};
use bursar_testkit::{TestDatabase, on_both_databases};
use bursar_types::Reason;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::support::{SCHEMA, Served, eventually, publish_all};

/// Silence after which a test takes it that nothing more comes.
const QUIET: Duration = Duration::from_millis(300);
/// Silence after which what must come is taken for lost.
const LOST: Duration = Duration::from_secs(30);

struct Reader {
    say: mpsc::Sender<SubscribeRequest>,
    responses: Streaming<SubscribeResponse>,
}

impl Reader {
    async fn open(served: &Served, start: SubscribeStart) -> Result<Self, Status> {
        let (say, requests) = mpsc::channel(16);
        say.send(SubscribeRequest { message: Some(Said::Start(start)) }).await.unwrap();
        let responses = served.client().subscribe(ReceiverStream::new(requests)).await?.into_inner();
        Ok(Self { say, responses })
    }

    async fn credit(&self, events: u32, durable_position: i64) {
        let credit = SubscribeCredit { events, durable_position };
        self.say.send(SubscribeRequest { message: Some(Said::Credit(credit)) }).await.unwrap();
    }

    /// Everything that comes until the cursor stands at `end` and it is quiet: the positions, and the last cursor.
    async fn positions(&mut self, end: i64) -> (Vec<i64>, Cursor) {
        let (mut positions, mut cursor) = (Vec::new(), None::<Cursor>);
        loop {
            let arrived = cursor.as_ref().is_some_and(|cursor| cursor.position >= end);
            let patience = if arrived { QUIET } else { LOST };
            let Ok(response) = tokio::time::timeout(patience, self.responses.message()).await else {
                assert!(arrived, "the cursor should come to {end} and stands at {cursor:?}");
                return (positions, cursor.unwrap());
            };
            let response = response.unwrap().unwrap();
            positions.extend(response.events.iter().map(|event| event.position));
            cursor = response.cursor;
        }
    }
}

async fn served(database: &TestDatabase) -> Served {
    Served::start(database.open(SCHEMA).await).await
}

fn start(position: i64, epoch: &str) -> SubscribeStart {
    SubscribeStart { cursor: Some(Cursor { epoch: epoch.into(), position }), ..Default::default() }
}

on_both_databases! {
    async fn a_reader_gets_as_much_as_it_gives_credit_for(database: TestDatabase) {
        let served = served(&database).await;
        publish_all(&served.db, &served.log, &["a", "b"], 10).await;
        let start = SubscribeStart { initial_credit: 5, ..Default::default() };
        let mut reader = Reader::open(&served, start).await.unwrap();
        assert_eq!(reader.positions(5).await.0, [1, 2, 3, 4, 5]);
        reader.credit(2, 0).await;
        assert_eq!(reader.positions(7).await.0, [6, 7]);
        reader.credit(100, 0).await;
        let (positions, cursor) = reader.positions(20).await;
        assert_eq!(positions, (8..=20).collect::<Vec<_>>());
        // What happens next comes too, with nobody asking.
        served.publish("a", 11).await;
        assert_eq!(reader.positions(21).await.0, [21]);
        // And from the cursor it goes on elsewhere.
        let mut other = Reader::open(&served, self::start(cursor.position, &cursor.epoch)).await.unwrap();
        assert_eq!(other.positions(21).await.0, [21]);
    }

    async fn a_reader_of_an_empty_log_hears_at_once_where_it_stands(database: TestDatabase) {
        let served = served(&database).await;
        let mut reader = Reader::open(&served, SubscribeStart::default()).await.unwrap();
        let (positions, cursor) = reader.positions(0).await;
        assert_eq!((positions.len(), cursor.position), (0, 0));
        assert_eq!(cursor.epoch, served.log.bounds().await.unwrap().epoch);
    }

    async fn a_filter_moves_the_cursor_past_what_it_leaves_out(database: TestDatabase) {
        let served = served(&database).await;
        let log = &served.log;
        for (event_type, n) in [("test.a.done", 1_i64), ("test.b.done", 2), ("test.a.undone", 3), ("test.b.done", 4)] {
            served.db.write(|tx| Box::pin(async move {
                log.publish(tx, NewEvent::new(event_type, "s", &n)).map(drop)
            })).await.unwrap();
        }
        let start = SubscribeStart { types: vec!["test.a.*".into()], ..Default::default() };
        let mut reader = Reader::open(&served, start).await.unwrap();
        let (positions, cursor) = reader.positions(4).await;
        assert_eq!((positions, cursor.position), (vec![1, 3], 4));
    }

    async fn a_cursor_that_cannot_be_served_gets_the_bounds(database: TestDatabase) {
        let served = served(&database).await;
        publish_all(&served.db, &served.log, &["a"], 3).await;
        let epoch = served.log.bounds().await.unwrap().epoch;
        for start in [start(4, &epoch), start(1, "another epoch")] {
            let status = Reader::open(&served, start).await.err().unwrap();
            assert_eq!(status.code(), Code::OutOfRange);
            let (reason, metadata) = reason_of(&status).unwrap();
            assert_eq!(reason, Reason::CursorBeyondLog);
            assert_eq!((metadata["epoch"].as_str(), metadata["head_position"].as_str()), (epoch.as_str(), "3"));
            assert_eq!(metadata["earliest_position"], "1");
        }
    }

    async fn wrong_requests_name_their_field(database: TestDatabase) {
        let served = served(&database).await;
        for (start, field) in [
            (start(-1, ""), "start.cursor"),
            (start(1, ""), "start.cursor"),
            (SubscribeStart { types: vec!["*".into()], ..Default::default() }, "start.types"),
            (SubscribeStart { consumer: "No Name".into(), ..Default::default() }, "start.consumer"),
            (SubscribeStart { initial_credit: 10_001, ..Default::default() }, "start.initial_credit"),
        ] {
            let status = Reader::open(&served, start).await.err().unwrap();
            assert_eq!(status.code(), Code::InvalidArgument, "{field}");
            assert_eq!(violations_of(&status)[0].field, field);
        }
        // Credit before the start.
        let (say, requests) = mpsc::channel(1);
        say.send(SubscribeRequest { message: Some(Said::Credit(SubscribeCredit::default())) }).await.unwrap();
        let status = served.client().subscribe(ReceiverStream::new(requests)).await.err().unwrap();
        assert_eq!(violations_of(&status)[0].field, "message");
        let status = served.client().fetch(FetchRequest { page_size: 1001, ..Default::default() }).await.unwrap_err();
        assert_eq!(violations_of(&status)[0].field, "page_size");
    }

    async fn pages_can_be_fetched_to_the_end(database: TestDatabase) {
        let served = served(&database).await;
        publish_all(&served.db, &served.log, &["a", "b"], 5).await;
        let (mut cursor, mut positions) = (None, Vec::new());
        loop {
            let request = FetchRequest { cursor, page_size: 4, ..Default::default() };
            let page = served.client().fetch(request).await.unwrap().into_inner();
            assert_eq!(page.head_position, 10);
            if page.events.is_empty() {
                break;
            }
            let event = &page.events[0];
            assert_eq!((event.source.as_str(), event.r#type.as_str()), ("bursar/test", "test.thing.happened"));
            assert!(event.id.starts_with("evt_") && event.time.is_some());
            assert_eq!(event.time.unwrap().nanos, 123_456_000);
            positions.extend(page.events.iter().map(|event| event.position));
            cursor = page.cursor;
        }
        assert_eq!(positions, (1..=10).collect::<Vec<_>>());
    }

    async fn registered_readers_are_listed_with_their_lag(database: TestDatabase) {
        let served = served(&database).await;
        publish_all(&served.db, &served.log, &["a"], 7).await;
        let start = SubscribeStart { consumer: "gateway-relay".into(), ..Default::default() };
        let mut reader = Reader::open(&served, start).await.unwrap();
        assert_eq!(reader.positions(7).await.0.len(), 7);
        // A reader can only have durable what it was sent.
        reader.credit(5, 1_000_000).await;
        let list = async || {
            let listed = served.client().list_consumers(ListConsumersRequest::default()).await.unwrap().into_inner();
            let found = listed.consumers.into_iter().find(|consumer| consumer.name == "gateway-relay").unwrap();
            (found.position, found.lag, listed.head_position)
        };
        assert_eq!(list().await, (0, 7, 7));
        drop(reader);
        eventually("the reader's last word is noted", async || list().await == (7, 0, 7)).await;
    }

    async fn a_reader_that_comes_back_further_is_noted_where_it_stands(database: TestDatabase) {
        let served = served(&database).await;
        publish_all(&served.db, &served.log, &["a"], 7).await;
        let at = |position, epoch: &str| SubscribeStart {
            consumer: "gateway-relay".into(),
            cursor: Some(Cursor { epoch: epoch.into(), position }),
            ..Default::default()
        };
        let list = async || {
            let listed = served.client().list_consumers(ListConsumersRequest::default()).await.unwrap().into_inner();
            listed.consumers.into_iter().find(|consumer| consumer.name == "gateway-relay").unwrap().position
        };
        let epoch = served.log.bounds().await.unwrap().epoch;
        // The source died before it noted the reader's last word; and a reader went back to an older copy of its own.
        for stands in [3, 7, 2] {
            let mut reader = Reader::open(&served, at(stands, &epoch)).await.unwrap();
            assert_eq!(reader.responses.message().await.unwrap().unwrap().head_position, 7);
            assert_eq!(list().await, stands);
        }
    }

    async fn subscriptions_end_when_the_process_drains(database: TestDatabase) {
        let served = served(&database).await;
        let mut reader = Reader::open(&served, SubscribeStart::default()).await.unwrap();
        reader.positions(0).await;
        served.draining.cancel();
        let status = tokio::time::timeout(Duration::from_secs(5), reader.responses.message()).await.unwrap().unwrap_err();
        assert_eq!(reason_of(&status).unwrap().0, Reason::ShuttingDown);
    }
}
