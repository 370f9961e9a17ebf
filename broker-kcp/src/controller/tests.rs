#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may fail loudly")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::resource::ObjectKey;
use proptest::prelude::*;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::backlog::back_off;
use super::{Backlog, Outcome, Queue, run};

fn key(cluster: &str, name: &str) -> ObjectKey {
    ObjectKey::new(cluster, "default", name)
}

fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[test]
fn a_key_added_twice_is_worked_on_once() {
    let mut backlog = Backlog::default();
    let now = now();
    backlog.add(key("a", "x"), now);
    backlog.add(key("a", "x"), now);
    assert_eq!(backlog.next(now), Some(key("a", "x")));
    assert_eq!(backlog.next(now), None);
}

#[test]
fn a_key_added_while_worked_on_is_worked_on_again_but_not_beside_itself() {
    let mut backlog = Backlog::default();
    let now = now();
    backlog.add(key("a", "x"), now);
    let taken = backlog.next(now).unwrap();
    backlog.add(key("a", "x"), now);
    assert_eq!(backlog.next(now), None);
    backlog.finish(taken, Outcome::Done, now);
    assert_eq!(backlog.next(now), Some(key("a", "x")));
}

#[test]
fn consumers_take_turns() {
    let mut backlog = Backlog::default();
    let now = now();
    for i in 0..3 {
        backlog.add(key("busy", &format!("{i}")), now);
    }
    backlog.add(key("calm", "0"), now);
    let order: Vec<String> =
        std::iter::from_fn(|| backlog.next(now)).map(|k| k.cluster.to_string()).collect();
    assert_eq!(order, ["busy", "calm", "busy", "busy"]);
}

#[test]
fn the_earliest_wake_up_wins() {
    let mut backlog = Backlog::default();
    let start = now();
    backlog.add_at(key("a", "x"), start + Duration::from_secs(9));
    backlog.add_at(key("a", "x"), start + Duration::from_secs(3));
    backlog.add_at(key("a", "x"), start + Duration::from_secs(6));
    assert_eq!(backlog.next_wake(), Some(start + Duration::from_secs(3)));
    assert_eq!(backlog.next(start + Duration::from_secs(2)), None);
    assert!(backlog.next(start + Duration::from_secs(3)).is_some());
    assert_eq!(backlog.next_wake(), None);
}

