//! Bearer tokens: one for the administrator, and those of service accounts.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{MASTERS, User};
use crate::control_plane::error::{ApiError, Cause};
use crate::control_plane::plane::Plane;
use crate::control_plane::registry::Resource;
use crate::control_plane::storage::{ObjectKey, TableId};
use crate::control_plane::surroundings::Surroundings;
use crate::control_plane::value::{self, text};

/// The real server's default and minimum of a requested token's life, in seconds.
const DEFAULT_LIFE: i64 = 3600;
const MINIMUM_LIFE: i64 = 600;

/// The tokens that were handed out.
pub(crate) struct Tokens {
    admin: String,
    accounts: Mutex<HashMap<String, Account>>,
}

// Tokens are secrets: they are never printed.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Account {
    key: ObjectKey,
    uid: String,
    expires: Option<Timestamp>,
    /// The Secret that carries the token, which ends with it.
    secret: Option<ObjectKey>,
}

impl Tokens {
    pub(crate) fn new(surroundings: &Surroundings) -> Self {
        let admin = format!("{}{}", surroundings.uuid().simple(), surroundings.uuid().simple());
        Self { admin, accounts: Mutex::default() }
    }

    /// The same tokens, for a copy of the control plane.
    pub(crate) fn fork(&self) -> Self {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { admin: self.admin.clone(), accounts: Mutex::new(accounts) }
    }

    /// The token of the administrator, a member of `system:masters`.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    fn issue(&self, surroundings: &Surroundings, account: Account) -> String {
        let now = surroundings.timestamp().as_second();
        let ObjectKey { cluster, namespace, name } = &account.key;
        let mut claims = json!({
            "iss": "https://kubernetes.default.svc",
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "aud": ["https://kubernetes.default.svc"],
            "iat": now,
            "nbf": now,
            "jti": surroundings.uuid().to_string(),
            "kubernetes.io": {
                "namespace": namespace,
                "clusterName": cluster,
                "serviceaccount": {"name": name, "uid": account.uid},
            },
        });
        if let Some(expires) = account.expires {
            value::set(&mut claims, &["exp"], json!(expires.as_second()));
        }
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": "RS256", "kid": "embedded"}).to_string());
        let body = URL_SAFE_NO_PAD.encode(claims.to_string());
        // Tokens are known by heart, not verified: the last part only has to be unguessable.
        let secret = Sha256::digest(format!("{}{head}.{body}", self.admin));
        let token = format!("{head}.{body}.{}", URL_SAFE_NO_PAD.encode(secret));
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), account);
        token
    }

    fn find(&self, token: &str) -> Option<Account> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }
}

/// Who sends a request, by its bearer token. Without one it is a stranger, with a wrong one it is refused.
pub(crate) fn authenticate(plane: &Plane, headers: &HeaderMap) -> Result<User, ApiError> {
    let given = headers.get(AUTHORIZATION).filter(|header| header.as_bytes().trim_ascii() != b"Bearer");
    let Some(header) = given else {
        return Ok(User {
            name: "system:anonymous".to_owned(),
            uid: String::new(),
            groups: vec!["system:unauthenticated".to_owned()],
            home: None,
            extra: BTreeMap::new(),
        });
    };
    let header = header.to_str().map_err(|_| ApiError::unauthorized())?;
    let token = header.strip_prefix("Bearer ").ok_or_else(ApiError::unauthorized)?;
    user_of(plane, token.trim()).ok_or_else(ApiError::unauthorized)
}

/// The user a token belongs to, if it still counts.
pub(crate) fn user_of(plane: &Plane, token: &str) -> Option<User> {
    if token == plane.tokens.admin {
        return Some(User {
            name: "kcp-admin".to_owned(),
            uid: String::new(),
            groups: vec![MASTERS.to_owned(), "system:authenticated".to_owned()],
            home: None,
            extra: BTreeMap::new(),
        });
    }
    let account = plane.tokens.find(token)?;
    if account.expires.is_some_and(|expires| expires <= plane.surroundings.timestamp()) {
        return None;
    }
    let stored = plane.store.get(&TableId::of("", "serviceaccounts"), &account.key)?;
    if value::uid(&stored) != account.uid || value::is_terminating(&stored) {
        return None;
    }
    if let Some(secret) = &account.secret {
        plane.store.get(&TableId::of("", "secrets"), secret)?;
    }
    let ObjectKey { cluster, namespace, name } = account.key;
    Some(User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        uid: account.uid,
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        home: Some(cluster.to_string()),
        extra: BTreeMap::new(),
    })
}

/// Answers a `TokenRequest` for a service account.
pub(crate) fn request_token(
    accounts: &Resource<'_>,
    name: &str,
    mut request: Value,
) -> Result<Value, ApiError> {
    let account = accounts.get(name)?;
    let seconds = request.pointer("/spec/expirationSeconds").and_then(Value::as_i64).unwrap_or(DEFAULT_LIFE);
    if seconds < MINIMUM_LIFE {
        let why = "may not specify a duration less than 10 minutes";
        let cause = Cause::invalid("spec.expirationSeconds", &json!(seconds), why);
        return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", vec![cause]));
    }
    let surroundings = &accounts.plane.surroundings;
    let expires = surroundings
        .timestamp()
        .checked_add(SignedDuration::from_secs(seconds))
        .map_err(|_| ApiError::bad_request("spec.expirationSeconds is too large"))?;
    let token = accounts.plane.tokens.issue(
        surroundings,
        Account {
            key: ObjectKey::new(accounts.cluster, accounts.namespace, name),
            uid: value::uid(&account).to_owned(),
            expires: Some(expires),
            secret: None,
        },
    );
    value::set(&mut request, &["apiVersion"], json!("authentication.k8s.io/v1"));
    value::set(&mut request, &["kind"], json!("TokenRequest"));
    value::set(&mut request, &["metadata", "name"], json!(name));
    value::set(&mut request, &["metadata", "namespace"], json!(accounts.namespace));
    value::set(&mut request, &["metadata", "creationTimestamp"], json!(surroundings.now()));
    value::set(&mut request, &["spec", "expirationSeconds"], json!(seconds));
    if value::list(&request, "/spec/audiences").is_empty() {
        value::set(&mut request, &["spec", "audiences"], json!(["https://kubernetes.default.svc"]));
    }
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    value::set(&mut request, &["status"], json!({"token": token, "expirationTimestamp": expires}));
    Ok(request)
}

/// A token without an end for a Secret of type `kubernetes.io/service-account-token`; `None` if the
/// service account it names is not there.
pub(crate) fn issue_for_secret(plane: &Plane, key: &ObjectKey, secret: &Value) -> Option<(String, String)> {
    let name = value::annotation(secret, "kubernetes.io/service-account.name")?;
    let account = ObjectKey::new(&key.cluster, &key.namespace, name);
    let stored = plane.store.get(&TableId::of("", "serviceaccounts"), &account)?;
    let uid = text(&stored, "/metadata/uid").to_owned();
    let token = plane.tokens.issue(
        &plane.surroundings,
        Account { key: account, uid: uid.clone(), expires: None, secret: Some(key.clone()) },
    );
    Some((token, uid))
}
