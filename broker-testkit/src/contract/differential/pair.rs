//! Two servers that play the same.

use kube::Client;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::super::broken::Broken;
use super::super::session::{Session, eventually};
use super::compare::{Disagreement, compare};
use super::kinds;
use super::normal::normal;
use super::operation::Sequence;
use super::player::{Player, Transcript};
use super::shrink::smaller;

/// How long a sequence about which two servers disagree is shortened and played again.
const SHRINKING: Duration = Duration::from_secs(30);

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
    /// Prepares two servers: they get the kind that sequences are about.
    ///
    /// # Errors
    /// One of them does not serve it.
    pub async fn new(first: Client, second: Client) -> Result<Self, Broken> {
        let pair = Self { first: Session::over(first), second: Session::over(second) };
        for session in pair.sessions() {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            session.ensure(path, &kinds::definition()).await?;
            let collection = kinds::path("gadgets", "");
            // That it is served cannot be watched before it is.
            eventually(|| async { session.get(&collection).await?.accepted() }).await?;
        }
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
