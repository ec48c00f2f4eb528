"""The registry of error codes: for each its kind, its meaning and one plain-words action.

Three families share it: codes of our own (lower-case slugs), Oracle's and its driver's
(ORA-nnnnn, DPY-nnnn), and BigQuery's reasons (camelCase, as in ErrorProto.reason).
README's table, the mails and the admin site are made from it; `errors.EtlError.action`
reads it. The kind is the name of a class of `errors`, which holds the exit code.

What stands in backticks in an action is a command, or a field or a choice of the admin site by
its label there; a test looks each of them up.

Sources: https://docs.oracle.com/error-help/db/ for ORA codes, the driver's `errors.py` for
DPY codes, https://docs.cloud.google.com/bigquery/docs/error-messages for reasons.
"""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One row of the registry; `kind` is the name of a class of `errors`."""

    code: str
    kind: str
    meaning: str
    action: str

    @property
    def transient(self) -> bool:
        """True when another try may work."""
        return self.kind.endswith("Unavailable")


KIND_ACTIONS: dict[str, str] = {
    "EtlError": "Report the traceback in Log Error to whoever maintains this program; after a "
    "process that died, run the view again and look for a lack of memory on this server.",
    "ConfigError": "Correct the data source, the data store or the .env file, then run the view again.",
    "SourceError": "Show the ORA or DPY code to the database administrator; nothing was loaded.",
    "SourceUnavailable": "Nothing was loaded; run the view again, and if it stays so, ask the "
    "database administrator whether the database and the network are up.",
    "SchemaMismatch": "Compare the differences listed with the view and the target, then change "
    "one of them or the `schema policy` of the data source.",
    "StageError": "Look at the column and the rows that the message names; nothing was loaded.",
    "DestinationError": "Read BigQuery's reason in the message; the target is as it was before.",
    "DestinationUnavailable": "The target is as it was before; run the view again later.",
    "CatalogError": "Check that the configuration database exists, is migrated and can be written "
    "by this account.",
    "Busy": "Wait until the other run has ended, or stop it in ETL Transaction.",
    "Stopped": "Run it again when you wish. Whether a commit that was under way took effect, the "
    "next run of the view finds out.",
}


def _rows(kind: str, *rows: tuple[str, str, str]) -> list[Code]:
    return [Code(code, kind, meaning, action) for code, meaning, action in rows]


# One row, one or two lines: the tables stay readable only without the formatter.
# fmt: off
_OWN_CONFIG = _rows(
    "ConfigError",
    ("unknown-view", "No data source or no Oracle view has this name, or the account cannot see it.",
     "Compare the name with `python -m etl_oracle_to_bq list`, and ask for READ on the view."),
    ("ambiguous-view", "Several data sources or schemas have a view of this name.",
     "Name it as OWNER.VIEW, or as STORE:OWNER.VIEW."),
    ("unknown-store", "No data store has this name.",
     "Compare the name with the Data Store page of the admin site."),
    ("unknown-column", "The data source names a column that the view does not have.",
     "Compare the columns of the data source with the view; a column may have been renamed."),
    ("missing-setting", "A setting that this command needs is absent.",
     "Set it in the .env file; .env.example says what it is for."),
    ("invalid-setting", "A setting has a value that is not allowed.",
     "Correct the value in the .env file; the message says what is allowed."),
    ("invalid-source", "The data source breaks one or more rules.",
     "Open the data source in the admin site, correct each point of the message and save it."),
    ("invalid-store", "The data store has a value that the database does not know.",
     "Open the Data Store in the admin site, correct what the message names and save it."),
    ("invalid-request", "The options of the command contradict each other or the data source.",
     "Read the message and change the options; --help explains them."),
    ("unknown-transform", "The transform of the data source is not registered.",
     "Register it in TRANSFORMS of the module that ETL_TRANSFORMS names, or clear `transform` of "
     "the data source."),
    ("unsupported-type", "A column has an Oracle type that cannot be loaded.",
     "Leave the column out of the view, or convert it to text in the view."),
    ("invalid-type", "A column type override is not possible for the Oracle type of the column.",
     "Choose one of the types that the message lists, or remove the column from `column type "
     "overrides` of the data source."),
    ("watermark-scope", "The view, incremental column, first load date, keys or target changed since the watermark was set.",
     "Run the view with --full to make the target whole, or `python -m etl_oracle_to_bq watermark "
     "VIEW --keep` when what is in it is right."),
    ("no-watermark", "The data source has no watermark yet.",
     "Run a first load; a watermark comes with it."),
    ("watermark-ahead", "The watermark lies in the future of Oracle's clock.",
     "Correct it with `python -m etl_oracle_to_bq watermark VIEW --set TIME`, or read everything "
     "again with `run VIEW --full`."),
    ("window-not-empty", "The target already has rows of the window, and without key columns they "
     "would be added twice.",
     "Set the watermark to where the target ends, or run the view with --full to replace its rows."),
    ("target-missing", "The target table is gone, but its watermark is still there.",
     "Restore the table, or run the view with --full to load everything again."),
    ("foreign-target", "The target table exists and was not made by this data source.",
     "Choose another target, or tick `adopt existing table` of the data source when it may be "
     "written."),
    ("not-a-table", "The target's name belongs to a view, a materialized view, an external table "
     "or a snapshot, into which no row can be loaded.",
     "Choose another target in the data source, or rename or drop in BigQuery what bears the name; "
     "adopting it cannot help."),
    ("target-not-empty", "A first load would append every row to a table that already has rows.",
     "Run it with --full to replace the rows, or set the watermark to where the table ends."),
)

_OWN_OTHER = [
    *_rows(
        "SchemaMismatch",
        ("schema-mismatch", "The view and the target table differ.",
         "Change the view or the target, set a type in `column type overrides` of the data source, "
         "or choose `add columns` as its `schema policy` when only new columns are missing."),
        ("column-collision", "Two columns of the view get the same name in BigQuery.",
         "Give one of the two another alias in the view."),
        ("transform-mismatch", "The transform changed the planned columns or their types.",
         "Correct the transform so that it returns exactly the columns and types it was given."),
    ),
    *_rows(
        "StageError",
        ("value-does-not-fit", "A value cannot be held by the planned column without loss.",
         "Run the query of the message to see the rows; correct them, or set a wider type in "
         "`column type overrides` of the data source."),
        ("bad-dates", "The view holds dates before year 1, which BigQuery cannot hold.",
         "Run the query of the message and correct the dates, or let `bad dates` of the data "
         "source be loaded as NULL."),
        ("bad-text", "A text value is not valid UTF-8.",
         "Find the row with UTL_I18N.VALIDATE_CHARACTER_ENCODING and correct the text."),
        ("disk-full", "The disk or the limit for staged parts is full.",
         "Free space where the work folder is, raise ETL_STAGE_LIMIT_MB, or load in smaller "
         "windows."),
        ("counts-disagree", "Oracle, the staged parts and BigQuery count different numbers of rows.",
         "Run the view again; if it repeats, the view is not stable within one run: report it."),
        ("duplicate-keys", "Rows of the same version share one key.",
         "Correct the `key columns` of the data source, or the view."),
        ("null-keys", "Rows have no value in a key column.",
         "Correct the `key columns` of the data source, or leave such rows out of the view."),
        ("slice-died", "A process that read a slice of the view ended without a word.",
         "Look for a lack of memory on this server; use fewer `slices` or a smaller `batch size`."),
        ("empty-replace", "The view returned no rows, and the target has some.",
         "Check the view (E-Business Suite context?); tick `allow empty` of the data source when "
         "this is right."),
        ("shrunk-result", "The view returned far fewer rows than the target has.",
         "Check the view; raise `shrink limit percent` of the data source when this is right."),
        ("transform-failed", "The transform of the data source raised an error.",
         "Correct the transform; the message ends with what it said."),
        ("disk-error", "A part could not be written or read.",
         "Check the work folder: its path, the rights of this account, and the disk."),
    ),
    *_rows(
        "DestinationError",
        ("partition-limit", "The rows fall into more partitions than BigQuery takes.",
         "Load a shorter window with --from and --to, or choose a coarser `partition type`."),
    ),
    *_rows(
        "CatalogError",
        ("catalog-missing", "The configuration database does not exist or was never migrated.",
         "Check ETL_DATABASE_URL; run `python etl_web_admin/manage.py migrate` for a new one."),
        ("catalog-newer", "The configuration database was migrated by a newer version.",
         "Update this program to the version that the other hosts run."),
        ("catalog-locked", "The configuration database stayed locked longer than the timeout.",
         "See which program holds it open (DB Browser with unsaved changes?) and close it."),
        ("catalog-unreachable", "The configuration database cannot be opened, read or written.",
         "Check the path in ETL_DATABASE_URL and the rights of this account on its folder."),
    ),
    *_rows(
        "Busy",
        ("lease-held", "Another live run holds the view.",
         "Wait until it has ended, or stop it in ETL Transaction."),
        ("lease-lost", "Another run took the view over while this one was paused.",
         "Nothing to do: the other run goes on. Ask why this host was suspended."),
    ),
    *_rows(
        "Stopped",
        ("stopped", "Somebody stopped the run on purpose: Stop in ETL Transaction, Ctrl-C, or a "
         "signal.", KIND_ACTIONS["Stopped"]),
    ),
    *_rows(
        "EtlError",
        ("run-died", "A run ended without a word: power loss, kill or crash.",
         "Look for a restart, a kill or a lack of memory at that time; the next run of the view "
         "settles what it left."),
        ("unexpected", "The program met a case that nobody thought of.",
         "Report the traceback in Log Error; nothing was committed unless the message says so."),
    ),
]

_ASK_DBA = "Ask the database administrator; the view itself is the place to look."
_NO_RETRY = (
    "Do not run it again before it is corrected: each try counts towards the account's lock."
)
_BAD_ROW = (
    "A row or an expression inside the view fails: run the view's SQL in a SQL tool to find it."
)
_RECONNECT = (
    "Nothing was loaded; run the view again. If it repeats, ask for the firewall's idle limit."
)
_WAIT = "The database is starting or stopping: run the view again in some minutes."

_ORACLE = [
    *_rows(
        "SourceError",
        ("ORA-01017", "Wrong user or password.",
         f"Type the password again in the Data Store. {_NO_RETRY}"),
        ("ORA-28000", "The account is locked.",
         "Have the database administrator unlock it, and check the password before the next run."),
        ("ORA-28001", "The password has expired.",
         "Have it changed in Oracle, then type the new one in the Data Store."),
        ("ORA-28002", "The password expires soon.",
         "Plan its change in Oracle and in the Data Store."),
        ("ORA-00942", "The view, or a table under it, does not exist or is not granted.",
         "Check the name, and ask for READ on the view."),
        ("ORA-00904", "A column does not exist.",
         "The view changed: open the data source and compare its columns."),
        ("ORA-01031", "The account lacks a privilege.", "Ask for READ and FLASHBACK on the view."),
        ("ORA-01045", "The account may not log in.", "Ask for CREATE SESSION."),
        ("ORA-04063", "The view has errors.", _ASK_DBA),
        ("ORA-01722", "Text that is not a number is converted inside the view.", _BAD_ROW),
        ("ORA-01476", "The view divides by zero.", _BAD_ROW),
        ("ORA-01426", "A number overflows inside the view.", _BAD_ROW),
        ("ORA-01427", "A subquery of the view returns more than one row.", _BAD_ROW),
        ("ORA-01438", "A number is larger than its declared precision.", _BAD_ROW),
        ("ORA-01830", "A date inside the view does not match its format.", _BAD_ROW),
        ("ORA-01839", "The view makes a day that the month does not have.", _BAD_ROW),
        ("ORA-01840", "A date text inside the view is too short.", _BAD_ROW),
        ("ORA-01841", "The view makes a date outside the calendar.", _BAD_ROW),
        ("ORA-01843", "The view makes a month that does not exist.", _BAD_ROW),
        ("ORA-01847", "The view makes a day that does not exist.", _BAD_ROW),
        ("ORA-01850", "The view makes an hour that does not exist.", _BAD_ROW),
        ("ORA-01858", "A date inside the view holds letters where digits belong.", _BAD_ROW),
        ("ORA-01861", "A date inside the view does not match its format.", _BAD_ROW),
        ("ORA-00600", "Oracle met an internal error.",
         "Send the arguments of the message to the database administrator."),
        ("ORA-00603", "Oracle ended the session after a fatal error.",
         "Send the message to the database administrator; the cause is in the alert log."),
        ("ORA-07445", "A process of Oracle crashed.",
         "Send the message to the database administrator; the cause is in the alert log."),
        ("ORA-00604", "A statement inside the database failed.", _ASK_DBA),
        ("ORA-00933", "The SQL is not understood.", "Report the plan of the view."),
        ("ORA-00936", "The SQL is not understood.", "Report the plan of the view."),
        ("ORA-01013", "The call was cancelled.", "Run the view again when you wish."),
        ("ORA-01652", "Temporary space is exhausted.",
         "Load in smaller windows, or have the temporary tablespace enlarged."),
        ("ORA-08180", "The snapshot is older than Oracle remembers.",
         "Run the view again; a new snapshot is taken."),
        ("ORA-08181", "The snapshot number is not valid.",
         "Run the view again; on a standby, take snapshot and rows from the same side."),
        ("ORA-08188", "Something under the view cannot be read as of a snapshot.",
         "Withdraw FLASHBACK from the account for this view; a read-only transaction is "
         "used then."),
        ("ORA-12154", "The connect identifier is not known.",
         "Check `host`, `port` and `service name` in the Data Store."),
        ("ORA-12505", "The listener does not know the SID.",
         "Check `SID` in the Data Store, or use `service name`."),
        ("ORA-12545", "The host name is not known.",
         "Check `host` in the Data Store, and the name server of this host."),
        ("tls-certificate", "The certificate of the database server is not trusted.",
         "Set `wallet location` in the Data Store, or have the certificate renewed."),
        ("ORA-12660", "The server demands native network encryption.",
         "Tick `thick driver` in the Data Store and install Oracle Client libraries, or use TCPS."),
        ("ORA-16000", "The database is open read only and something tried to write.",
         "The E-Business Suite context cannot be set on a standby: use the primary."),
    ),
    *_rows(
        "SourceUnavailable",
        ("ORA-01555", "The view takes longer than Oracle keeps undo.",
         "Other loads go on in smaller windows by themselves; a replace or --full shows one moment "
         "and cannot: run it at a quiet hour, choose another `write disposition`, or have "
         "undo_retention raised."),
        ("ORA-22924", "A long text or binary changed and its undo is gone.",
         "Other loads go on in smaller windows by themselves; run a replace or --full at a quiet "
         "hour, or have the RETENTION of the LOB raised."),
        ("ORA-01466", "A table under the view was changed (DDL, TRUNCATE) after the snapshot.",
         "Run the view again; if it repeats nightly, move the run away from that job."),
        ("ORA-00028", "The session was killed.",
         "Ask the database administrator why, then run again."),
        ("ORA-01012", "The session has ended.", _RECONNECT),
        ("ORA-03113", "The connection was lost.", _RECONNECT),
        ("ORA-03114", "The connection was lost.", _RECONNECT),
        ("ORA-03135", "The connection was lost.", _RECONNECT),
        ("ORA-12537", "The connection was closed.", _RECONNECT),
        ("ORA-12547", "The connection was closed.", _RECONNECT),
        ("ORA-12570", "The network failed.", _RECONNECT),
        ("ORA-12571", "The network failed.", _RECONNECT),
        ("ORA-01033", "The database is starting or stopping.", _WAIT),
        ("ORA-01034", "The database is down, or has another name.", _WAIT),
        ("ORA-01089", "The database is stopping.", _WAIT),
        ("ORA-01090", "The database is stopping.", _WAIT),
        ("ORA-01092", "The database was stopped.", _WAIT),
        ("ORA-12514", "The listener does not know the service (yet).",
         "Check `service name` in the Data Store; if it is right, the database is starting."),
        ("ORA-12528", "The listener lets nobody in for the moment.", _WAIT),
        ("ORA-12516", "The listener has no free handler for the moment.", _WAIT),
        ("ORA-12518", "The listener could not hand the connection over.", _WAIT),
        ("ORA-12519", "The listener has no free handler for the moment.", _WAIT),
        ("ORA-12520", "The listener has no free handler for the moment.", _WAIT),
        ("ORA-12526", "The listener lets nobody in for the moment.", _WAIT),
        ("ORA-12541", "No listener answers at host and port.",
         "Check `host` and `port` in the Data Store, and whether the listener is up."),
        ("ORA-12170", "The host did not answer in time.",
         "Check `host` and `port` in the Data Store, and the firewall before the database."),
        ("ORA-12757", "The instance does not take requests for the moment.", _WAIT),
        ("ORA-02391", "The account has too many sessions.",
         "Run fewer views in parallel, or have SESSIONS_PER_USER raised."),
        ("ORA-00018", "The database has too many sessions.", _WAIT),
        ("ORA-00020", "The database has too many processes.", _WAIT),
        ("ORA-02396", "The session was idle longer than its profile allows.",
         "Have IDLE_TIME lifted for the account, then run the view again."),
        ("ORA-02399", "The session was open longer than its profile allows.",
         "Have CONNECT_TIME lifted for the account, or load in smaller windows."),
        ("ORA-03172", "The standby is too far behind.",
         "Run the view again later, or use the primary."),
        ("ORA-04061", "A package was compiled meanwhile.", "Run the view again."),
        ("ORA-04068", "A package was compiled meanwhile.", "Run the view again."),
        ("ORA-30006", "A resource stayed busy.", "Run the view again."),
    ),
]

_DRIVER = [
    *_rows(
        "SourceError",
        ("DPY-3001", "The server demands something that only thick mode can do, mostly encryption.",
         "Tick `thick driver` in the Data Store and install Oracle Client libraries, or use TCPS."),
        ("DPY-3010", "The database is older than 12.1.",
         "Tick `thick driver` in the Data Store and install Oracle Client libraries of version "
         "19."),
        ("DPY-3012", "The national character set is not AL16UTF16.",
         "Tick `thick driver` in the Data Store and install Oracle Client libraries."),
        ("DPY-3015", "The account has an old password only (10G verifier).",
         "Have SEC_CASE_SENSITIVE_LOGON switched on and the password set again, or tick "
         "`thick driver` in the Data Store."),
        ("DPY-3022", "A timestamp has a named time zone, which the driver cannot read.",
         "Convert the column with SYS_EXTRACT_UTC in the view."),
        ("DPY-4000", "The alias is not in tnsnames.ora.",
         "Check `connect descriptor` in the Data Store, or use `host`, `port` and `service name`."),
        ("DPY-4026", "A file that the connection needs is missing.",
         "Check `wallet location` in the Data Store."),
        ("DPY-4027", "There is no folder with a tnsnames.ora.",
         "Use `host`, `port` and `service name` in the Data Store."),
        ("DPY-6002", "The server's certificate names another host.",
         "Check `host` in the Data Store and the certificate of the server."),
        ("DPY-6003", "The listener does not know the SID.",
         "Check `SID` in the Data Store, or use `service name`."),
        ("DPY-6006", "The server's certificate names another host.",
         "Check `host` in the Data Store and the certificate of the server."),
        ("DPI-1047", "The Oracle Client libraries are not found.",
         "Install Oracle Instant Client (64 bit) where the system looks for libraries, or untick "
         "`thick driver` in the Data Store."),
    ),
    *_rows(
        "SourceUnavailable",
        ("DPY-1001", "The connection was closed.", _RECONNECT),
        ("DPY-4011", "The database or the network closed the connection.", _RECONNECT),
        ("DPY-4024", "One call to Oracle took longer than the call timeout.",
         "Load in smaller windows, or raise ETL_CALL_SECONDS in the .env file."),
        ("DPY-4033", "The session was idle longer than its profile allows.",
         "Have IDLE_TIME lifted for the account, then run the view again."),
        ("DPY-6000", "The listener refused the connection.",
         "Read the cause in the message; the service may be stopped or in restricted mode."),
        ("DPY-6001", "The listener does not know the service (yet).",
         "Check `service name` in the Data Store; if it is right, the database is starting."),
        ("DPY-6005", "The database cannot be reached.",
         "Check `host` and `port` in the Data Store, the listener and the firewall."),
        ("connect-timeout", "The database accepted the connection and then stayed silent.",
         "Check that `host` and `port` in the Data Store lead to an Oracle listener, then run the "
         "view again."),
    ),
    *_rows(
        "StageError",
        ("DPY-4036", "A number does not fit into a 64-bit integer.",
         "Set the column to NUMERIC or BIGNUMERIC in `column type overrides` of the data source."),
        ("DPY-4042", "A number has more digits than the planned decimal holds.",
         "Set the column to BIGNUMERIC or STRING in `column type overrides` of the data source, or "
         "let its `bare numbers` be rounded."),
        ("DPY-8002", "One batch holds more text than the driver can pack.",
         "Lower `batch size` of the data source."),
    ),
]

_AGAIN = "The target is as it was before; run the view again later."

_BIGQUERY = [
    *_rows(
        "DestinationError",
        ("invalid", "The data or the schema is not accepted.",
         "Read the message; it names the column, the file or the option."),
        ("invalidQuery", "The SQL is not accepted.",
         "Report the message and the plan of the view."),
        ("notFound", "A dataset, table or job does not exist, or is in another location.",
         "Check ETL_BQ_LOCATION in the .env file and `dataset` of the data source."),
        ("accessDenied", "The account lacks a right.",
         "Grant BigQuery Data Editor on the dataset and BigQuery Job User on the project."),
        ("authenticationFailed", "Google did not accept the credentials.",
         "Check GOOGLE_APPLICATION_CREDENTIALS in the .env file, and the clock of this server."),
        ("missingCredentials", "No credentials were found.",
         "Set GOOGLE_APPLICATION_CREDENTIALS in the .env file."),
        ("tls", "The secure connection to Google failed.",
         "Check the proxy and the certificates of this server."),
        ("client", "The client library refused the request.",
         "Read the message; if BIGQUERY_EMULATOR_HOST in the .env file is right or not set, report "
         "it."),
        ("unknown", "BigQuery gave no reason.", "Look the job up in the Google Cloud console."),
        ("duplicate", "A job or table of this name already exists.",
         "Run the view again; if it repeats, see who else writes into the dataset."),
        ("quotaExceeded", "A daily or longer quota is used up.",
         "Wait ten minutes or more; the message names the quota."),
        ("resourcesExceeded", "The query needs more than BigQuery gives.",
         "Load a shorter window with --from and --to."),
        ("responseTooLarge", "The result is too large.",
         "Load a shorter window with --from and --to."),
        ("billingNotEnabled", "The project has no billing.", "Switch billing on for the project."),
        ("billingTierLimitExceeded", "The query costs more than the project allows.",
         "Load a shorter window, or raise the limit."),
        ("bytesBilledLimitExceeded", "The query would bill more than the configured maximum.",
         "Partition the target, load a shorter window, or raise ETL_MAX_BYTES_BILLED in the .env "
         "file."),
        ("blocked", "The project or the account is blocked for the moment.",
         "Ask the administrator of the Google Cloud project."),
        ("jobCancelled", "Somebody cancelled the job in BigQuery.",
         "Ask in the Google Cloud project who cancels jobs there, then run the view again."),
        ("notImplemented", "The job asks for something that does not exist.",
         "Report the message."),
        ("tableUnavailable", "The table cannot be used for the moment.", _AGAIN),
    ),
    *_rows(
        "DestinationUnavailable",
        ("rateLimitExceeded", "Too many requests in a short time.", _AGAIN),
        ("jobRateLimitExceeded", "Too many jobs in a short time.", _AGAIN),
        ("backendError", "BigQuery failed for the moment.", _AGAIN),
        ("jobBackendError", "BigQuery failed for the moment.", _AGAIN),
        ("internalError", "BigQuery failed for the moment.", _AGAIN),
        ("jobInternalError", "BigQuery failed for the moment.", _AGAIN),
        ("badGateway", "BigQuery failed for the moment.", _AGAIN),
        ("resourceInUse", "Another job holds the table.", _AGAIN),
        ("concurrentUpdate", "Another writer changed the table at the same moment.",
         "The target is as it was before; run the view again, and if it repeats, see who else "
         "writes into the dataset."),
        ("timeout", "The job took too long.", _AGAIN),
        ("connectionLost", "The connection to BigQuery was lost.", _AGAIN),
    ),
]

# fmt: on

CODES: dict[str, Code] = {
    row.code: row for row in [*_OWN_CONFIG, *_OWN_OTHER, *_ORACLE, *_DRIVER, *_BIGQUERY]
}

OWN: frozenset[str] = frozenset(row.code for row in [*_OWN_CONFIG, *_OWN_OTHER])
"""Codes of our own: the product itself decides to raise each of them somewhere."""

SNAPSHOT_TOO_OLD: frozenset[str] = frozenset({"ORA-01555", "ORA-01466", "ORA-22924"})
"""The moment that the run reads is gone: it goes on in smaller windows, each at its own moment."""

TRY_ONCE_MORE: frozenset[str] = frozenset({"ORA-00600", "ORA-00603", "ORA-07445"})
"""Defects of the database that may not strike twice; a third try would only fill its trace files."""

NEVER_RETRY_LOGIN: frozenset[str] = frozenset({"ORA-01017", "ORA-28000", "ORA-28001", "ORA-01045"})
"""A login that failed with one of these is never tried again: it counts towards the lock.

Source: https://docs.oracle.com/error-help/db/ora-28000
"""


def action_for(code: str, kind: str) -> str:
    """What the reader can do about `code`: its own action, else the one of its kind."""
    return CODES[code].action if code in CODES else KIND_ACTIONS[kind]
