//! One certificate, from the order to the chain (RFC 8555, 7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};

use crate::challenge::Challenges;

/// How the server is asked what became of an order: ACME has nothing to watch.
const PACE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(100)).timeout(Duration::from_mins(1));

/// What a server issued.
pub(crate) struct Issued {
    /// The certificate and those that lead to the root, in PEM.
    pub(crate) chain: String,
    /// Its key in PEM.
    pub(crate) key: String,
}

/// Orders a certificate for a name, and shows the server that the name is ours.
pub(crate) async fn issue(account: &Account, challenges: &Challenges, fqdn: &str) -> Result<Issued, Error> {
    let mut order = account.new_order(&NewOrder::new(&[Identifier::Dns(fqdn.to_owned())])).await?;
    let mut answered = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        // A server may remember that the name is ours.
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let missing = Error::Str("the server has no http-01 challenge for the name");
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or(missing)?;
        answered.push(challenges.answer(&challenge.token, challenge.key_authorization().as_str()));
        challenge.set_ready().await?;
    }
    match order.poll_ready(&PACE).await {
        Ok(OrderStatus::Ready | OrderStatus::Valid) => {}
        Ok(OrderStatus::Invalid | OrderStatus::Pending | OrderStatus::Processing) | Err(Error::Api(_)) => {
            return Err(why_invalid(&mut order).await);
        }
        Err(error) => return Err(error),
    }
    drop(answered);
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PACE).await?;
    Ok(Issued { chain, key })
}

/// What the server found wrong with the answer to a challenge, else with the order.
async fn why_invalid(order: &mut Order) -> Error {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { continue };
        if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.clone()) {
            return Error::Api(problem);
        }
    }
    order.state().error.clone().map_or(Error::Str("the server finds the order invalid"), Error::Api)
}
