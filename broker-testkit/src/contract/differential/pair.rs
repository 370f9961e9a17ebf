//! Two servers that play the same.

use kube::Client;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::super::broken::Broken;
use super::super::session::{Session, eventually};
use super::compare::{Disagreement, compare};
use super::generate::GENERATED;
use super::kinds;
use super::normal::normal;
use super::operation::Sequence;
use super::player::{Player, Transcript};
use super::shrink::smaller;

/// How long a sequence about which two servers disagree is shortened and played again.
const SHRINKING: Duration = Duration::from_secs(30);
/// The namespace in which is found out what is collected.
const COLLECTED: &str = "differential-collected";

/// Two servers that play the same sequences, each as its administrator.
#[derive(Clone)]
pub struct Pair {
    first: Session,
    second: Session,
}

impl std::fmt::Debug for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pair").finish_non_exhaustive()
    }
}

/// A namespace on both servers, empty between sequences.
#[derive(Debug)]
pub struct Stage {
    pair: Pair,
    namespace: String,
}

/// What came of a sequence.
#[derive(Debug, Default)]
pub struct Played {
    /// Where the servers disagreed first, if they did.
    pub disagreement: Option<Disagreement>,
    /// How each refusal was worded by both.
    pub wording: Vec<(String, String)>,
}

impl Pair {
    /// Prepares two servers: they get the kind that sequences are about. A real garbage collector looks for new kinds
    /// every 30 s.
    ///
    /// # Errors
    /// One of them does not serve it, or does not collect what is of it.
    pub async fn new(first: Client, second: Client) -> Result<Self, Broken> {
        let pair = Self { first: Session::over(first), second: Session::over(second) };
        for session in pair.sessions() {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            session.ensure(path, &kinds::definition()).await?;
            let collection = kinds::path("gadgets", "");
            // That it is served cannot be watched before it is.
            eventually(|| async { session.get(&collection).await?.accepted() }).await?;
        }
        pair.stage(COLLECTED).await?;
        let [first, second] = pair.sessions().map(collects);
        tokio::try_join!(first, second)?;
        Ok(pair)
    }

    fn sessions(&self) -> [&Session; 2] {
        [&self.first, &self.second]
    }

    /// A namespace of this name on both.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn stage(&self, namespace: &str) -> Result<Stage, Broken> {
        for session in self.sessions() {
            let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
            session.ensure("/api/v1/namespaces", &body).await?;
            let furniture = format!("{}/kube-root-ca.crt", kinds::path("configmaps", namespace));
            eventually(|| async { session.get(&furniture).await?.accepted() }).await?;
        }
        Ok(Stage { pair: self.clone(), namespace: namespace.to_owned() })
    }
}

/// Waits until the garbage collector knows the kind: what has an owner that never was is gone then.
async fn collects(session: &Session) -> Result<(), Broken> {
    let kind = "gadgets";
    let (version, name) = kinds::type_of(kind);
    let uid = "00000000-0000-4000-8000-000000000000";
    let orphan = json!({
        "apiVersion": version, "kind": name, "spec": {"size": 1},
        "metadata": {
            "generateName": GENERATED,
            "ownerReferences": [{"apiVersion": version, "kind": name, "name": "none", "uid": uid}],
        },
    });
    session.post(&kinds::path(kind, COLLECTED), &orphan).await?.accepted()?;
    let mut player = Player::new(session.clone(), COLLECTED, vec![kind.to_owned()]).await?;
    if player.settle().await? {
        return Ok(());
    }
    Err(Broken::new("the garbage collector knows gadgets", "it left one whose owner is not there"))
}

impl Stage {
    /// Plays a sequence on both servers and compares what they said.
    ///
    /// # Errors
    /// One of them did not answer.
    pub async fn play(&self, sequence: &Sequence) -> Result<Played, Broken> {
        let [first, second] = self.pair.sessions().map(|session| self.play_on(session, sequence));
        let (first, second) = tokio::try_join!(first, second)?;
        let is_collected = sequence.is_collected();
        let (first, second) = (normal(first, is_collected), normal(second, is_collected));
        let mut wording = Vec::new();
        let disagreement = compare(sequence, &first, &second, &mut wording);
        Ok(Played { disagreement, wording })
    }

    async fn play_on(&self, session: &Session, sequence: &Sequence) -> Result<Transcript, Broken> {
        let mut player = Player::new(session.clone(), &self.namespace, sequence.kinds()).await?;
        for operation in &sequence.operations {
            player.play(operation).await?;
        }
        player.end().await
    }

    /// The smallest sequence that was found about which the servers disagree in the same way.
    ///
    /// # Errors
    /// One of them did not answer.
    pub async fn shrink(&self, disagreement: Disagreement) -> Result<Disagreement, Broken> {
        let mut smallest = disagreement;
        let deadline = Instant::now() + SHRINKING;
        'again: loop {
            for candidate in smaller(&smallest.sequence) {
                if Instant::now() > deadline {
                    return Ok(smallest);
                }
                let played = self.play(&candidate).await?;
                if let Some(found) =
                    played.disagreement.filter(|found| found.signature() == smallest.signature())
                {
                    smallest = found;
                    continue 'again;
                }
            }
            return Ok(smallest);
        }
    }
}
