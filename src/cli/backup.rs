//! `backup` and `restore`: copies of an SQLite database.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::{Failure, MAX_CONNECTIONS, Outcome, counted, print_line};
use crate::clock::Clock;
use crate::config::{BadSetting, database_url};
use crate::db::{Contents, Db, restore as put_back, sqlite_file};

/// Writes a checked copy of the database.
pub(super) async fn back_up(file: &Path) -> Outcome {
    let url = database_url()?;
    let Some(database) = sqlite_file(url.expose_secret()) else {
        let why = "is not an SQLite address. PostgreSQL is backed up with: pg_dump --format=custom --file=FILE \
                   \"$DATABASE_URL\" (without the parameter pooler)";
        return Err(BadSetting::new("DATABASE_URL", why).into());
    };
    if !database.exists() {
        let why = format!("database {} not found: set DATABASE_URL", database.display());
        return Err(Failure::Failed(why));
    }
    // The database is backed up as it is, also before an upgrade: no migration runs.
    let db = Db::connect(url.expose_secret(), MAX_CONNECTIONS).await?;
    let backup = db.back_up(file).await?;
    db.close().await?;
    print_line(format_args!(
        "backup: {} with {}, schema {}",
        backup.path.display(),
        counted(backup.bytes, "byte"),
        backup.contents.schema()
    ))?;
    warn_of_dangling(&backup.contents)
}

/// Puts a backup in the place of the database.
pub(super) async fn restore(file: &Path) -> Outcome {
    let url = database_url()?;
    if sqlite_file(url.expose_secret()).is_none() {
        let why = "is not an SQLite address. PostgreSQL is restored into an empty database with: pg_restore \
                   --exit-on-error --single-transaction --no-owner --dbname=ADDRESS FILE (without the parameter pooler)";
        return Err(BadSetting::new("DATABASE_URL", why).into());
    }
    let restored = put_back(url.expose_secret(), file, Clock::System.now()).await?;
    print_line(format_args!(
        "restore: {} is now the backup {}, schema {}",
        restored.database.display(),
        file.display(),
        restored.contents.schema()
    ))?;
    if let Some(replaced) = &restored.replaced {
        print_line(format_args!(
            "The database before is kept as {}",
            replaced.display()
        ))?;
    }
    let missing = restored.contents.missing();
    if missing > 0 {
        print_line(format_args!(
            "The next start runs {}",
            counted(missing as u64, "missing migration")
        ))?;
    }
    print_line("Start the server, and run a sync and a sweep: the inventory is that of the backup")?;
    warn_of_dangling(&restored.contents)
}

fn warn_of_dangling(contents: &Contents) -> Outcome {
    if contents.dangling > 0 {
        eprintln!(
            "drift-inbox: warning: {} that another program has changed {} to a missing row",
            counted(contents.dangling as u64, "row"),
            if contents.dangling == 1 { "refers" } else { "refer" }
        );
    }
    Ok(std::process::ExitCode::SUCCESS)
}