#[test]
fn failures_back_off_per_key_and_success_forgets_them() {
    let mut backlog = Backlog::default();
    let mut clock = now();
    backlog.add(key("a", "bad"), clock);
    for failures in 0..5 {
        let bad = backlog.next(clock).unwrap();
        backlog.finish(bad, Outcome::Retry, clock);
        backlog.add(key("a", "good"), clock);
        let good = backlog.next(clock).unwrap();
        assert_eq!(good, key("a", "good"), "another key does not wait for the failing one");
        backlog.finish(good, Outcome::Done, clock);
        assert_eq!(backlog.next(clock), None);
        clock += back_off(failures);
    }
    let bad = backlog.next(clock).unwrap();
    backlog.finish(bad, Outcome::Done, clock);
    backlog.add(key("a", "bad"), clock);
    let bad = backlog.next(clock).unwrap();
    backlog.finish(bad, Outcome::Retry, clock);
    assert_eq!(backlog.next_wake(), Some(clock + back_off(0)));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_shown_with_how_often_and_when_it_is_tried_next() {
    let queue = Queue::default();
    for name in ["stubborn", "unlucky", "well"] {
        queue.add(key("a", name));
    }
    let once = |queue: Queue<ObjectKey>| async move {
        let worked =
            |key: ObjectKey| async move { if key.name == "well" { Outcome::Done } else { Outcome::Retry } };
        run(queue, 1, tokio::time::sleep(Duration::from_millis(15)), worked).await;
    };
    once(queue.clone()).await;
    assert_eq!((queue.state().failing, queue.state().waiting), (2, 0));
    let shown = queue.retries(9);
    // After 0 and 10 ms; the third time is due 20 ms later.
    assert_eq!(shown.iter().map(|retry| retry.failures).collect::<Vec<_>>(), [2, 2]);
    assert!(shown.iter().all(|retry| retry.due_in == Duration::from_millis(15)), "{shown:?}");
    assert_eq!(queue.retries(1)[0].key, key("a", "stubborn"));
    // What is asked for meanwhile is tried at once.
    queue.add(key("a", "unlucky"));
    assert_eq!(queue.retries(9)[1].due_in, Duration::ZERO);
    assert_eq!((queue.state().failing, queue.state().waiting), (2, 1));
}

#[test]
fn nobody_is_asked_again_before_the_pause_that_it_asked_for() {
    let mut backlog = Backlog::default();
    let start = now();
    let second = Duration::from_secs(1);
    backlog.add(key("a", "x"), start);
    let taken = backlog.next(start).unwrap();
    backlog.add_at(key("a", "x"), start + second);
    backlog.add(key("a", "x"), start);
    backlog.finish(taken, Outcome::RetryAfter(second * 3), start);
    // Whatever happens meanwhile.
    backlog.add(key("a", "x"), start + second);
    backlog.add_at(key("a", "x"), start + second * 2);
    backlog.add(key("a", "y"), start + second);
    assert_eq!(backlog.next(start + second * 2), Some(key("a", "y")), "another key does not wait");
    assert_eq!(backlog.next(start + second * 2), None);
    assert_eq!(backlog.next_wake(), Some(start + second * 3));
    let taken = backlog.next(start + second * 3).unwrap();
    // The next pause is as long as the back-off where less is asked for; a change cuts that short, and not the pause.
    for _ in 0..20 {
        backlog.finish(taken.clone(), Outcome::RetryAfter(second), start);
        backlog.next(start + back_off(u32::MAX)).unwrap();
    }
    backlog.finish(taken, Outcome::RetryAfter(second), start);
    assert_eq!(backlog.next_wake(), Some(start + back_off(u32::MAX)));
    backlog.add(key("a", "x"), start + second);
    assert_eq!(backlog.next(start + second), Some(key("a", "x")));
}

#[test]
fn back_off_grows_to_a_limit() {
    assert!(back_off(1) > back_off(0));
    assert_eq!(back_off(60), back_off(40));
    assert_eq!(back_off(u32::MAX), Duration::from_secs(30));
}

#[test]
fn the_oldest_waiting_key_is_known() {
    let mut backlog = Backlog::default();
    let start = now();
    backlog.add(key("a", "x"), start);
    backlog.add(key("a", "y"), start + Duration::from_secs(1));
    assert_eq!(backlog.oldest(), Some(start));
    backlog.next(start);
    assert_eq!(backlog.oldest(), Some(start + Duration::from_secs(1)));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    AddAt(u8, u8),
    Next,
    Finish(u8),
    Fail(u8, u8),
    Pass(u8),
}

proptest! {
    /// Whatever is asked for is worked on, no key beside itself, nothing that nobody asked for.
    #[test]
    fn nothing_asked_for_is_lost_and_no_key_runs_twice_at_once(
        steps in prop::collection::vec(
            prop_oneof![
                (0u8..5).prop_map(Step::Add),
                (0u8..5, 0u8..9).prop_map(|(k, d)| Step::AddAt(k, d)),
                Just(Step::Next),
                (0u8..5).prop_map(Step::Finish),
                (0u8..5, 0u8..9).prop_map(|(k, d)| Step::Fail(k, d)),
                (0u8..9).prop_map(Step::Pass),
            ],
            0..60,
        )
    ) {
        let keys: Vec<ObjectKey> = (0..5u8).map(|i| key(&format!("c{}", i % 2), &format!("{i}"))).collect();
        let mut backlog = Backlog::default();
        let mut clock = now();
        // Per key: is it worked on, and is there a request that no work has begun after.
        let mut running: BTreeMap<ObjectKey, bool> = keys.iter().map(|k| (k.clone(), false)).collect();
        let mut asked = running.clone();
        let take = |backlog: &mut Backlog<ObjectKey>,
                    clock,
                    running: &mut BTreeMap<ObjectKey, bool>,
                    asked: &mut BTreeMap<ObjectKey, bool>| {
            let taken = backlog.next(clock);
            if let Some(key) = &taken {
                assert!(!running[key]);
                assert!(asked[key]);
                running.insert(key.clone(), true);
                asked.insert(key.clone(), false);
            }
            taken
        };
        for step in steps {
            match step {
                Step::Add(i) => {
                    backlog.add(keys[usize::from(i)].clone(), clock);
                    asked.insert(keys[usize::from(i)].clone(), true);
                }
                Step::AddAt(i, delay) => {
                    backlog.add_at(keys[usize::from(i)].clone(), clock + Duration::from_secs(delay.into()));
                    asked.insert(keys[usize::from(i)].clone(), true);
                }
                Step::Next => {
                    take(&mut backlog, clock, &mut running, &mut asked);
                }
                Step::Finish(i) => {
                    let key = keys[usize::from(i)].clone();
                    if running[&key] {
                        running.insert(key.clone(), false);
                        backlog.finish(key, Outcome::Done, clock);
                    }
                }
                Step::Fail(i, pause) => {
                    let key = keys[usize::from(i)].clone();
                    if running[&key] {
                        running.insert(key.clone(), false);
                        asked.insert(key.clone(), true);
                        backlog.finish(key, Outcome::RetryAfter(Duration::from_secs(pause.into())), clock);
                    }
                }
                Step::Pass(seconds) => clock += Duration::from_secs(seconds.into()),
            }
        }
        clock += Duration::from_secs(100);
        for key in &keys {
            if running[key] {
                running.insert(key.clone(), false);
                backlog.finish(key.clone(), Outcome::Done, clock);
            }
        }
        while let Some(key) = take(&mut backlog, clock, &mut running, &mut asked) {
            running.insert(key.clone(), false);
            backlog.finish(key, Outcome::Done, clock);
        }
        prop_assert!(asked.values().all(|asked| !asked), "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn delayed_work_is_done_when_due() {
    let queue: Queue<ObjectKey> = Queue::default();
    let (done, mut seen) = mpsc::unbounded_channel();
    let start = Instant::now();
    queue.add_after(key("a", "later"), Duration::from_mins(1));
    queue.add(key("a", "now"));
    let runner = tokio::spawn(run(queue, 2, std::future::pending(), move |key| {
        let done = done.clone();
        async move {
            done.send((key.name, start.elapsed().as_secs())).unwrap();
            Outcome::Done
        }
    }));
    assert_eq!(seen.recv().await.unwrap(), ("now".to_owned(), 0));
    assert_eq!(seen.recv().await.unwrap(), ("later".to_owned(), 60));
    runner.abort();
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_work_in_hand_and_takes_no_more() {
    let queue: Queue<ObjectKey> = Queue::default();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let finished = Arc::new(Mutex::new(Vec::new()));
    let log = finished.clone();
    queue.add(key("a", "first"));
    queue.add(key("a", "second"));
    let start = Instant::now();
    let runner = tokio::spawn(run(
        queue.clone(),
        1,
        async move {
            stopped.await.unwrap();
        },
        move |key| {
            let log = log.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(10)).await;
                log.lock().unwrap().push(key.name);
                Outcome::Done
            }
        },
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    stop.send(()).unwrap();
    runner.await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    assert_eq!(*finished.lock().unwrap(), ["first"]);
    assert_eq!(queue.state().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn work_that_panics_is_tried_again() {
    let queue: Queue<ObjectKey> = Queue::default();
    let (done, mut seen) = mpsc::unbounded_channel();
    let tries = Arc::new(Mutex::new(0));
    queue.add(key("a", "x"));
    let runner = tokio::spawn(run(queue, 1, std::future::pending(), move |_| {
        let (done, tries) = (done.clone(), tries.clone());
        async move {
            let tries = {
                let mut tries = tries.lock().unwrap();
                *tries += 1;
                *tries
            };
            assert!(tries > 1, "the first try panics");
            done.send(tries).unwrap();
            Outcome::Done
        }
    }));
    assert_eq!(seen.recv().await.unwrap(), 2);
    runner.abort();
}
