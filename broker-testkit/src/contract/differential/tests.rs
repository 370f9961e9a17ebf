#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use kube::Client;

use super::{Disagreement, Pair, Sequence};
use crate::control_plane::sabotage::{Bug, Sabotaged};
use crate::control_plane::{ControlPlane, client_over};

/// So many sequences must be enough for every bug.
const SEQUENCES: u64 = 400;

/// The first disagreement of two control planes that play the same, the second with a bug; and how many messages they
/// worded alike until then, of how many.
async fn compared(bug: Option<Bug>) -> (Option<Disagreement>, [usize; 2]) {
    let (honest, other) = (start(), start());
    let second = match bug {
        Some(bug) => {
            let plane = other.in_process();
            client_over(Sabotaged { plane, bug }, &other.admin_config()).unwrap()
        }
        None => client(&other),
    };
    let stage = Pair::new(client(&honest), second).await.unwrap().stage("stage").await.unwrap();
    let mut messages = [0, 0];
    for number in 0..SEQUENCES {
        let played = stage.play(&Sequence::draw(1, number)).await.unwrap();
        messages[0] += played.wording.iter().filter(|(first, second)| first == second).count();
        messages[1] += played.wording.len();
        if played.disagreement.is_some() {
            println!("noticed in sequence {number}");
            return (played.disagreement, messages);
        }
    }
    (None, messages)
}

fn start() -> ControlPlane {
    ControlPlane::builder().start_in_process()
}

fn client(plane: &ControlPlane) -> Client {
    client_over(plane.in_process(), &plane.admin_config()).unwrap()
}

#[tokio::test]
async fn a_control_plane_agrees_with_itself() {
    let (disagreement, [same, messages]) = compared(None).await;
    assert!(disagreement.is_none(), "{}", disagreement.unwrap());
    assert!(messages > 0 && messages == same, "{same} of {messages}");
}

/// A test for each bug.
macro_rules! noticed {
    ($($name:ident: $bug:ident,)*) => {
        $(#[tokio::test] async fn $name() {
            let (disagreement, _) = compared(Some(Bug::$bug)).await;
            assert!(disagreement.is_some(), "{SEQUENCES} sequences do not notice it");
        })*
    };
}

noticed! {
    it_is_noticed_that_a_write_without_a_change_is_an_event: NoChangeIsAChange,
    it_is_noticed_that_what_is_no_longer_applied_stays: AppliedFieldsStay,
    it_is_noticed_that_conflicts_are_overlooked: ConflictsOverlooked,
    it_is_noticed_that_finalizers_hold_nothing: FinalizersIgnored,
    it_is_noticed_that_stale_writes_are_taken: StaleWritesTaken,
    it_is_noticed_that_leaving_a_selection_is_not_told: LeavingUnseen,
    it_is_noticed_that_unknown_fields_stay: UnknownFieldsStay,
    it_is_noticed_that_pages_are_of_different_moments: PagesDrift,
}

#[test]
fn the_same_number_draws_the_same_sequence_and_it_is_stored_as_it_is() {
    let drawn = Sequence::draw(7, 4);
    assert_eq!(drawn, Sequence::draw(7, 4));
    assert_ne!(drawn, Sequence::draw(7, 5));
    let stored = serde_json::to_string(&drawn).unwrap();
    assert_eq!(serde_json::from_str::<Sequence>(&stored).unwrap(), drawn);
}
