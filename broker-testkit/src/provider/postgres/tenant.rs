//! One order's database and role: made, given a password, and dropped with whatever still uses it.

use sha2::{Digest as _, Sha256};

use super::PostgresError;
use super::fence;
use super::session::{Account, Session, name, text};

/// The longest name that PostgreSQL does not cut off.
const LONGEST_NAME: usize = 63;
/// The hash that tells a database from an earlier one of the same name, in letters.
const HASH: usize = 16;

/// The name of the database and of the role of an object: readable, and never that of an earlier object of its name.
pub(super) fn tenant_name(object: &str, uid: &str) -> String {
    let kept: String = object.chars().take(LONGEST_NAME - HASH - 1).collect();
    format!("{kept}-{}", digest(uid))
}

/// A short name for a text, of sixteen letters and digits.
pub(super) fn digest(text: &str) -> String {
    let digest = Sha256::digest(text);
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}

/// Makes the role and the database where they are not there. Nobody but the role (and the administrator) may connect.
pub(super) async fn make(admin: &Session, tenant: &str, password: &str) -> Result<(), PostgresError> {
    let what = "make the role";
    let word = if admin.exists(what, "SELECT 1 FROM pg_roles WHERE rolname = $1", &[&tenant]).await? {
        "ALTER"
    } else {
        "CREATE"
    };
    let (role, password) = (name(tenant), text(password));
    admin.run(what, &format!("{word} ROLE {role} LOGIN PASSWORD {password}")).await?;
    if !exists(admin, tenant).await? {
        admin.run("make the database", &format!("CREATE DATABASE {role} OWNER {role}")).await?;
    }
    // Not where it was made: the broker's provider may have been killed in between.
    admin.run("close the database to others", &format!("REVOKE ALL ON DATABASE {role} FROM PUBLIC")).await
}

/// Whether the database is there.
pub(super) async fn exists(admin: &Session, tenant: &str) -> Result<bool, PostgresError> {
    admin.exists("look for the database", "SELECT 1 FROM pg_database WHERE datname = $1", &[&tenant]).await
}

/// Drops the database with its fence, its replication and its connections, and the role. What is gone already is fine.
pub(super) async fn drop_all(server: &Account, admin: &Session, tenant: &str) -> Result<(), PostgresError> {
    if exists(admin, tenant).await? {
        let inside = Session::open(&server.in_database(tenant)).await?;
        fence::lift(&inside, tenant).await?;
        drop_subscriptions(&inside).await?;
        drop(inside);
        let what = "drop the replication slots";
        admin
            .rows(
                what,
                "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots \
                 WHERE database = $1 AND active_pid IS NOT NULL",
                &[&tenant],
            )
            .await?;
        admin
            .run("drop the database", &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name(tenant)))
            .await?;
    }
    admin.run("drop the role", &format!("DROP ROLE IF EXISTS {}", name(tenant))).await
}

/// A database with a subscription cannot be dropped. Its slot is the other server's, which may be gone.
async fn drop_subscriptions(inside: &Session) -> Result<(), PostgresError> {
    let what = "drop the subscriptions";
    let found = "SELECT subname::text FROM pg_subscription \
                 WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for row in inside.rows(what, found, &[]).await? {
        let subscription = name(inside.value(what, &row, 0)?);
        for statement in ["DISABLE", "SET (slot_name = NONE)"] {
            inside.run(what, &format!("ALTER SUBSCRIPTION {subscription} {statement}")).await?;
        }
        inside.run(what, &format!("DROP SUBSCRIPTION {subscription}")).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_object_of_the_same_name_has_another_database() {
        let (first, second) = (tenant_name("c-1", "a"), tenant_name("c-1", "b"));
        assert_ne!(first, second);
        assert!(first.starts_with("c-1-"), "{first}");
        assert_eq!(tenant_name(&"x".repeat(253), "a").len(), LONGEST_NAME);
    }
}
